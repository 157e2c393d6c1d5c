// The ledger of a job as a grid: each planned fire a square that says how it ended and why.
import { h, s, fill, set, other } from '../dom.js';
import { t, number, language, inSentence } from '../i18n.js';
import { get, path } from '../api.js';
import { zoneOf, date, clock } from '../time.js';
import { words, fault, empty } from '../parts.js';
import { wallOf } from '../logic/zone.js';
import { fireOf, fireOfCounts, layoutOf, gridOf, countsOf, outageOf, neighbourOf, spanOf } from '../logic/calendar.js';
import { quoted } from './job.js';
import { told } from './job-runs.js';
import { pickFromAddress, pick } from './job-fire.js';

export const DAY = 86_400_000;
const LINES = 10_000;
const DENSE = 96; // Fires a day beyond which a square is a quarter of an hour.
const PLAIN = new Set(['succeeded', 'planned', 'unknown']); // Squares without a mark.

export const iso = (at) => new Date(at).toISOString();
export const wordOf = (ending) => (ending === 'fault' ? t('not exactly one ending') : (words()[ending] ?? ending));

/** How many fires a day a schedule has, by its next times. */
async function densityOf(job, name) {
  const asked = await get('schedule/preview', { expr: job.cronExpr, zone: job.timeZone, name, n: 200 });
  const times = asked.next.map(Date.parse);
  return times.length < 2 ? 0 : (times.length - 1) / ((times.at(-1) - times[0]) / DAY);
}

/** The fires of the days that are shown: { fires, note, isDense, days }. */
async function readFires(name, job, zone) {
  const now = Date.now();
  const perDay = job ? await densityOf(job, name).catch(() => 1) : 1;
  if (perDay <= DENSE) {
    const days = perDay <= 1.01 ? 366 : 31;
    const { from, to } = spanOf(zone, now, days);
    const page = await get(path`jobs/${name}/ledger`, { from: iso(from), to: iso(to - 1), limit: LINES });
    if (!page.next) {
      const known = page.lines.filter((line) => !(line.note && line.ending === 'unknown' && !line.live && line.endings.length === 0));
      return { fires: known.map(fireOf), note: page.lines.find((line) => !known.includes(line))?.note ?? '', days };
    }
  }
  const { from, to } = spanOf(zone, now, 31);
  const middle = from + 15 * DAY;
  const filter = `job:${quoted(name)}`;
  const countsBetween = (start, end) => get('runs', { filter, from: iso(start), to: iso(end), limit: 0, counts: 'quarter' });
  const halves = await Promise.all([countsBetween(from, middle), countsBetween(middle, Math.min(to, now))]);
  const fires = halves.flatMap(({ counts }) => counts.times).map(fireOfCounts).filter((fire) => fire.count > 0);
  const note = t('Too many fires for a square each: a square is a quarter of an hour, counted from the log.');
  return { fires, note, isDense: true, days: 31 };
}

export async function view(state, frame) {
  const { name } = state;
  const jobZone = state.job?.timeZone ?? '';
  const zone = zoneOf(jobZone);
  let data;
  try {
    data = await readFires(name, state.job, zone);
  } catch (failure) {
    return { node: fault(failure) };
  }
  const side = h('aside.side', { 'aria-label': t('one planned fire') });
  const grid = h('div.cal', { role: 'grid', 'aria-label': t('planned fires'), 'aria-readonly': 'true' });
  const legend = h('div.legend', { role: 'group', 'aria-label': t('endings') });
  const tip = h('div.tip', { hidden: true, role: 'tooltip' });
  const model = { state, name, zone, jobZone, frame, side, grid, legend, tip, picked: null, only: frame.query.only ?? '' };
  const show = (found) => {
    Object.assign(model, found);
    arrange(model);
    drawLegend(model);
    drawGrid(model);
  };
  show(data);
  listenTo(model);
  pickFromAddress(model);
  const wrap = h('div.cal-wrap', h('div.cal-main', grid, tip, data.note && h('p.faint.after', inSentence(data.note))), side);
  const none = () =>
    empty(
      t('No planned fire yet'),
      `${state.job?.enabled === false ? t('The job is paused.') : ''} `
        + t('Each planned fire will be a square here, with its ending and the reason.'),
    );
  return {
    node: model.fires.length ? h('div', h('div.tools', legend), wrap) : none(),
    async refresh() {
      const next = await readFires(name, state.job, zone).catch(() => null);
      if (!next || JSON.stringify(next.fires) === JSON.stringify(model.fires)) return;
      show(next);
      if (model.picked) pick(model, model.picked.at, { quiet: true });
    },
  };
}

function arrange(model) {
  model.layout = layoutOf(model.fires, model.zone, model.isDense);
  model.rows = gridOf(model.fires, model.zone, model.layout);
}

// ---------- legend ----------

function drawLegend(model) {
  fill(
    model.legend,
    countsOf(model.fires).map(([ending, n]) =>
      h(
        'button',
        {
          type: 'button',
          'aria-pressed': String(model.only === ending),
          data: { ending },
          onclick: () => {
            model.only = model.only === ending ? '' : ending;
            model.frame.setQuery({ only: model.only });
            drawLegend(model);
            dim(model);
            model.legend.querySelector(`[data-ending="${ending}"]`).focus();
          },
        },
        square(ending),
        h('b', number(n)),
        ' ',
        wordOf(ending),
      ),
    ),
  );
}

function dim({ grid, only }) {
  if (only) grid.dataset.only = only;
  else delete grid.dataset.only;
  for (const cell of grid.querySelectorAll('.c'))
    cell.classList.toggle('off', Boolean(only) && !cell.dataset.endings?.split(' ').includes(only));
}

const glyphs = { fault: 'lost', queued: 'running' };

function square(ending, extra = {}) {
  const node = h('i.c', { class: ending === 'succeeded' ? '' : ending === 'fault' ? 'wrong' : ending, ...extra });
  if (!PLAIN.has(ending)) node.append(s('svg', { 'aria-hidden': 'true' }, s('use', { href: `#g-${glyphs[ending] ?? ending}` })));
  return node;
}

// ---------- grid ----------

function drawGrid(model) {
  const { grid, rows, layout } = model;
  const perLine = Math.min(48, layout.columns.length);
  const held = grid.contains(document.activeElement);
  grid.className = `cal ${layout.mode} ${perLine <= 12 ? 'few' : perLine <= 31 ? 'some' : 'many'}`;
  set(grid, { style: { '--n': String(perLine), '--np': String(Math.min(24, perLine)) } });
  const today = wallOf(model.zone, Date.now());
  fill(
    grid,
    hoursOf(layout, perLine),
    rows.map((row, r) => rowOf(model, row, r, today)),
  );
  dim(model);
  const first = grid.querySelector('.picked') ?? grid.querySelector('[data-at]');
  if (first) first.tabIndex = 0;
  if (held) first?.focus({ preventScroll: true });
}

function hoursOf(layout, perLine) {
  const columns = layout.columns.slice(0, perLine);
  const step = Math.max(1, Math.ceil(columns.length / 8));
  const isWhole = columns.every((wall, i) => i % step !== 0 || wall % 3_600_000 === 0);
  const text = (wall) => {
    const [hour, minute] = [Math.floor(wall / 3_600_000), Math.floor((wall / 60_000) % 60)].map((n) => String(n).padStart(2, '0'));
    return isWhole ? hour : `${hour}:${minute}`;
  };
  const labels = {
    months: (day, i) => i % step === 0 && String(day + 1),
    columns: (wall, i) => i % step === 0 && text(wall),
    quarters: (wall, i) => i % 12 === 0 && `${text(wall)} / ${text(wall + DAY / 2)}`,
  };
  const cells = columns.map((wall, i) => h('span', labels[layout.mode](wall, i)));
  return h('div.hours', { 'aria-hidden': 'true' }, h('span'), h('div.cells', cells), h('span'));
}

function rowOf(model, row, r, today) {
  const isMonth = model.layout.mode === 'months';
  const isToday = !isMonth && row.key === Math.floor(today / DAY) * DAY;
  const name = rowName(row.key, isMonth, isToday, r === 0);
  const children = [];
  let c = 0;
  for (let column = 0; column < model.layout.columns.length; column++) {
    const here = [];
    while (row.cells[c]?.column === column) here.push(cellOf(model, row.cells[c], r, c++));
    if (here.length === 0) children.push(h('i.c.none', { role: 'presentation' }));
    else children.push(here.length === 1 ? here[0] : h('span.two', { role: 'presentation' }, here));
  }
  const isWeekEnd = !isMonth && new Date(row.key).getUTCDay() === 1;
  const sum = { role: 'gridcell', class: row.good < row.total ? 'bad' : '', title: t('{good} of {total} succeeded', row) };
  return h(
    'div.d',
    { role: 'row', class: `${isToday ? 'today' : ''} ${isWeekEnd ? 'mon' : ''}` },
    h('b', { role: 'rowheader' }, name),
    h('div.cells', { role: 'presentation' }, children),
    h('em', sum, row.total ? `${number(row.good)} / ${number(row.total)}` : ''),
  );
}

function rowName(key, isMonth, isToday, isFirst) {
  if (isToday) return t('today');
  const [day, isZh] = [new Date(key), language === 'zh'];
  const format = (options) => new Intl.DateTimeFormat(isZh ? 'zh-CN' : 'en-GB', { timeZone: 'UTC', ...options });
  if (isMonth) return format({ month: 'short', ...(day.getUTCMonth() === 0 || isFirst ? { year: 'numeric' } : {}) }).format(day);
  const isNewMonth = day.getUTCDate() === 1;
  const options = { weekday: 'short', day: 'numeric', ...(isNewMonth ? { month: 'short' } : {}) };
  if (isZh) return format(isNewMonth ? { ...options, weekday: undefined } : options).format(day);
  const parts = format(options).formatToParts(day);
  return parts.map(({ type, value }) => (type === 'weekday' ? value.slice(0, 2) : value)).join('');
}

function cellOf(model, cell, r, c) {
  const endings = [...new Set(cell.fires.flatMap((fire) => (fire.endings ? Object.keys(fire.endings) : [fire.ending])))].join(' ');
  const node = square(cell.ending, {
    role: 'gridcell',
    tabindex: '-1',
    'aria-label': labelOf(model, cell),
    data: { at: String(cell.at), r: String(r), c: String(c), endings },
  });
  if (cell.twin) node.classList.add('twin');
  if (model.picked && cell.fires.some((fire) => fire.at === model.picked.at)) {
    node.classList.add('picked');
    node.setAttribute('aria-selected', 'true');
  }
  if (cell.count > 1 && cell.ending !== 'succeeded' && model.layout.mode === 'months') node.append(h('small', String(cell.count)));
  return node;
}

export const momentOf = (model, at) => `${date(at, model.zone)} ${clock(at, model.zone)}`;

function labelOf(model, cell) {
  const counts = () => countsOf(cell.fires).map(([ending, n]) => `${n} ${wordOf(ending)}`).join(', ');
  const second = cell.twin === 2 ? ` ${t('second time')}` : '';
  return `${momentOf(model, cell.at)}${second}, ${cell.count > 1 ? counts() : wordOf(cell.ending)}`;
}

// ---------- pointing, keys ----------

function listenTo(model) {
  const { grid, tip } = model;
  const cellAt = (event) => event.target.closest?.('[data-at]');
  const modelCell = (node) => model.rows[node.dataset.r].cells[node.dataset.c];
  const hide = () => {
    tip.hidden = true;
  };
  const on = (kind, act) =>
    grid.addEventListener(kind, (event) => {
      const node = cellAt(event);
      if (node) act(node, event);
      else hide();
    });
  on('pointerover', (node) => showTip(model, node, modelCell(node)));
  on('focusin', (node) => node.matches(':focus-visible') && showTip(model, node, modelCell(node)));
  for (const kind of ['pointerleave', 'focusout']) grid.addEventListener(kind, hide);
  on('click', (node) => {
    pick(model, modelCell(node).fires[0].at);
    node.focus({ preventScroll: true });
  });
  on('keydown', (node, event) => {
    const isPick = event.key === 'Enter' || event.key === ' ';
    const next = isPick ? null : neighbourOf(model.rows, Number(node.dataset.r), Number(node.dataset.c), event.key);
    if (!isPick && !next) return;
    event.preventDefault();
    event.stopPropagation();
    if (isPick) pick(model, modelCell(node).fires[0].at);
    else focusCell(model, model.rows[next.row].cells[next.cell].at);
  });
}

function focusCell(model, at) {
  const node = nodeAt(model, at);
  if (!node) return;
  for (const old of model.grid.querySelectorAll('[tabindex="0"]')) old.tabIndex = -1;
  node.tabIndex = 0;
  node.focus();
}

export const nodeAt = ({ grid, rows }, at) => {
  for (const row of rows)
    for (const cell of row.cells) if (cell.fires.some((fire) => fire.at === at)) return grid.querySelector(`[data-at="${cell.at}"]`);
  return null;
};

function showTip(model, node, cell) {
  const { tip, grid } = model;
  const fire = cell.fires[0];
  const outage = outageOf(model.fires, fire);
  const [from, to] = [momentOf(model, outage[0].at), clock(outage.at(-1).at, model.zone)];
  const isOne = outage.length === 1;
  const head = isOne ? labelOf(model, cell) : t('{from} to {to}: {n} {what}', { from, to, n: outage.length, what: wordOf(fire.ending) });
  fill(tip, h('b', head), fire.ending !== 'succeeded' && fire.reason && other(told(fire.reason, model.zone), 'span'));
  tip.hidden = false;
  const [box, at, own] = [grid.parentElement.getBoundingClientRect(), node.getBoundingClientRect(), tip.getBoundingClientRect()];
  const left = Math.max(0, Math.min(at.left - box.left, box.width - own.width));
  const below = at.bottom + own.height + 12 < innerHeight;
  set(tip, { style: { left: `${left}px`, top: `${below ? at.bottom - box.top + 6 : at.top - box.top - own.height - 6}px` } });
}
