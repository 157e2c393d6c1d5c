// One run in any state: what happened when, why, and its output.
import { h, fill, other, link, clean } from '../dom.js';
import { t, number } from '../i18n.js';
import { get, path } from '../api.js';
import { zoneOf, when, clock, full, duration, lively, coming, ago, time, date, ms } from '../time.js';
import { mark, state as chip, words, button, section, table } from '../parts.js';
import { runNow, kill, copy } from '../acts.js';
import { outputOf } from './run-output.js';
import { triggerWord, neverStarted, told } from './job-runs.js';
import { bytes } from './job-statistics.js';

export async function render({ job: name, runId }, frame) {
  const read = () => get(path`runs/${name}/${runId}`, { output: 'true' });
  const [first, job] = await Promise.all([read(), get(path`jobs/${name}`).catch(() => null)]);
  const model = { name, runId, view: first, job, zone: zoneOf(job?.timeZone) };
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

  const hasOutput = first.state !== 'ended' || !neverStarted.has(first.ending) || first.record?.outputBytes > 0;
  const { planTime } = first.timeline;
  return {
    title: `${date(planTime, model.zone)} ${clock(planTime, model.zone)}`,
    crumbs: [[t('Jobs'), '/jobs'], [name, link.job(name)]],
    node: h('div', top, hasOutput && output.node),
    shown: () => hasOutput && output.start(first),
    keys: {
      y: () => copy(),
      r: () => runNow(name),
      e: () => frame.go(link.edit(name)),
      Escape: () => frame.go(link.job(name)),
      ...output.keys,
    },
    onLive: ({ kind, data }) => {
      const isMine = kind === 'run' && (data?.runId ?? data?.run?.runId) === runId;
      if (!isMine && kind !== 'reset' && kind !== 'now') return;
      clearTimeout(timer);
      timer = setTimeout(refresh, isMine ? 100 : 0);
    },
    close: () => {
      isClosed = true;
      clearTimeout(timer);
      output.close();
    },
  };
}

function drawTop(model, refresh) {
  const { name, runId, view, job } = model;
  const { state, ending, isKillAsked } = view;
  const grace = job?.killGraceSeconds ?? 5;
  const end = () => kill(stop, name, runId, { isQueued: state === 'queued', grace }).then(refresh);
  const text = isKillAsked ? t('ends within {span}', { span: duration(grace * 1000) }) : t('Kill…');
  const stop = state === 'ended' ? null : button(text, { kind: 'danger', role: 'operator', onclick: end });
  if (stop) stop.disabled = isKillAsked;
  return [
    h(
      'div.head',
      h(
        'div.grow',
        h('h1', mark(ending ?? state, 'l'), h('span.sr', words()[ending ?? state]), headline(view)),
        h('p.say', subline(model)),
      ),
      h(
        'div.acts',
        h('span.wide-only', button(t('Copy link'), { key: 'Y', onclick: () => copy() })),
        job && button(t('Run again'), { kind: 'first', role: 'operator', onclick: () => runNow(name) }),
        stop,
      ),
    ),
    timelineOf(model),
    factsOf(model),
    attemptsOf(model),
    linksOf(model),
    processesOf(view.record),
  ];
}

function headline({ state, ending, timeline, record }) {
  const { startedAt, notBefore, durationMs } = timeline;
  if (state === 'running' && (startedAt ?? notBefore))
    return lively(h('span'), () => t('Running for {span}', { span: duration(Date.now() - ms(startedAt ?? later(timeline))) }));
  const open = { running: t('Running'), queued: t('Waits in the queue'), claimed: t('Claimed; its time has not come') }[state];
  if (open) return open;
  const span = durationMs === null ? '' : duration(durationMs);
  const failed = () =>
    record?.signal
      ? t('Ended by signal {n} after {span}', { n: record.signal, span })
      : record?.exitCode
        ? t('Failed with exit {n} after {span}', { n: record.exitCode, span })
        : t('Failed');
  return {
    succeeded: t('Succeeded after {span}', { span }),
    failed: failed(),
    timedOut: t('Timed out after {span}', { span }),
    killed: span ? t('Killed after {span}', { span }) : t('Killed'),
    skipped: t('Skipped: it did not start'),
    missed: t('Missed: it did not start'),
    cancelled: t('Cancelled: it did not start'),
  }[ending] ?? t('Lost: how it ended is not known');
}

const later = ({ notBefore, claimedAt }) => (claimedAt && ms(claimedAt) > ms(notBefore) ? claimedAt : notBefore);

const cap = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** What the headline says already. */
const KNOWN = /^(exit (status|code) \d+|timed out after .*)$/;

function subline({ view, zone, job }) {
  const { timeline, worker, reason, trigger, ending } = view;
  const at = when(timeline.planTime, zone);
  const isPlanned = trigger === 'schedule' || trigger === 'misfire';
  const plan = isPlanned ? t('for the fire of {time}', { time: at }) : t('{trigger}, {time}', { trigger: triggerWord(trigger), time: at });
  const isWhy = reason && ending !== 'succeeded' && !KNOWN.test(reason);
  return [
    worker && !neverStarted.has(ending) ? t('On {worker}, {plan}.', { worker: clean(worker), plan }) : `${cap(plan)}${t('. ')}`,
    view.state !== 'ended' && timeline.usualMs && [' ', t('Usually {span}.', { span: duration(timeline.usualMs) })],
    isWhy && [' ', h('span.why', other(cap(told(reason, zone)), 'span')), t('. ')],
    !job && [' ', t('The job is deleted.')],
  ];
}

// ---------- what happened when ----------

function timelineOf({ view, zone, job }) {
  const { timeline, state, ending, worker, record, trigger } = view;
  const { planTime, claimedAt, aheadMs, startedAt, lagMs, endedAt, durationMs, usualMs, timeoutMs, notBefore } = timeline;
  const exact = (at) => `${clock(at, zone, true)}.${String(new Date(ms(at)).getMilliseconds()).padStart(3, '0')}`;
  const stamp = (at) => at && h('time', { datetime: at, title: full(at, job?.timeZone) }, exact(at));
  const steps = [];
  /** kind: going, past, ahead, fin; ending has a mark. */
  const add = (name, value, note = '', kind = '', mark = null) => steps.push({ name, value, note, kind, mark });
  add(t('Planned'), stamp(planTime), triggerWord(trigger));
  if (claimedAt && ending !== 'missed') {
    const ahead = aheadMs > 0 ? t('{n} ms ahead', { n: aheadMs }) : stamp(claimedAt);
    add(worker ? t('Claimed by {worker}', { worker: clean(worker) }) : t('Claimed'), ahead);
  }
  const going = state === 'running' ? 'going' : '';
  if (startedAt && lagMs !== null) {
    const late = lagMs < 1000 ? t('{n} ms late', { n: lagMs }) : t('{span} late', { span: duration(lagMs) });
    add(t('Started'), late, exact(startedAt), going);
  } else if (startedAt || going) add(t('Started'), stamp(startedAt ?? later(timeline)), '', going);
  if (state === 'ended') {
    const hasUsual = usualMs && durationMs !== null;
    const note = hasUsual ? t('{span}, usually {usual}', { span: duration(durationMs), usual: duration(usualMs) }) : '';
    const end = (record?.exitCode ?? null) === null ? cap(words()[ending]) : t('Exit {n}', { n: record.exitCode });
    add(end, stamp(endedAt), note, 'fin', ending);
  } else if (going) {
    const start = ms(startedAt ?? later(timeline));
    for (const [text, span] of [[t('Usually over'), usualMs], [t('Times out'), timeoutMs]]) {
      const at = start + span;
      const left = () => time(at, (to) => (to > Date.now() ? coming(to, zone) : ago(to)), job?.timeZone);
      const node = () => h('time', { title: full(at, job?.timeZone) }, clock(at, zone, true));
      if (span) add(text, node(), left(), at < Date.now() ? 'past' : 'ahead');
    }
  } else add(t('May start'), stamp(notBefore), '', 'ahead');
  const step = ({ name, value, note, kind, mark: ended }, i) =>
    h(
      'li',
      { class: `${kind} ${i === steps.length - 1 ? 'last' : ''}` },
      ended && mark(ended, 'mk'),
      h('b', name),
      h('span', value),
      h('small', note),
    );
  return h('ol.time', steps.map(step));
}

function factsOf({ view, name }) {
  const { record, attempt, attempts, trigger } = view;
  const hasRun = record && !neverStarted.has(record.status);
  const memory = hasRun && (record.peakMemoryBytes || record.maxRssKb * 1024);
  const note = record?.oomKilled ? t('killed above its limit') : record?.peakMemoryBytes ? '' : t('largest process');
  const version = () => h('a.link', { href: `${link.job(name, 'history')}?version=${record.jobRevision}` }, t('as it was'));
  const facts = [
    [t('Attempt'), attempts.length > 1 ? t('{n} of {m}', { n: attempt, m: Math.max(attempts.length, attempt) }) : String(attempt)],
    [t('Trigger'), triggerWord(trigger)],
    memory > 0 && [t('Peak memory'), bytes(memory), note],
    hasRun && record.cpuMs > 0 && [t('Processor'), duration(record.cpuMs)],
    hasRun && record.host && [t('Host'), other(record.host)],
    record?.jobRevision > 0 && [t('Definition'), version()],
  ];
  const cell = ([term, value, more]) => h('div', h('dt', term), h('dd', value, more && [' ', h('small', more)]));
  return h('dl.strip', facts.filter(Boolean).map(cell));
}

function attemptsOf({ view, runId }) {
  const row = (one) => {
    const isThis = one.runId === runId;
    return h(
      'tr',
      { class: isThis ? 'on' : '' },
      h('td', h('a', { href: link.run(one.jobName, one.runId), 'aria-current': isThis ? 'page' : null }, chip(one.ending ?? one.state))),
      h('td', t('attempt {n}', { n: one.attempt })),
      h('td.dim', triggerWord(one.trigger)),
      h('td.dim', isThis && t('this one')),
    );
  };
  return view.attempts.length > 1 && section(t('Attempts'), null, h('table.cards.attempts', h('tbody', view.attempts.map(row))));
}

/** When the run of an id was planned; the id begins with it. */
function planOf(runId, zone) {
  const at = runId.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z.*$/, '$1-$2-$3T$4:$5:$6Z');
  return h('span.faint.one.grow', { title: runId }, Number.isFinite(Date.parse(at)) ? when(at, zone, true) : clean(runId));
}

function linksOf({ view, zone }) {
  const { triggered, attempts } = view;
  const cause = attempts.some((one) => one.runId === view.cause?.runId) ? null : view.cause;
  const one = (run) =>
    h(
      'li',
      (run.ending || run.state) && chip(run.ending ?? run.state),
      h('a.link', { href: link.run(run.jobName, run.runId) }, other(run.jobName)),
      planOf(run.runId, zone),
    );
  const list = (title, runs) => runs.length > 0 && section(title, null, h('ul.list', runs.map(one)));
  return h('div.cols.cause', list(t('Because of'), cause ? [cause] : []), list(t('It led to'), triggered));
}

/** What hung: the processes just before the first signal. */
function processesOf(record) {
  const list = record?.processes ?? [];
  const heads = [
    [t('pid'), 64, 'num'], [t('parent'), 64, 'num'], [t('state'), 48], [t('processor'), 88, 'num'], [t('memory'), 80, 'num'],
    [t('waits in'), 160], [t('command')],
  ];
  const row = (one) =>
    h(
      'tr',
      h('td.num', String(one.pid)),
      h('td.num.dim', String(one.parent)),
      h('td', one.state),
      h('td.num', duration(one.cpuMs)),
      h('td.num', bytes(one.rssKb * 1024)),
      h('td.mono', other(one.waitsIn, 'span')),
      h('td.mono.one', other(one.command, 'span')),
    );
  const columns = heads.map(([head, width, kind]) => ({ head, width, class: kind }));
  const all = table(t('processes'), 'procs', columns, h('tbody', list.map(row)));
  all.classList.remove('cards');
  return (
    list.length > 0 &&
    section(
      t('Its processes just before the signal'),
      number(list.length),
      h('div.scroll', { tabindex: '0', role: 'region', 'aria-label': t('processes') }, all),
    )
  );
}
