// The present: who needs somebody and why, today, what runs, what comes.
import { h, fill, say, set, sync, other, link, clean, quote } from '../dom.js';
import { t, tn, number, inSentence } from '../i18n.js';
import { duration, time, coming, when, clock, zoneOf, ms, lively, ago } from '../time.js';
import { mark, spark, meter, button, anchor, more, state, words, endings, badEndings, fault } from '../parts.js';
import { get } from '../api.js';
import { dayStart } from '../logic/zone.js';
import { bars, axis } from './over-time.js';
import * as acts from '../acts.js';

const QUARTER = 900_000;
const SHOWN = 8;
const GROUP = 4; // So many jobs with one cause are one card.

let actedAt = 0; // Cards stay where they are under the pointer, unless somebody has just acted on one.

export async function render(_, frame) {
  const title = h('h1', t('Now'));
  const lead = h('p');
  const needs = h('ul.needs', { 'aria-label': t('Jobs that need you') });
  const again = h('ul.list.again', { 'aria-label': t('Jobs that are well again'), hidden: true });
  const today = h('section');
  const running = h('ul.list', { 'aria-label': t('Running') });
  const next = h('ul.list', { 'aria-label': t('Next') });
  const [runningNote, nextNote] = [h('span.faint'), h('span.faint')];
  const open = new Set(); // Groups that are shown one by one.
  const section = (name, note, list, href, all, ...end) =>
    h('section', h('div.sec', h('h2', name), note, h('span.end', end, anchor(t('All'), href, { kind: '', name: all }))), list);
  const node = h(
    'div.now',
    h('div.lead', h('div', title, lead)),
    [needs, again, today],
    h(
      'div.cols',
      section(
        t('Running'), runningNote, running, link.runs({ filter: 'state:running|queued' }), t('All running'),
        h('span.wide-only', t('so far, of the usual')),
      ),
      section(t('Next'), nextNote, next, '/jobs?sort=next', t('All that come')),
    ),
  );

  function draw(now, isAsked = false) {
    const { counts } = now;
    say(title, sentence(now));
    const said = [
      t('{n} {n|job is|jobs are} well', { n: counts.jobs - counts.needsYou - counts.muted - counts.paused - counts.unknown }),
      counts.muted && t('{n} {n|is|are} quiet', { n: counts.muted }),
      counts.paused && t('{n} {n|is|are} paused', { n: counts.paused }),
      counts.unknown && t('{n} {n|is|are} not read yet', { n: counts.unknown }),
    ];
    say(lead, counts.jobs === 0 ? t('There are no jobs yet.') : said.filter(Boolean).join(t(', ')) + t('.'));
    const rest = counts.needsYou - now.needsYou.length;
    const show = (card) => () => {
      open.add(card.key);
      draw(now, true);
    };
    if (isAsked || Date.now() - actedAt < 3000 || !needs.matches(':hover') || needs.childElementCount === 0) {
      const workers = (now.workers ?? []).map((worker) => ({ key: `worker ${worker.id}`, worker }));
      const cards = [...group(now.needsYou, open), ...workers, ...(rest > 0 ? [{ key: 'rest', rest }] : [])];
      sync(needs, cards, (one) => one.key, (one) =>
        one.worker ? workerCard(one.worker) : one.rest ? restCard(one.rest) : one.all ? groupCard(one, show(one)) : jobCard(one.need),
      );
    }
    needs.hidden = needs.childElementCount === 0;
    sync(running, now.running.slice(0, SHOWN), (run) => `${run.jobName} ${run.runId}`, runRow);
    if (now.running.length === 0) fill(running, h('li.none', t('Nothing runs now.')));
    for (const bar of running.querySelectorAll('[data-since]')) set(bar.firstChild, { style: { width: `${part(bar.dataset)}%` } });
    const workers = new Set(now.running.map((run) => run.worker)).size;
    say(
      runningNote,
      counts.running
        ? t('{n}, on {m} of {all} {all|worker|workers}', { n: counts.running, m: workers, all: counts.workers })
        : t('{n} {n|worker|workers} with {slots} slots', { n: counts.workers, slots: counts.slots }),
    );
    sync(next, now.next.slice(0, SHOWN), (fire) => fire.jobName, nextRow);
    if (now.next.length === 0) fill(next, h('li.none', t('Nothing is planned within the hour.')));
    say(
      nextNote,
      now.next.length >= 100 ? t('100 jobs and more within the hour')
        : now.next.length > 0 && t('{n} {n|job|jobs} within the hour', { n: now.next.length }),
    );
    document.title = `${sentence(now)} · DTS`;
  }

  draw(frame.live.now ?? (await get('now')));
  wellAgain(again);
  const day = todayPart(today, frame);
  return {
    title: t('Now'),
    node,
    onLive(event) {
      if (event.kind === 'now') {
        draw(event.data);
        day.refresh(event.data);
      }
      if (event.kind === 'reset') day.refresh(null, true);
    },
  };
}

function sentence({ counts, workers }) {
  const m = workers?.length ?? 0;
  if (m > 0 && counts.needsYou > 0)
    return t('{n} {n|job|jobs} and {m} {m|worker|workers} need you', { n: counts.needsYou, m });
  return counts.jobs === 0
    ? t('No jobs yet')
    : counts.needsYou > 0
      ? t('{n} {n|job needs|jobs need} you', { n: counts.needsYou })
      : counts.unknown > 0
        ? t('Endings are being read')
        : t('Nothing needs you');
}

/** What had trouble since somebody last looked, and has none now. */
async function wellAgain(list) {
  const now = Date.now();
  const since = Math.max(Number(localStorage.getItem('dts.looked') ?? now), now - 7 * 86_400_000);
  const looked = () => localStorage.setItem('dts.looked', String(now));
  if (now - since < 600_000) {
    if (since === now) looked();
    return;
  }
  const from = new Date(since).toISOString();
  const found = await Promise.all(
    badEndings.map((ending) => get('runs', { filter: `ending:${ending}`, from, limit: 50 }).catch(() => ({ runs: [] }))),
  );
  const latest = new Map(
    found
      .flatMap(({ runs }) => runs)
      .toSorted((a, b) => a.startTime - b.startTime)
      .map((run) => [run.jobName, run]),
  );
  const names = [...latest.keys()].slice(-20).map((name) => quote(name));
  if (names.length) {
    const { jobs } = await get('jobs', { filter: `job:${names.join('|')}`.slice(0, 1900) }).catch(() => ({ jobs: [] }));
    const well = jobs.filter((job) => ['well', 'running', 'queued'].includes(job.state) && job.last?.ending === 'succeeded').slice(0, 5);
    fill(list, well.map((job) => wellRow(job, latest.get(job.name))));
    list.hidden = well.length === 0;
  }
  looked();
}

function wellRow(job, bad) {
  const was = t('{word} {time}', { word: words()[bad.status], time: when(bad.planTime, zoneOf(job.timeZone)) });
  return h(
    'li',
    mark('ok'),
    h(
      'span.grow.one',
      [h('a', { href: link.job(job.name) }, h('b', other(job.name))), ' '],
      [tn('is well again since {time}', { time: time(job.last.startedAt, when, job.timeZone) }), ' '],
      h('a.faint', { href: link.run(job.name, bad._id.slice(job.name.length + 1)) }, was),
    ),
    h('span.faint', time(job.last.startedAt, ago)),
  );
}

/** Jobs with one cause are one card, unless it has been opened. */
function group(needs, open) {
  const causes = new Map();
  for (const need of needs) {
    const cause = `${need.reason} ${(need.job.last?.lastLine || need.job.last?.err || need.job.why || '').replace(/\d+/g, '#')}`;
    const known = causes.get(cause);
    if (known && need.reason !== 'slow') known.push(need);
    else causes.set(need.reason === 'slow' ? `slow ${need.job.name}` : cause, [need]);
  }
  return [...causes].flatMap(([key, all]) =>
    all.length >= GROUP && !open.has(key)
      ? [{ key, all: all.map((one) => one.job.name), need: all[0] }]
      : all.map((need) => ({ key: `job ${need.job.name}`, need })),
  );
}

/** Why a job needs somebody, in words. */
function why({ reason, slow, job }) {
  if (reason === 'slow') {
    return lively(h('span.why.s-timedOut'), () =>
      t('running for {span}, usually {usual}', { span: duration(Date.now() - ms(slow.startedAt)), usual: duration(slow.usualMs ?? 0) }),
    );
  }
  if (reason === 'broken') return h('span.why.s-timedOut', t('no worker can run it'));
  const times = job.streak ?? 1;
  const first = (job.endings ?? []).filter((one) => !['skipped', 'cancelled'].includes(one.ending)).at(-times);
  const word = words()[reason] ?? reason;
  return h(
    `span.why.s-${reason}`,
    times > 1 && first
      ? tn('{word} {n} times in a row, since {time}', {
          word,
          n: times >= 20 ? '20+' : times,
          time: time(first.startedAt, when, job.timeZone),
        })
      : tn('{word} {time}', { word, time: time(reason === 'missed' ? job.last.planTime : job.last.startedAt, when, job.timeZone) }),
  );
}

function said({ reason, slow, job }) {
  if (reason === 'slow')
    return [t('On {worker}, since {time}', { worker: clean(slow.worker), time: when(slow.startedAt, zoneOf(job.timeZone)) })];
  if (reason === 'broken') return [inSentence(clean(job.why ?? ''))];
  const { err, lastLine, durationMs, worker } = job.last;
  const took = durationMs === null ? '' : t(' after {span}', { span: duration(durationMs) });
  const on = durationMs === null || !worker ? '' : t(' on {worker}', { worker: clean(worker) });
  const cause = err?.toLowerCase() === lastLine?.toLowerCase() ? '' : inSentence(clean(err));
  return [h('span', `${capital(cause || words()[job.last.ending])}${took}${on}`), lastLine ? [t(': '), other(lastLine, 'code')] : ''];
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** A card: its mark, what it is, why it is here, what was said, and what can be done. */
function card(sign, name, reason, said, spare, ...actions) {
  return h('li', mark(sign), h('div', h('h2', name, reason), said), spare, h('div.acts', actions));
}

function jobCard(need) {
  const { reason, slow, job } = need;
  const runNow = button(t('Run now'), { role: 'operator', onclick: () => acts.runNow(job.name) });
  const kill = (_, from) => acts.kill(from, job.name, slow.runId);
  const buttons = {
    slow: () => [
      anchor(t('Watch'), link.run(job.name, slow.runId)),
      button(t('Kill'), { kind: 'danger', role: 'operator', onclick: kill }),
    ],
    broken: () => [anchor(t('Edit'), link.edit(job.name))],
    missed: () => [
      anchor(t('Why'), link.job(job.name, `calendar?at=${encodeURIComponent(job.last.planTime)}`)),
      acts.runFor(job, job.last.planTime),
    ],
  };
  const ended = () => [anchor(t('Last run'), link.run(job.name, job.last.runId)), runNow];
  const soon = (at, zone) => t('next {coming}', { coming: coming(at, zone) });
  const next = (how) => time(job.next, how, job.timeZone);
  const isSoon = ms(job.next) - Date.now() < 86_400_000; // Later, the time itself is said.
  return card(
    reason === 'slow' ? 'running' : reason,
    h('a', { href: link.job(job.name) }, other(job.name)),
    why(need),
    h('p.last.one', said(need)),
    [spark(job.endings, job.running > 0), h('div.nxt', job.next ? [next(soon), isSoon && h('small', next(when))] : t('no next time'))],
    (buttons[reason] ?? ended)(),
    more(job.name, () => acts.jobMenu(job, () => (actedAt = Date.now()))),
  );
}

const nothing = () => [h('span'), h('span')];

function groupCard({ all, need }, show) {
  const { reason } = need;
  const isBroken = reason === 'broken';
  const text = isBroken ? t('no worker can run them') : t('{word} for one reason', { word: words()[reason] ?? reason });
  const names = all.slice(0, 12).map((name, i) => [i > 0 && t(', '), h('a', { href: link.job(name) }, other(name))]);
  return card(
    reason === 'slow' ? 'running' : reason,
    h('b', t('{n} jobs', { n: all.length })),
    h(`span.why.s-${isBroken ? 'timedOut' : reason}`, text),
    [h('p.last.one', said(need)), h('p.last.one.faint', names, all.length > 12 && ' …')],
    nothing(),
    button(t('Show each'), { onclick: show }),
  );
}

function restCard(n) {
  const text = t('and {n} {n|job|jobs} more that need you', { n });
  return h('li', mark('info'), h('div', anchor(text, link.jobs('state:failing|broken'), { kind: '' })));
}

function workerCard(worker) {
  const isGone = worker.state === 'left';
  const been = { host: other(worker.host), time: time(worker.started) };
  return card(
    isGone ? 'lost' : 'warn',
    h('a', { href: '/workers' }, other(worker.id)),
    h(`span.why.s-${isGone ? 'lost' : 'timedOut'}`, isGone ? tn('gone since {time}', { time: time(worker.leftAt) }) : t('claims nothing')),
    h('p.last.one', isGone ? tn('It was on {host}; it had been there since {time}.', been) : clean(worker.refuses)),
    nothing(),
    anchor(t('Its runs'), link.runs({ filter: `worker:${quote(worker.id)}` })),
  );
}

const part = ({ since, usual }) => Math.round(Math.min(1, (Date.now() - since) / Math.max(1, usual)) * 100);

function runRow(run) {
  const began = ms(run.startedAt);
  const took = Date.now() - began;
  const isLong = run.usualMs !== null && took > run.usualMs * 1.5 && took > 10_000;
  const bar = meter(0, 1, run.usualMs === null ? 'quiet' : isLong ? 'over' : '');
  set(bar, { data: { since: began, usual: run.usualMs ?? 0 } });
  return h(
    'li',
    mark('running'),
    h('a.grow.one', { href: link.run(run.jobName, run.runId) }, other(run.jobName)),
    h('span.faint.one.wide-only.on', other(run.worker)),
    h('span.far', bar),
    h(
      'span.num.so',
      lively(h('span'), () => duration(Date.now() - began)),
      run.usualMs !== null && h('span.faint', t(' of {span}', { span: duration(run.usualMs) })),
    ),
  );
}

function nextRow(fire) {
  return h(
    'li',
    h('span.at', time(fire.planTime, (at, zone) => clock(at, zone, true))),
    h('a.grow.one', { href: link.job(fire.jobName) }, other(fire.jobName)),
    h('span.faint', time(fire.planTime, coming)),
  );
}

/** Planned fires by quarter hour: what succeeded rises, what did not hangs below, hollow what is to come. */
function todayPart(node, frame) {
  let asked = 0;
  let seen = '';
  const [note, key, chart, tip] = [h('span.faint'), h('span.end.key'), h('div.chart'), h('div.tip', { hidden: true })];
  fill(node, h('div.sec', h('h2', t('Today')), note, key), chart);
  const iso = (at) => new Date(at).toISOString();

  async function refresh(now, force = false) {
    const ended = now && `${now.needsYou.length} ${now.counts.running}`;
    if (!force && Date.now() - asked < (ended === seen ? 60_000 : 15_000)) return;
    [asked, seen] = [Date.now(), ended ?? seen];
    const start = dayStart(zoneOf(), Date.now());
    const end = dayStart(zoneOf(), start + 26 * 3600_000);
    const here = Math.floor(Date.now() / QUARTER) * QUARTER;
    try {
      const [runs, plan] = await Promise.all([
        get('runs', { limit: '0', counts: 'quarter', from: iso(start), to: iso(Math.min(end, Date.now() + 60_000)) }),
        get('schedule', { step: 'quarter', from: iso(here), to: iso(Math.max(end, here + QUARTER)) }),
      ]);
      draw(start, end, here, runs.counts, plan.fires);
    } catch (failure) {
      if (!chart.firstChild) fill(chart, fault(failure));
    }
  }

  function draw(start, end, here, counts, fires) {
    const [slots, first] = [end, here].map((at) => Math.round((at - start) / QUARTER));
    const ended = new Map(counts.times.map(({ at, endings: of }) => [Math.round((ms(at) - start) / QUARTER), of]));
    const planned = (i) => (i >= first ? (fires[i - first] ?? 0) : 0);
    const mark = Math.min(1, (Date.now() - start) / (end - start));
    const label = t('Runs of today by quarter hour');
    const drawing = bars('day', label, 80, slots, (i) => ended.get(i), (i) => (i > first ? planned(i) : 0), mark);
    fill(chart, drawing, axis(start, end), tip);
    const at = (event) => Math.min(slots - 1, Math.floor((event.offsetX / drawing.clientWidth) * slots));
    const of = (i) => [start + i * QUARTER, start + (i + 1) * QUARTER];
    drawing.addEventListener('pointermove', (event) => {
      const i = at(event);
      const list = endings.filter((ending) => ended.get(i)?.[ending]).map((ending) => `${number(ended.get(i)[ending])} ${words()[ending]}`);
      if (planned(i)) list.push(t('{n} planned', { n: planned(i) }));
      fill(tip, h('b', of(i).map((time) => clock(time, zoneOf())).join('–')), list.join(t(', ')) || t('nothing'));
      tip.hidden = false;
      set(tip, { style: { left: `${Math.min(Math.max(0, event.offsetX - 40), drawing.clientWidth - 160)}px` } });
    });
    drawing.addEventListener('pointerleave', () => {
      tip.hidden = true;
    });
    drawing.addEventListener('click', (event) => {
      const [from, to] = of(at(event)).map(iso);
      if (at(event) <= first) frame.go(link.runs({ from, to }));
    });
    const m = fires.slice(1).reduce((sum, n) => sum + n, 0);
    const since = clock(start, zoneOf());
    say(note, t('{n} ended since {time}, {m} planned until midnight', { n: counts.total, time: since, m }));
    const total = (ending) => [...ended.values()].reduce((sum, one) => sum + (one[ending] ?? 0), 0);
    const entry = (ending) =>
      h(
        'a',
        { href: link.runs({ filter: `ending:${ending}`, from: iso(start) }) },
        state(ending, `${number(total(ending))} ${words()[ending]}`),
      );
    fill(key, endings.filter(total).map(entry));
  }

  refresh(null, true);
  return { refresh };
}
