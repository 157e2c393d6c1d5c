// The ledger as a grid: each planned fire a square, a row a day. With many fires a square is a quarter of an hour, with few a row a month.
import { dayStart, wallOf } from './zone.js';

const DAY = 86_400_000;
const QUARTER = 900_000;
const COLUMNS_MAX = 48;

/** Of several fires in one square the first of these that occurs is shown. */
export const WORST_FIRST = [
  'fault',
  'lost',
  'missed',
  'failed',
  'timedOut',
  'killed',
  'cancelled',
  'skipped',
  'running',
  'queued',
  'unknown',
  'planned',
  'succeeded',
];
const OPEN = new Set(['planned', 'running', 'queued', 'unknown']);

/** A line of the ledger as the grid needs it. */
export const fireOf = (line) => ({
  at: Date.parse(line.planTime),
  ending: line.fault ? 'fault' : line.ending,
  reason: line.reason,
  line,
  count: 1,
  good: line.ending === 'succeeded' ? 1 : 0,
});

/** Counts of a quarter of an hour, of a job with too many fires to list each. */
export function fireOfCounts({ at, endings }) {
  const count = Object.values(endings).reduce((sum, n) => sum + n, 0);
  const ending = WORST_FIRST.find((word) => endings[word] > 0) ?? 'unknown';
  return { at: Date.parse(at), ending, reason: '', endings, count, good: endings.succeeded ?? 0 };
}

export const worstOf = (fires) => WORST_FIRST.find((ending) => fires.some((fire) => fire.ending === ending)) ?? 'unknown';

const floorTo = (wall, step) => Math.floor(wall / step) * step;
const timeOfDay = (wall) => ((wall % DAY) + DAY) % DAY;

/** How the fires of a span are laid out: months (at most one a day), columns (the same few times each day), or quarters of an hour. */
export function layoutOf(fires, zone, isDense = false) {
  if (isDense) return { mode: 'quarters', columns: quarters() };
  const days = new Set(fires.map((fire) => floorTo(wallOf(zone, fire.at), DAY))).size;
  if (fires.length <= days) return { mode: 'months', columns: Array.from({ length: 31 }, (_, day) => day) };
  const times = new Set();
  for (const fire of fires) {
    times.add(timeOfDay(floorTo(wallOf(zone, fire.at), 60_000)));
    if (times.size > COLUMNS_MAX) return { mode: 'quarters', columns: quarters() };
  }
  return { mode: 'columns', columns: [...times].sort((a, b) => a - b) };
}

const quarters = () => Array.from({ length: 96 }, (_, i) => i * QUARTER);

/**
 * The grid, the latest row first. A cell has its column, its fires, the worst ending of them, and `twin` = 1 or 2 where a clock change
 * brings the same wall time twice.
 */
export function gridOf(fires, zone, layout) {
  const rows = new Map();
  const columnOf = new Map(layout.columns.map((time, i) => [time, i]));
  for (const fire of [...fires].sort((a, b) => a.at - b.at)) {
    const wall = wallOf(zone, fire.at);
    const { key, column } = placeOf(wall, layout.mode, columnOf);
    const row = rows.get(key) ?? { key, cells: [] };
    rows.set(key, row);
    const last = row.cells.at(-1);
    const same = last?.column === column ? last : row.cells.find((cell) => cell.column === column && cell.offset === wall - fire.at);
    if (same && same.offset === wall - fire.at) same.fires.push(fire);
    else row.cells.push({ column, offset: wall - fire.at, fires: [fire], at: fire.at });
  }
  return [...rows.values()].sort((a, b) => b.key - a.key).map((row) => finish(row));
}

function placeOf(wall, mode, columnOf) {
  const day = floorTo(wall, DAY);
  if (mode === 'months') {
    const date = new Date(day);
    return { key: Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1), column: date.getUTCDate() - 1 };
  }
  return { key: day, column: columnOf.get(timeOfDay(floorTo(wall, mode === 'quarters' ? QUARTER : 60_000))) };
}

function finish(row) {
  row.cells.sort((a, b) => a.column - b.column || a.at - b.at);
  row.cells.forEach((cell, i) => {
    cell.ending = worstOf(cell.fires);
    cell.count = cell.fires.reduce((sum, fire) => sum + fire.count, 0);
    cell.twin = row.cells[i - 1]?.column === cell.column ? 2 : row.cells[i + 1]?.column === cell.column ? 1 : 0;
  });
  const done = row.cells.flatMap((cell) => cell.fires).filter((fire) => !OPEN.has(fire.ending));
  row.total = done.reduce((sum, fire) => sum + fire.count, 0);
  row.good = done.reduce((sum, fire) => sum + fire.good, 0);
  return row;
}

/** How many fires ended how, the good ones first. */
export function countsOf(fires) {
  const counts = new Map([...WORST_FIRST].reverse().map((ending) => [ending, 0]));
  for (const fire of fires) {
    if (fire.endings) for (const [ending, n] of Object.entries(fire.endings)) counts.set(ending, (counts.get(ending) ?? 0) + n);
    else counts.set(fire.ending, (counts.get(fire.ending) ?? 0) + 1);
  }
  return [...counts].filter(([, n]) => n > 0);
}

/** The fires around one that were missed in a row: an outage is one thing, not many. */
export function outageOf(fires, fire) {
  if (fire.ending !== 'missed' && fire.ending !== 'lost') return [fire];
  const i = fires.indexOf(fire);
  let [from, to] = [i, i];
  while (fires[from - 1]?.ending === fire.ending) from--;
  while (fires[to + 1]?.ending === fire.ending) to++;
  return fires.slice(from, to + 1);
}

/** The cell that an arrow key, Home or End leads to from a cell; null = none. */
export function neighbourOf(rows, rowIndex, cellIndex, key) {
  const row = rows[rowIndex];
  const at = (r, c) => (rows[r]?.cells[c] ? { row: r, cell: c } : null);
  switch (key) {
    case 'ArrowRight':
      return at(rowIndex, cellIndex + 1) ?? at(rowIndex - 1, 0);
    case 'ArrowLeft':
      return at(rowIndex, cellIndex - 1) ?? at(rowIndex + 1, (rows[rowIndex + 1]?.cells.length ?? 0) - 1);
    case 'Home':
      return at(rowIndex, 0);
    case 'End':
      return at(rowIndex, row.cells.length - 1);
    case 'ArrowUp':
      return nearest(rowIndex - 1);
    case 'ArrowDown':
      return nearest(rowIndex + 1);
    default:
      return null;
  }

  function nearest(r) {
    if (!rows[r]?.cells.length) return null;
    const column = row.cells[cellIndex].column;
    let best = 0;
    rows[r].cells.forEach((cell, i) => {
      if (Math.abs(cell.column - column) < Math.abs(rows[r].cells[best].column - column)) best = i;
    });
    return at(r, best);
  }
}

/** The span of the calendar: so many days, to the end of today in the zone. */
export function spanOf(zone, now, days) {
  const today = dayStart(zone, now);
  const end = dayStart(zone, today + 1.5 * DAY);
  return { from: dayStart(zone, today - (days - 1.5) * DAY), to: end, today };
}
