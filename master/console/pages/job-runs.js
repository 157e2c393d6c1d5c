// The runs of a job, the latest first: those that have not ended, then the log.
import { h, fill, other, link, clean } from '../dom.js';
import { t, inSentence } from '../i18n.js';
import { get } from '../api.js';
import { zoneOf, when, full, duration, rough, lively, ms } from '../time.js';
import { state, meter, segments, button, fault, empty, table, searchBox } from '../parts.js';
import { copy } from '../acts.js';
import { quoted } from './job.js';

const PAGE = 50;

const spans = () => [['1d', t('a day')], ['7d', t('7 d')], ['30d', t('30 d')], ['', t('all')]];
const triggers = () => ({
  schedule: t('schedule'),
  manual: t('by hand'),
  retry: t('retry'),
  rerun: t('rerun'),
  dependent: t('after another'),
  misfire: t('made up for'),
});

export const neverStarted = new Set(['skipped', 'missed', 'cancelled']);
export const triggerWord = (trigger) => triggers()[trigger] ?? trigger;

/** What a worker says of a run, with its instants in the zone that is shown. */
export const told = (text, zone) =>
  inSentence(text).replace(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z| UTC)/g, (at) => when(at, zone));

export function view(jobState, frame) {
  const zone = zoneOf(jobState.job?.timeZone);
  const model = { frame, zone, jobState, words: frame.query.filter ?? '', span: frame.query.span ?? '', records: [], unended: [], at: -1 };
  Object.assign(model, { body: h('tbody'), foot: h('div.foot'), note: h('div.newer'), said: h('div') });
  const choose = (name, value) => {
    model[name] = value;
    frame.setQuery({ filter: model.words, span: model.span });
    load(model);
  };
  const placeholder = t('ending:failed worker:w1 trigger:manual, words of command or error');
  const label = { value: model.words, 'aria-label': t('filter these runs'), placeholder };
  const input = searchBox(label, (words) => choose('words', words));
  const sentinel = h('div.sentinel', { 'aria-hidden': 'true' });
  const watch = new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && more(model), { rootMargin: '600px' });
  watch.observe(sentinel);
  load(model);
  const since = segments(t('since'), spans(), model.span, (span) => choose('span', span));
  const [list, row] = [listOf(model), () => model.body.children[model.at]];
  return {
    node: h('div', h('div.tools', h('label.filter', input), since), model.said, model.note, list, model.foot, sentinel),
    refresh: () => refresh(model),
    keys: {
      j: () => move(model, 1),
      k: () => move(model, -1),
      f: () => input.focus(),
      Enter: () => Boolean(row()) && (frame.go(row().dataset.href), true),
      y: () => copy(location.origin + (row()?.dataset.href ?? location.pathname + location.search)),
    },
    close: () => watch.disconnect(),
  };
}

function listOf({ jobState, body }) {
  const heads = [
    [t('Ending'), 112],
    [`${t('Planned')} · ${t('late')}`, 164],
    [t('Took'), 164],
    [t('Exit'), 56, 'num'],
    [t('Attempt'), 64, 'num'],
    [t('Trigger'), 96],
    [t('Worker'), 96],
    [t('Last line, or why')],
  ];
  const columns = heads.map(([head, width, kind]) => ({ head, width, class: kind }));
  return table(t('runs of {name}', { name: clean(jobState.name) }), 'jobruns', columns, body);
}

/** The log's next page, and, if nothing is searched for, what has not ended. */
async function read({ jobState, words, span }, after) {
  const job = `job:${quoted(jobState.name)}`;
  const [page, { unended }] = await Promise.all([
    get('runs', { filter: `${job} ${words}`.trim(), from: span, limit: PAGE, after }),
    words || after ? { unended: [] } : get('runs', { filter: `${job} state:running|queued`, limit: 20 }),
  ]);
  return { records: page.runs, next: page.next, unended };
}

async function load(model) {
  const mine = (model.loading = {});
  try {
    const found = await read(model);
    if (model.loading === mine) show(model, found);
  } catch (failure) {
    if (model.loading === mine) fill(model.said, fault(failure));
  }
}

function show(model, found) {
  Object.assign(model, found);
  fill(model.said);
  fill(model.note);
  draw(model);
}

const newOf = ({ records }, known) => {
  const ids = new Set(known.map((record) => record._id));
  return records.filter((record) => !ids.has(record._id));
};

async function more(model) {
  if (!model.next || model.isMore) return;
  model.isMore = true;
  try {
    const page = await read(model, model.next);
    const added = newOf(page, model.records);
    model.records.push(...added);
    model.next = page.next;
    model.body.append(...added.map((record) => rowOf(model, record)));
    drawFoot(model);
  } catch (failure) {
    fill(model.said, fault(failure));
  } finally {
    model.isMore = false;
  }
}

/** What is new waits in a line while somebody points at the list or has scrolled; else it is shown. */
async function refresh(model) {
  const found = await read(model);
  const fresh = newOf(found, model.records);
  if (fresh.length === 0 && JSON.stringify(found.unended) === JSON.stringify(model.unended)) return;
  if (model.body.matches(':hover, :focus-within') || scrollY > 200) {
    const text = fresh.length ? t('{n} newer', { n: fresh.length }) : t('Show what is new');
    fill(model.note, button(text, { onclick: () => load(model) }));
  } else {
    const isLong = model.records.length > PAGE;
    show(model, isLong ? { unended: found.unended, records: [...fresh, ...model.records] } : found);
  }
}

function draw(model) {
  const { records, unended, body } = model;
  // The scale of the bars: a long run of the usual ones, so that one that was stuck does not flatten the others.
  const good = records.filter(({ status }) => status === 'succeeded').map((one) => one.endTime - one.startTime).sort((a, b) => a - b);
  model.longest = Math.max(1, 1.25 * (good[Math.floor(good.length * 0.9)] ?? 0));
  model.hasSeconds = records.some(({ planTime, trigger }) => trigger === 'schedule' && planTime % 60_000 !== 0);
  fill(body, unended.map((run) => unendedRow(model, run)), records.map((record) => rowOf(model, record)));
  model.at = Math.min(model.at, body.children.length - 1);
  drawFoot(model);
}

function drawFoot({ records, unended, next, words, span, foot }) {
  const n = records.length + unended.length;
  const said = next ? t('{n} shown. Scroll for more.', { n }) : t('{n} {n|run|runs}.', { n });
  const keys = h('span.end.wide-only', t('J K to move · Enter to open · Y to copy a link'));
  const none = () => empty(t('No run yet'), t('Each run will be a line here, with its last line of output.'));
  fill(foot, n ? [h('span', said), keys] : words || span ? t('No run matches.') : none());
}

function rowOf(model, record) {
  const { status, trigger, planTime, startTime, endTime, exitCode, signal, lastLine } = record;
  const hasRun = !neverStarted.has(status);
  const took = endTime - startTime;
  const isLine = status === 'succeeded' || (lastLine && status !== 'killed');
  const isLate = hasRun && trigger === 'schedule' && startTime > 0 && exitCode !== undefined;
  const bar = () => meter(took, model.longest, took > 3 * model.longest && took > 10_000 ? 'over' : 'quiet');
  return row(model, record._id.slice(record.jobName.length + 1), record, [
    [state(status)],
    [planned(model, planTime), isLate && h('span.sub', `+${duration(startTime - planTime)}`)],
    hasRun && status !== 'lost' && h('span.took', h('span.wide-only', bar()), h('span.dim', duration(took))),
    [{ class: exitCode ? 's-failed' : '' }, signal ? t('signal {n}', { n: signal }) : (exitCode ?? '')],
    [{ class: isLine ? 'mono' : '' }, other(isLine ? lastLine : told(record.err, model.zone), 'span')],
  ]);
}

function unendedRow(model, run) {
  const since = run.claimedAt && ms(run.claimedAt) > ms(run.notBefore) ? run.claimedAt : run.notBefore;
  const isRunning = run.state === 'running';
  return row(model, run.runId, run, [
    state(run.isKillAsked ? 'killed' : run.state, run.isKillAsked ? t('ending') : undefined),
    planned(model, ms(run.planTime)),
    isRunning && lively(h('span.dim'), () => rough(Date.now() - ms(since))),
    '',
    isRunning ? '' : t('waits in the queue'),
  ]);
}

function planned({ zone, jobState, hasSeconds }, at) {
  return h('time', { datetime: new Date(at).toISOString(), title: full(at, jobState.job?.timeZone) }, when(at, zone, hasSeconds));
}

function row({ frame }, runId, { jobName, attempt, trigger, worker }, [ending, plan, took, exit, last]) {
  const href = link.run(jobName, runId);
  const open = (event) => event.target.closest('a') || !getSelection().isCollapsed || frame.go(href);
  return h(
    'tr',
    { data: { href }, onclick: open },
    h('td', h('a', { href }, ending)),
    h('td', plan),
    h('td.dur', took),
    h('td.num.off', ...[exit].flat()),
    h('td.num.off.dim', String(attempt)),
    h('td.dim.off', triggerWord(trigger)),
    h('td.dim.off', other(worker)),
    h('td.one.full.dim', ...[last].flat()),
  );
}

function move(model, by) {
  const rows = model.body.children;
  if (rows.length === 0) return;
  rows[model.at]?.classList.remove('at');
  model.at = Math.max(0, Math.min(rows.length - 1, model.at + by));
  const to = rows[model.at];
  to.classList.add('at');
  to.querySelector('a').focus({ preventScroll: true });
  to.scrollIntoView({ block: 'nearest' });
}
