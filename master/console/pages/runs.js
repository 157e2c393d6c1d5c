// Runs of all jobs: those that ended, those that go on; as a list, or over time by job or by worker.
import { h, fill, set, say, other, link, clean, quote } from '../dom.js';
import { t, number, inSentence } from '../i18n.js';
import { duration, time, when, exact, zoneOf, ms, lively, full } from '../time.js';
import { state, words, button, segments, empty, fault } from '../parts.js';
import { rows, PAGE } from '../rows.js';
import { filterBox, filterKeys, split } from '../filter.js';
import { get } from '../api.js';
import { bars, axis, draggable } from './over-time.js';
import * as acts from '../acts.js';

const HOUR = 3600_000;
const UNITS = { s: 1000, m: 60_000, h: HOUR, d: 24 * HOUR };
const STEPS = [
  ['minute', 3 * HOUR, 60_000],
  ['quarter', 60 * HOUR, HOUR / 4],
  ['hour', 480 * HOUR, HOUR],
  ['day', Infinity, 24 * HOUR],
];
const LANES = 80;
const DRAWN = 3000; // The most runs that lanes show.
const UNENDED = 'state:running|queued';
const iso = (at) => new Date(at).toISOString();
const without = (filter, keys) => split(filter).filter((word) => !new RegExp(`^-?(${keys}):`).test(word));
const idOf = (run) => (run._id ? run._id.slice(run.jobName.length + 1) : run.runId);
const hrefOf = (run) => link.run(run.jobName, idOf(run));
const keyOf = (run) => `${run.jobName} ${idOf(run)}`;
const startOf = (run) => Math.max(ms(run.claimedAt), ms(run.notBefore ?? run.claimedAt));
const named = (run, ...more) => h('td.name.one', h('a', { href: hrefOf(run) }, other(run.jobName)), more);

export async function render(_, frame) {
  let { filter = '', from = '', to = '', view = '' } = frame.query;
  let serial = 0; // Of the latest question: a slower one before it draws nothing.
  const goesOn = () => split(filter).some((word) => word.startsWith('state:'));
  const query = () => ({ filter, ...(goesOn() ? {} : { from, to }) });
  const [count, span, which] = [h('span.faint'), h('span'), h('span')];
  const [wrong, body, chart] = [h('div'), h('div'), h('div.over-time')];
  const { state: byState, label, next, user, ...keys } = filterKeys(get, () => [], words());
  const unendedStates = async () => ['running', 'queued'].map((one) => [one, words()[one]]);
  const box = filterBox({
    text: filter,
    label: t('Filter runs'),
    placeholder: t('Job, worker, trigger, words of command or error …'),
    keys: { ...keys, state: { note: t('runs that have not ended'), values: unendedStates } },
    onchange: (text) => text !== filter && change({ filter: text }),
    end: [span, count],
  });
  const kinds = [['', t('List')], ['job', t('By job')], ['worker', t('By worker')]];
  const node = h(
    'div',
    h('h1.sr', t('Runs')),
    h(
      'div.tools',
      [which, box.node],
      segments(t('Shown as'), kinds, view, (value) => change({ view: value })),
      button(t('Copy as curl'), { kind: 'big wide-only', onclick: curl }),
    ),
    [wrong, chart, body],
  );

  const list = (columns, cells, empties, listOf) =>
    rows({
      columns: columns.map(([head, width, kind]) => ({ head, width, class: kind })),
      cells,
      keyOf,
      label: t('Runs'),
      kind: 'runlist',
      phoneHeight: 84,
      hint: t('J K to move · Enter to open · Y to copy a link'),
      onOpen: (run) => frame.go(hrefOf(run)),
      ask: async (after) => {
        const page = await get('runs', { ...query(), limit: PAGE, after });
        return { items: listOf(page), next: page.next };
      },
      empty: empties,
    });
  const [planned, worker] = [[t('Planned'), 132], [t('Worker'), 100, 'off']];
  const ended = list(
    [[t('Ending'), 124], planned, [t('Job'), 240], [t('Took'), 104, 'num'], [t('Exit'), 56, 'num off'], worker, [t('Last line, or why')]],
    endedCells,
    () => (filter || from ? noMatch() : empty(t('No runs yet'), t('Runs appear here, with their endings.'))),
    (page) => page.runs,
  );
  const unended = list(
    [[t('State'), 124], planned, [t('Job'), 300], [t('So far'), 120, 'num'], [t('Attempt'), 76, 'num off'], worker, [t('Trigger')]],
    unendedCells,
    () => empty(t('Nothing runs now'), t('Running and queued runs appear here.')),
    (page) => page.unended,
  );
  const table = () => (goesOn() ? unended : ended);

  function change(values) {
    ({ filter, from, to, view } = { filter, from, to, view, ...values });
    frame.setQuery(values);
    load();
  }

  async function load() {
    const mine = ++serial;
    drawTools();
    wrong.replaceChildren();
    try {
      if (view || goesOn()) chart.replaceChildren();
      if (view) return await drawLanes(mine);
      const shown = table();
      fill(body, shown.wrong, shown.news, shown.place);
      const loading = shown.load();
      if (!goesOn()) drawCounts(mine).catch(() => {});
      await loading;
      if (mine === serial && goesOn()) say(count, t('{n} {n|run|runs}', { n: shown.items.length }));
    } catch (failure) {
      if (mine === serial) fill(wrong, fault(failure));
    }
  }

  function drawTools() {
    const counts = frame.live.now?.counts;
    const choices = [['', t('Ended')], [UNENDED, t('Not ended'), counts && counts.running + counts.queued]];
    const choose = (value) => {
      const text = [value, ...without(filter, 'state|ending|from|to')].filter(Boolean).join(' ');
      box.set(text);
      change({ filter: text });
    };
    fill(which, segments(t('Which runs'), choices, goesOn() ? UNENDED : '', choose));
    const zone = zoneOf();
    const anyTime = { type: 'button', 'aria-label': t('Any time'), onclick: () => change({ from: '', to: '' }) };
    const text = `${from ? when(from, zone) : '…'} – ${to ? when(to, zone) : t('now')}`;
    fill(span, (from || to) && h('span.chip', h('span.v', text), h('button', anyTime, '×')));
  }

  function endedCells(run) {
    const started = run.exitCode !== null || run.signal !== null;
    const code = run.exitCode ?? (run.signal && t('signal {n}', { n: run.signal }));
    const said = run.lastLine && run.status !== 'killed' ? other(run.lastLine, 'code') : inSentence(clean(run.err));
    return [
      h('td', state(run.status)),
      h('td.dim', time(run.planTime, exact)),
      named(run, run.attempt > 1 && h('span.sub', t('attempt {n}', { n: run.attempt }))),
      h('td.num.dim', started && duration(run.endTime - run.startTime)),
      h('td.num.off', started && h('span', { class: run.status === 'succeeded' ? 'dim' : 'exit' }, code)),
      h('td.dim.one.off', started && run.worker && other(run.worker)),
      h('td.one.full.why', { title: clean(run.err) }, said),
    ];
  }

  function unendedCells(run) {
    return [
      h('td', state(run.state)),
      h('td.dim', time(run.planTime, exact)),
      named(run),
      h('td.num.dim', run.claimedAt && lively(h('span'), () => duration(Date.now() - startOf(run)))),
      h('td.num.dim.off', number(run.attempt)),
      h('td.dim.one.off', other(run.worker)),
      h('td.one.full.why', run.isKillAsked ? t('being killed') : triggerWord(run.trigger)),
    ];
  }

  // ---------- over time ----------

  /** The span in question, in ms. */
  function asked() {
    const end = to ? ms(to) : Date.now();
    const [, n, unit] = /(?:^| )from:(\d+)([smhd])(?: |$)/.exec(filter) ?? [];
    return [from ? ms(from) : n ? Date.now() - n * UNITS[unit] : end - (view ? 6 : 24) * HOUR, end];
  }

  async function drawCounts(mine) {
    const [start, end] = asked();
    const [step, , length] = STEPS.find(([, most]) => end - start <= most);
    const { counts } = await get('runs', { filter, limit: '0', counts: step, from: iso(start), to: to && iso(end) });
    if (mine !== serial) return;
    const span = end - start === 24 * HOUR ? t('{a} h', { a: 24 }) : duration(end - start);
    say(count, t('{n} {n|run|runs} in {span}', { n: counts.total, span }));
    const at = new Map(counts.times.map(({ at: begin, endings }) => [Math.floor((ms(begin) - start) / length), endings]));
    const slots = Math.max(1, Math.ceil((end - start) / length));
    const drawing = bars('mini', t('Runs over time; drag to narrow'), 26, slots, (i) => at.get(i) ?? (i === 0 ? at.get(-1) : null));
    const pick = h('div.pick', { hidden: true });
    fill(chart, drawing, axis(start, end, to ? '' : t('now')), pick);
    draggable(drawing, pick, (a, b) => change({ from: iso(start + (end - start) * a), to: iso(start + (end - start) * b) }));
  }

  /** Runs as bars over time, a lane a job or a worker: which overlap, when hosts are busy, where there is room. */
  async function drawLanes(mine) {
    const [start, end] = asked();
    const wanted = without(filter, 'state').join(' ');
    const all = [];
    for (let after; all.length < DRAWN;) {
      const page = await get('runs', { filter: wanted, from: iso(start - HOUR), to: iso(end), limit: 1000, after });
      if (mine !== serial) return;
      all.push(...page.runs);
      after = page.next;
      if (!after) break;
    }
    const going = { filter: ['state:running', ...without(wanted, 'from|to')].join(' '), limit: 1000 };
    const live = to || /ending:/.test(wanted) ? [] : (await get('runs', going)).unended;
    if (mine !== serial) return;
    const runs = [
      ...all.map((run) => ({ run, kind: run.status, from: run.startTime, to: Math.max(run.endTime, run.startTime) })),
      ...live.filter((run) => run.claimedAt).map((run) => ({ run, kind: 'running', from: startOf(run), to: Date.now() })),
    ].filter((bar) => bar.to >= start && bar.from <= end);
    const lanes = Map.groupBy(runs, ({ run }) => (view === 'worker' ? run.worker || t('no worker') : run.jobName));
    const sorted = [...lanes].sort(([a], [b]) => a.localeCompare(b, undefined, { numeric: true }));
    say(count, t('{n} {n|run|runs}', { n: runs.length }));
    if (!sorted.length) return fill(body, noMatch());
    const cut = sorted.length > LANES && t('{n} of {total} lanes. Narrow the filter to see the others.', { n: LANES, total: sorted.length });
    const latest = all.length >= DRAWN && t('the latest {n} runs', { n: all.length });
    const drawn = sorted.slice(0, LANES).map(([name, of]) => lane(name, of, start, end));
    fill(body, h('div.lanes', axis(start, end, to ? '' : t('now')), drawn), h('div.foot', h('span', cut), h('span.end', latest)));
  }

  function lane(name, of, start, end) {
    const percent = (length) => `${(length / (end - start)) * 100}%`;
    const free = []; // When each row of the lane is free again.
    let busy = 0;
    const bar = ({ run, kind, from: begun, to: over }) => {
      const [a, b] = [Math.max(start, begun), Math.min(end, over)];
      busy += Math.max(0, b - a);
      let row = free.findIndex((at) => at <= begun);
      if (row < 0) row = free.length < 8 ? free.length : 7;
      free[row] = Math.max(over, begun + (end - start) / 400);
      const said = [`${clean(run.jobName)}: ${words()[kind]}`, duration(over - begun), clean(run.worker)].filter(Boolean).join(', ');
      const style = { left: percent(a - start), width: percent(b - a), top: `${row * 17 + 9}px` };
      return h(`a.s-${kind}`, { href: hrefOf(run), 'aria-label': said, title: `${said}\n${full(begun)}`, tabindex: '-1', style });
    };
    const track = h('div.track', of.toSorted((a, b) => a.from - b.from).map(bar));
    set(track, { style: { height: `${Math.max(1, free.length) * 17 + 15}px` } });
    const href = view === 'worker' ? link.runs({ filter: `worker:${quote(name)}` }) : link.job(name);
    const part = Math.min(100, Math.round((busy / (end - start)) * 100));
    const share = t('{n} {n|run|runs}, busy {p} %', { n: of.length, p: part || (busy > 0 ? '<1' : 0) });
    return h('div.lane', h('div.one', h('b', h('a', { href }, other(name))), h('div.busy', share)), track);
  }

  function curl() {
    const text = `${new URLSearchParams(Object.entries(query()).filter(([, value]) => value))}`.replaceAll("'", '%27');
    acts.copy(`curl '${location.origin}/api/v1/runs${text && `?${text}`}'`, t('The command is copied.'));
  }

  /** Rows of runs that go on change in place; those that ended since wait behind a line. */
  async function look() {
    if (view || to) return;
    const mine = serial;
    try {
      const page = await get('runs', { ...query(), limit: goesOn() ? PAGE : 50 });
      if (mine !== serial) return;
      const { items } = table();
      if (goesOn()) {
        const now = new Map(page.unended.map((run) => [keyOf(run), run]));
        const kept = items.filter((run) => now.has(keyOf(run)) || (unended.next && items.length > PAGE));
        const before = new Set(kept.map(keyOf));
        const same = (run, fresh) => !fresh || JSON.stringify(fresh) === JSON.stringify(run);
        unended.show([
          ...kept.map((run) => (same(run, now.get(keyOf(run))) ? run : now.get(keyOf(run)))),
          ...page.unended.filter((run) => !before.has(keyOf(run))),
        ]);
        say(count, t('{n} {n|run|runs}', { n: unended.items.length }));
      } else {
        const i = items.length ? page.runs.findIndex((run) => run._id === items[0]._id) : -1;
        const n = i < 0 ? page.runs.length : i;
        ended.tell(n === 0 ? '' : n >= 50 ? t('50 or more newer') : t('{n} newer', { n }));
      }
    } catch {
      /* The frame says what does not answer; the rows stay. */
    }
  }

  await load();
  const both = [ended.keys({ y: copyLink }), unended.keys({ y: copyLink })];
  const listKeys = Object.keys(both[0]).map((key) => [key, () => both[goesOn() ? 1 : 0][key]()]);
  return {
    title: t('Runs'),
    node,
    shown: () => table().redraw(),
    keys: { f: () => box.focus(), ...Object.fromEntries(listKeys) },
    onLive: ({ kind }) => ['now', 'reset'].includes(kind) && look(),
    close: () => {
      ended.close();
      unended.close();
      serial++;
    },
  };
}

const copyLink = (run) => acts.copy(location.origin + hrefOf(run));
const noMatch = () => empty(t('No run is here'), t('No run matches. Remove a word, or choose a longer time.'));

function triggerWord(trigger) {
  const said = {
    schedule: t('schedule'),
    manual: t('by hand'),
    retry: t('retry'),
    rerun: t('run again'),
    dependent: t('after another job'),
    misfire: t('made up for'),
  };
  return said[trigger] ?? trigger;
}
