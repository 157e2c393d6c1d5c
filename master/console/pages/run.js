// One run in any state: what happened when, why, and its output.
import { h, fill, other, link, clean } from '../dom.js';
import { t, number } from '../i18n.js';
import { get, post, path, ask } from '../api.js';
import { zoneOf, when, clock, full, duration, lively, coming, ago, time, date, ms } from '../time.js';
import { mark, state as chip, words, button, question } from '../parts.js';
import { outputOf } from './run-output.js';
import { triggerWord } from './job-runs.js';
import { bytes } from './job-statistics.js';
import { runNow } from './job.js';

const never = new Set(['skipped', 'missed', 'cancelled']);

export async function render({ job: name, runId }, frame) {
  const resource = path`runs/${name}/${runId}`;
  const read = () => get(resource, { output: 'true' });
  const [first, stored] = await Promise.all([
    read(),
    ask('GET', path`jobs/${name}`).then(
      ({ data }) => data,
      () => null,
    ),
  ]);
  const model = { name, runId, frame, resource, view: first, job: stored, zone: zoneOf(stored?.timeZone) };
  const top = h('div');
  const output = outputOf(name, runId, frame);
  const draw = () => fill(top, drawTop(model, refresh));
  draw();
  let [isAsking, isClosed, timer] = [false, false, 0];

  async function refresh() {
    if (isAsking || isClosed || model.view.state === 'ended') return;
    isAsking = true;
    try {
      const before = JSON.stringify(model.view);
      model.view = await read();
      if (isClosed || JSON.stringify(model.view) === before) return;
      draw();
      if (model.view.state === 'ended') output.ended(model.view);
    } catch {
      /* The line of the outage says so; what is shown stays. */
    } finally {
      isAsking = false;
    }
  }

  return {
    title: `${date(first.timeline.planTime, model.zone)} ${clock(first.timeline.planTime, model.zone)}`,
    crumbs: [
      [t('Jobs'), '/jobs'],
      [name, link.job(name)],
    ],
    node: h('div', top, hasOutput(first) ? output.node : null),
    shown: () => {
      if (hasOutput(first)) output.start(first);
    },
    keys: {
      y: () => copyLink(frame),
      r: () => runNow(name, frame),
      e: () => frame.go(link.edit(name)),
      Escape: () => frame.go(link.job(name)),
      ...output.keys,
    },
    onLive: (event) => {
      const isMine = event.kind === 'run' && (event.data?.runId ?? event.data?.run?.runId) === runId;
      if (isMine || event.kind === 'reset' || event.kind === 'now') {
        clearTimeout(timer);
        timer = setTimeout(refresh, isMine ? 100 : 0);
      }
    },
    close: () => {
      isClosed = true;
      clearTimeout(timer);
      output.close();
    },
  };
}

const hasOutput = ({ state, ending, record }) => state !== 'ended' || !never.has(ending) || record?.outputBytes > 0;

function copyLink(frame) {
  navigator.clipboard.writeText(location.href).then(
    () => frame.toast(t('Copied the link.')),
    () => frame.toast(location.href),
  );
}

function drawTop(model, refresh) {
  const { name, view, frame, job } = model;
  const isOver = view.state === 'ended';
  const kill = isOver
    ? null
    : button(view.isKillAsked ? endsIn(job) : t('Kill…'), {
        kind: 'danger',
        role: 'operator',
        onclick: () => askToKill(model, kill, refresh),
      });
  if (kill) kill.disabled = view.isKillAsked;
  return [
    h(
      'div.head',
      h(
        'div.grow',
        h('h1', mark(view.ending ?? view.state, 'l'), h('span.sr', words()[view.ending ?? view.state]), headline(view)),
        h('p.say', subline(model)),
      ),
      h(
        'div.acts',
        h('span.wide-only', button(t('Copy link'), { key: 'Y', onclick: () => copyLink(frame) })),
        job && button(t('Run again'), { role: 'operator', onclick: () => runNow(name, frame) }),
        kill,
      ),
    ),
    timelineOf(model),
    factsOf(model),
    attemptsOf(model),
    linksOf(model),
    processesOf(view.record),
  ];
}

const endsIn = (job) => t('ends within {span}', { span: duration((job?.killGraceSeconds ?? 5) * 1000) });

function headline({ state, ending, timeline, record }) {
  const after = timeline.durationMs === null ? '' : duration(timeline.durationMs);
  if (state === 'running') {
    return lively(h('span'), () =>
      (timeline.startedAt ?? timeline.notBefore)
        ? t('Running for {span}', { span: duration(Date.now() - ms(timeline.startedAt ?? later(timeline))) })
        : t('Running'),
    );
  }
  if (state === 'queued') return t('Waits in the queue');
  if (state === 'claimed') return t('Claimed; its time has not come');
  switch (ending) {
    case 'succeeded':
      return t('Succeeded after {span}', { span: after });
    case 'failed':
      if (record?.signal) return t('Ended by signal {n} after {span}', { n: record.signal, span: after });
      return record?.exitCode ? t('Failed with exit {n} after {span}', { n: record.exitCode, span: after }) : t('Failed');
    case 'timedOut':
      return t('Timed out after {span}', { span: after });
    case 'killed':
      return after ? t('Killed after {span}', { span: after }) : t('Killed');
    case 'skipped':
      return t('Skipped: it did not start');
    case 'missed':
      return t('Missed: it did not start');
    case 'cancelled':
      return t('Cancelled: it did not start');
    default:
      return t('Lost: how it ended is not known');
  }
}

const later = ({ notBefore, claimedAt }) => (claimedAt && ms(claimedAt) > ms(notBefore) ? claimedAt : notBefore);

function subline({ view, zone, job }) {
  const { timeline, worker, reason, trigger } = view;
  const parts = [];
  const at = when(timeline.planTime, zone);
  const plan =
    trigger === 'schedule' || trigger === 'misfire'
      ? t('for the fire of {time}', { time: at })
      : t('{trigger}, {time}', { trigger: triggerWord(trigger), time: at });
  parts.push(worker ? t('On {worker}, {plan}.', { worker: clean(worker), plan }) : `${plan}.`);
  if (view.state !== 'ended' && timeline.usualMs) parts.push(' ', t('Usually {span}.', { span: duration(timeline.usualMs) }));
  if (reason && view.ending !== 'succeeded') parts.push(' ', h('span.why', other(reason, 'span')), '.');
  if (!job) parts.push(' ', t('The job is deleted.'));
  return parts;
}

// ---------- what happened when ----------

function timelineOf({ view, zone, job }) {
  const { timeline, state, ending, worker } = view;
  const exact = (at) => `${clock(at, zone, true)}.${String(new Date(ms(at)).getMilliseconds()).padStart(3, '0')}`;
  const stamp = (at) => h('time', { datetime: at, title: full(at, job?.timeZone) }, exact(at));
  const late =
    timeline.lagMs === null
      ? null
      : timeline.lagMs < 1000
        ? t('{n} ms late', { n: timeline.lagMs })
        : t('{span} late', { span: duration(timeline.lagMs) });
  const steps = [[t('Planned'), stamp(timeline.planTime), triggerWord(view.trigger)]];
  if (timeline.claimedAt)
    steps.push([
      worker ? t('Claimed by {worker}', { worker: clean(worker) }) : t('Claimed'),
      timeline.aheadMs > 0 ? t('{n} ms ahead', { n: timeline.aheadMs }) : stamp(timeline.claimedAt),
      '',
    ]);
  if (timeline.startedAt)
    steps.push([
      t('Started'),
      late ?? stamp(timeline.startedAt),
      late ? exact(timeline.startedAt) : '',
      state === 'running' ? 'going' : '',
    ]);
  else if (state === 'running') steps.push([t('Started'), stamp(later(timeline)), '', 'going']);
  if (state === 'ended') {
    const tells =
      view.record?.exitCode !== null && view.record?.exitCode !== undefined
        ? t('Exit {n}', { n: view.record.exitCode })
        : words()[ending];
    steps.push([
      tells,
      timeline.endedAt && stamp(timeline.endedAt),
      timeline.usualMs && timeline.durationMs !== null
        ? t('{span}, usually {usual}', { span: duration(timeline.durationMs), usual: duration(timeline.usualMs) })
        : '',
      'fin',
      ending,
    ]);
  } else if (state === 'running') {
    const start = ms(timeline.startedAt ?? later(timeline));
    ahead(t('Usually over'), timeline.usualMs);
    ahead(t('Times out'), timeline.timeoutMs);
    function ahead(text, span) {
      if (!span) return;
      const at = start + span;
      steps.push([
        text,
        h('time', { title: full(at, job?.timeZone) }, clock(at, zone, true)),
        time(at, (to) => (to > Date.now() ? coming(to, zone) : ago(to)), job?.timeZone),
        at < Date.now() ? 'past' : 'ahead',
      ]);
    }
  } else {
    steps.push([t('May start'), timeline.notBefore && stamp(timeline.notBefore), '', 'ahead']);
  }
  return h(
    'ol.time',
    steps.map(([name, value, note, cls, ending_], i) =>
      h(
        'li',
        { class: [cls ?? '', i === steps.length - 1 ? 'last' : ''].join(' ') },
        ending_ && mark(ending_, 'mk'),
        h('b', name),
        h('span', value),
        h('small', note),
      ),
    ),
  );
}

function factsOf({ view, name }) {
  const { record, attempt, attempts, trigger } = view;
  const cell = (term, value, note) =>
    value !== null && value !== undefined && value !== '' && h('div', h('dt', term), h('dd', value, note && [' ', h('small', note)]));
  const memory = record && (record.peakMemoryBytes || record.maxRssKb * 1024);
  return h(
    'dl.strip',
    cell(t('Attempt'), attempts.length > 1 ? t('{n} of {m}', { n: attempt, m: Math.max(attempts.length, attempt) }) : String(attempt)),
    cell(t('Trigger'), triggerWord(trigger)),
    record &&
      cell(
        t('Peak memory'),
        memory ? bytes(memory) : '–',
        record.oomKilled ? t('killed above its limit') : record.peakMemoryBytes ? '' : memory ? t('largest process') : '',
      ),
    record && !never.has(record.status) && cell(t('Processor'), duration(record.cpuMs)),
    cell(t('Host'), record?.host && other(record.host)),
    record?.jobRevision > 0 &&
      cell(t('Definition'), h('a.link', { href: `${link.job(name, 'history')}?version=${record.jobRevision}` }, t('as it was'))),
  );
}

function attemptsOf({ view, runId, zone }) {
  if (view.attempts.length < 2) return null;
  return h(
    'section',
    h('div.sec', h('h2', t('Attempts'))),
    h(
      'table.cards.attempts',
      h(
        'tbody',
        view.attempts.map((one) =>
          h(
            'tr',
            { class: one.runId === runId ? 'on' : '' },
            h(
              'td',
              h(
                'a',
                { href: link.run(one.jobName, one.runId), 'aria-current': one.runId === runId ? 'page' : null },
                chip(one.ending ?? one.state),
              ),
            ),
            h('td', t('attempt {n}', { n: one.attempt })),
            h('td.dim', triggerWord(one.trigger)),
            h('td.dim', one.runId === runId ? t('this one') : ''),
          ),
        ),
      ),
    ),
  );
}

function linksOf({ view }) {
  const { cause, triggered } = view;
  if (!cause && triggered.length === 0) return null;
  const one = (run) =>
    h(
      'li',
      (run.ending || run.state) && chip(run.ending ?? run.state),
      h('a.link', { href: link.run(run.jobName, run.runId) }, other(run.jobName)),
      h('span.faint.one.grow', run.runId),
    );
  return h(
    'div.cols.cause',
    cause && h('section', h('div.sec', h('h2', t('Because of'))), h('ul.list', one(cause))),
    triggered.length > 0 && h('section', h('div.sec', h('h2', t('It led to'))), h('ul.list', triggered.map(one))),
  );
}

/** What hung: the processes just before the first signal. */
function processesOf(record) {
  if (!record?.processes?.length) return null;
  const heads = [t('pid'), t('parent'), t('state'), t('processor'), t('memory'), t('waits in'), t('command')];
  return h(
    'section',
    h('div.sec', h('h2', t('Its processes just before the signal')), h('span.end', number(record.processes.length))),
    h(
      'div.scroll',
      { tabindex: '0', role: 'region', 'aria-label': t('processes') },
      h(
        'table.procs',
        h(
          'colgroup',
          [64, 64, 48, 88, 80, 160].map((width) => h('col', { style: { width: `${width}px` } })),
          h('col'),
        ),
        h(
          'thead',
          h(
            'tr',
            heads.map((text, i) => h('th', { scope: 'col', class: i < 2 || (i > 2 && i < 5) ? 'num' : '' }, text)),
          ),
        ),
        h(
          'tbody',
          record.processes.map((one) =>
            h(
              'tr',
              h('td.num', String(one.pid)),
              h('td.num.dim', String(one.parent)),
              h('td', one.state),
              h('td.num', duration(one.cpuMs)),
              h('td.num', bytes(one.rssKb * 1024)),
              h('td.mono', other(one.waitsIn, 'span')),
              h('td.mono.one', other(one.command, 'span')),
            ),
          ),
        ),
      ),
    ),
  );
}

async function askToKill({ view, frame, resource, job }, from, refresh) {
  const grace = duration((job?.killGraceSeconds ?? 5) * 1000);
  const isQueued = view.state === 'queued';
  const given = await question(from, {
    title: isQueued ? t('Take this run from the queue?') : t('Kill this run on {worker}?', { worker: clean(view.worker) }),
    text: isQueued
      ? t('Its ending will be cancelled.')
      : t('SIGTERM to it and all that it started; SIGKILL after {grace}. Its ending will be killed, and it is not retried.', { grace }),
    yes: isQueued ? t('Take it out') : t('Kill it'),
    no: isQueued ? t('Leave it') : t('Let it run'),
    danger: true,
    fields: [{ name: 'reason', label: t('Why? Kept in the log (may be empty)') }],
  });
  if (!given) return;
  try {
    await post(`${resource}/kill`, given.reason ? { reason: given.reason } : {});
    frame.toast(isQueued ? t('Asked to take it out.') : t('Asked to end. SIGKILL follows after {grace}.', { grace }));
    await refresh();
  } catch (failure) {
    frame.toast(failure.message, { isFault: true });
  }
}
