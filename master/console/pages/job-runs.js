// The runs of a job, the latest first: those that have not ended, then the log.
import { h, fill, other, link, clean } from '../dom.js';
import { t } from '../i18n.js';
import { get } from '../api.js';
import { zoneOf, when, full, duration, time, ago } from '../time.js';
import { state as chip, meter, segments, button, fault, empty } from '../parts.js';
import { quoted } from './job.js';

const PAGE = 50;
const SPANS = [
  ['1d', () => t('a day')],
  ['7d', () => t('7 d')],
  ['30d', () => t('30 d')],
  ['', () => t('all')],
];
const triggers = () => ({
  schedule: t('schedule'),
  manual: t('by hand'),
  retry: t('retry'),
  rerun: t('rerun'),
  dependent: t('after another'),
  misfire: t('made up for'),
});

export const triggerWord = (trigger) => triggers()[trigger] ?? trigger;
export const runIdOf = (record) => record._id.slice(record.jobName.length + 1);

/** How many times in words a run started after its time. */
export const lateness = (record) =>
  record.trigger === 'schedule' &&
  record.startTime > 0 &&
  record.exitCode !== undefined &&
  !['skipped', 'missed', 'cancelled'].includes(record.status)
    ? `+${duration(record.startTime - record.planTime)}`
    : '';

export function view(state, frame) {
  const model = {
    state,
    frame,
    words: frame.query.filter ?? '',
    span: frame.query.span ?? '',
    records: [],
    next: null,
    unended: [],
    newer: 0,
    at: -1,
    longest: 1,
  };
  model.body = h('tbody');
  model.foot = h('div.foot');
  model.note = h('div.newer');
  model.said = h('div');
  const input = h('input', {
    type: 'search',
    value: model.words,
    'aria-label': t('filter these runs'),
    placeholder: t('ending:failed worker:w1 trigger:manual, words of command or error'),
    autocomplete: 'off',
    spellcheck: false,
  });
  let typing = 0;
  input.addEventListener('input', () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      model.words = input.value.trim();
      frame.setQuery({ filter: model.words });
      load(model);
    }, 200);
  });
  const spans = segments(
    t('since'),
    SPANS.map(([value, text]) => [value, text()]),
    model.span,
    (span) => {
      model.span = span;
      frame.setQuery({ span });
      load(model);
    },
  );
  const sentinel = h('div.sentinel', { 'aria-hidden': 'true' });
  const watch = new IntersectionObserver(
    (seen) => {
      if (seen.some((one) => one.isIntersecting)) more(model);
    },
    { rootMargin: '600px' },
  );
  watch.observe(sentinel);
  load(model);
  return {
    node: h('div', h('div.tools', h('label.filter', input), spans), model.said, model.note, tableOf(model), model.foot, sentinel),
    refresh: () => refresh(model),
    keys: {
      j: () => move(model, 1),
      k: () => move(model, -1),
      f: () => input.focus(),
      Enter: () => {
        const row = model.body.children[model.at];
        if (row?.dataset.href) frame.go(row.dataset.href);
        else return false;
        return true;
      },
      y: () => {
        const row = model.body.children[model.at];
        if (row) navigator.clipboard.writeText(location.origin + row.dataset.href).then(() => frame.toast(t('Copied the link.')));
      },
    },
    close: () => {
      watch.disconnect();
      clearTimeout(typing);
    },
  };
}

function tableOf(model) {
  const heads = [
    [t('Ending'), 112],
    [`${t('Planned')} · ${t('late')}`, 164],
    [t('Took'), 164],
    [t('Exit'), 44, 'num'],
    [t('Attempt'), 64, 'num'],
    [t('Trigger'), 96],
    [t('Worker'), 96],
    [t('Last line, or why')],
  ];
  return h(
    'table.cards.runlist',
    h('caption.sr', t('runs of {name}', { name: clean(model.state.name) })),
    h(
      'colgroup',
      heads.map(([, width]) => h('col', width ? { style: { width: `${width}px` } } : {})),
    ),
    h(
      'thead',
      h(
        'tr',
        heads.map(([text, , cls]) => h('th', { scope: 'col', class: cls ?? '' }, text)),
      ),
    ),
    model.body,
  );
}

const query = ({ state, words, span }) => ({ filter: `job:${quoted(state.name)} ${words}`.trim(), from: span, limit: PAGE });

async function load(model) {
  const mine = (model.loading = {});
  try {
    const [unended, page] = await Promise.all([unendedOf(model), get('runs', query(model))]);
    if (model.loading !== mine) return;
    Object.assign(model, { unended, records: page.runs, next: page.next, newer: 0 });
    fill(model.said);
    draw(model);
  } catch (failure) {
    if (model.loading === mine) fill(model.said, fault(failure));
  }
}

const unendedOf = async ({ state, words }) =>
  words === '' ? (await get('runs', { filter: `job:${quoted(state.name)} state:running|queued`, limit: 20 })).unended : [];

async function more(model) {
  if (!model.next || model.isMore) return;
  model.isMore = true;
  try {
    const page = await get('runs', { ...query(model), after: model.next });
    const known = new Set(model.records.map((record) => record._id));
    const added = page.runs.filter((record) => !known.has(record._id));
    model.records.push(...added);
    model.next = page.next;
    for (const record of added) model.body.append(rowOf(model, record));
    drawFoot(model);
  } catch (failure) {
    fill(model.said, fault(failure));
  } finally {
    model.isMore = false;
  }
}

/** What is new waits in a line while somebody points at the list or has scrolled; else it is shown. */
async function refresh(model) {
  const [unended, page] = await Promise.all([unendedOf(model), get('runs', query(model))]);
  const known = new Set(model.records.map((record) => record._id));
  const fresh = page.runs.filter((record) => !known.has(record._id)).length;
  const sameUnended = JSON.stringify(unended) === JSON.stringify(model.unended);
  if (fresh === 0 && sameUnended) return;
  if (model.body.matches(':hover, :focus-within') || scrollY > 200) {
    model.newer = fresh || model.newer;
    fill(
      model.note,
      button(model.newer ? t('{n} newer', { n: model.newer }) : t('Show what is new'), {
        onclick: () => {
          fill(model.note);
          load(model);
        },
      }),
    );
    return;
  }
  const kept = model.records.length > PAGE ? model.records : page.runs;
  Object.assign(model, {
    unended,
    records: kept === page.runs ? page.runs : [...page.runs.filter((record) => !known.has(record._id)), ...kept],
  });
  if (kept === page.runs) model.next = page.next;
  fill(model.note);
  draw(model);
}

function draw(model) {
  model.longest = longUsual(model.records);
  fill(
    model.body,
    model.unended.map((run) => unendedRow(model, run)),
    model.records.map((record) => rowOf(model, record)),
  );
  model.at = Math.min(model.at, model.body.children.length - 1);
  drawFoot(model);
}

/** The scale of the bars: a long run of the usual ones, so that one that was stuck does not flatten the others. */
function longUsual(records) {
  const all = records
    .filter((record) => record.status === 'succeeded')
    .map((record) => record.endTime - record.startTime)
    .sort((a, b) => a - b);
  return Math.max(1, 1.25 * (all[Math.floor(all.length * 0.9)] ?? 0));
}

function drawFoot(model) {
  const n = model.records.length + model.unended.length;
  fill(
    model.foot,
    n === 0
      ? model.words || model.span
        ? h('span', t('No run matches.'))
        : empty(t('No run yet'), t('Each run will be a line here, with its last line of output.'))
      : [
          h('span', model.next ? t('{n} shown. The rest follows as you scroll.', { n }) : t('{n} {n|run|runs}.', { n })),
          h('span.end.wide-only', t('J K to move · Enter to open · Y to copy a link')),
        ],
  );
}

function rowOf(model, record) {
  const { status } = record;
  const took = record.endTime - record.startTime;
  const hasRun = !['skipped', 'missed', 'cancelled'].includes(status);
  const href = link.run(record.jobName, runIdOf(record));
  const isGood = status === 'succeeded';
  const text = isGood || (record.lastLine && status !== 'killed') ? record.lastLine : record.err;
  const zone = zoneOf(model.state.job?.timeZone);
  return row(model, href, [
    h('td', h('a', { href }, chip(status))),
    h(
      'td',
      h(
        'time',
        { datetime: new Date(record.planTime).toISOString(), title: full(record.planTime, model.state.job?.timeZone) },
        when(record.planTime, zone),
      ),
      h('span.sub', lateness(record)),
    ),
    h(
      'td.dur',
      hasRun && status !== 'lost'
        ? h(
            'span.took',
            h('span.wide-only', meter(took, model.longest, took > 3 * model.longest && took > 10_000 ? 'over' : 'quiet')),
            h('span.dim', duration(took)),
          )
        : null,
    ),
    h(
      'td.num.off',
      { class: record.exitCode ? 's-failed' : '' },
      record.signal ? t('signal {n}', { n: record.signal }) : (record.exitCode ?? ''),
    ),
    h('td.num.off.dim', String(record.attempt)),
    h('td.dim.off', triggerWord(record.trigger)),
    h('td.dim.off', other(record.worker)),
    h('td.one.full', { class: text === record.lastLine ? 'mono dim' : 'dim' }, other(text, 'span')),
  ]);
}

function unendedRow(model, run) {
  const href = link.run(run.jobName, run.runId);
  const since = run.claimedAt && Date.parse(run.claimedAt) > Date.parse(run.notBefore) ? run.claimedAt : run.notBefore;
  return row(model, href, [
    h('td', h('a', { href }, chip(run.isKillAsked ? 'killed' : run.state, run.isKillAsked ? t('ending') : undefined))),
    h('td', time(run.planTime, when, model.state.job?.timeZone)),
    h('td.dur.dim', run.state === 'running' ? time(since, ago) : null),
    h('td.off'),
    h('td.num.off.dim', String(run.attempt)),
    h('td.dim.off', triggerWord(run.trigger)),
    h('td.dim.off', other(run.worker)),
    h('td.one.full.dim', run.state === 'queued' ? t('waits in the queue') : ''),
  ]);
}

function row(model, href, cells) {
  const node = h('tr', { data: { href } }, cells);
  node.addEventListener('click', (event) => {
    if (!event.target.closest('a') && getSelection().isCollapsed) model.frame.go(href);
  });
  return node;
}

function move(model, by) {
  const rows = model.body.children;
  if (rows.length === 0) return;
  rows[model.at]?.classList.remove('at');
  model.at = Math.max(0, Math.min(rows.length - 1, model.at + by));
  rows[model.at].classList.add('at');
  rows[model.at].querySelector('a').focus({ preventScroll: true });
  rows[model.at].scrollIntoView({ block: 'nearest' });
}
