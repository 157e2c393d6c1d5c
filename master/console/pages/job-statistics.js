// What thirty days of a job came to, in figures and three drawings.
import { h, s, other, link } from '../dom.js';
import { t, number, language } from '../i18n.js';
import { get, path } from '../api.js';
import { duration, ago, time } from '../time.js';
import { words, fault, empty, section } from '../parts.js';

const BAD = ['failed', 'timedOut', 'killed', 'lost', 'missed', 'skipped', 'cancelled'];
const HOLLOW = new Set(['missed', 'skipped', 'cancelled']);
const [WIDE, HIGH] = [700, 140];

export async function view({ name }) {
  let stats;
  try {
    stats = await get(path`jobs/${name}/stats`, { days: 30 });
  } catch (failure) {
    return { node: fault(failure) };
  }
  const total = Object.values(stats.endings).reduce((sum, n) => sum + n, 0);
  if (total === 0) return { node: empty(t('Nothing to count yet'), t('Figures come with the first ending.')) };
  return {
    node: h(
      'div',
      figures(stats, total, name),
      h('div.stat-cols', h('div', tookOf(stats), endedOf(stats)), h('div', lateOf(stats), whereOf(stats))),
    ),
  };
}

function figures({ endings, duration: took, lag, memory, lastFailure: bad }, total, name) {
  const good = endings.succeeded ?? 0;
  const cell = (term, value, note) => h('div', h('dt', term), h('dd', value, note && [' ', h('small', note)]));
  return h(
    'dl.strip.large',
    cell(t('Succeeded'), `${number(Math.floor((1000 * good) / total) / 10, 1)} %`, t('of {n}', { n: total })),
    took && cell(t('Usually (p50)'), duration(took.p50Ms)),
    took && cell(t('95 % within'), duration(took.p95Ms), took.maxMs && t('at most {span}', { span: duration(took.maxMs) })),
    lag && cell(t('Late, 99 % within'), duration(lag.p99Ms)),
    memory?.maxBytes > 0 && cell(t('Peak memory'), bytes(memory.maxBytes), t('usually {size}', { size: bytes(memory.p50Bytes) })),
    cell(t('Last failure'), bad ? h('a.link', { href: link.run(name, bad.runId) }, time(bad.startedAt, ago)) : t('none in the log')),
  );
}

export function bytes(n) {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let i = 0;
  let value = n;
  while (value >= 1000 && i < units.length - 1) {
    value /= 1024;
    i++;
  }
  return `${number(value, value < 10 && i > 0 ? 1 : 0)} ${units[i]}`;
}

function dayText(day) {
  const format = new Intl.DateTimeFormat(language === 'zh' ? 'zh-CN' : 'en-GB', { timeZone: 'UTC', day: 'numeric', month: 'short' });
  return format.format(new Date(day));
}

/** A frame with lines for heights and names for days; the drawing itself has no text. */
function plot(title, note, days, marks, drawing, label) {
  const last = days.length - 1;
  const named = [...new Set([0, Math.floor(days.length / 2), last])];
  const name = (i) => {
    const isEnd = i === last && i > 0;
    return h('span', { class: isEnd ? 'e' : '', style: { left: `${((i + (isEnd ? 1 : 0)) / days.length) * 100}%` } }, dayText(days[i].day));
  };
  const heights = marks.map(([part, text]) => h('span', { style: { top: `${part * 100}%` } }, text));
  return section(
    title,
    note,
    h(
      'div.plot',
      h('div.y', { 'aria-hidden': 'true' }, heights),
      drawing,
      h('div.x', { 'aria-hidden': 'true' }, named.map(name)),
      h('span.sr', label),
    ),
  );
}

/** The next round figure above: in milliseconds, then in seconds, minutes and hours. */
function niceTop(value) {
  const unit = [1, 1000, 60_000, 3_600_000].findLast((one) => one <= value) ?? 1;
  return unit * ([1, 2, 5, 10, 20, 30, 60, 100, 200, 500].find((step) => step * unit >= value) ?? Math.ceil(value / unit));
}

function chart(height, ...parts) {
  const box = { viewBox: `0 0 ${WIDE} ${height}`, preserveAspectRatio: 'none', style: { height: `${height}px` }, 'aria-hidden': 'true' };
  return s('svg.chart', box, parts);
}

function tookOf({ byDay }) {
  const days = byDay.filter((day) => day.duration);
  if (days.length === 0) return null;
  const [p50, p95] = ['p50Ms', 'p95Ms'].map((name) => days.map((day) => day.duration[name]));
  const top = niceTop(Math.max(...p95));
  const x = (i) => (days.length === 1 ? WIDE / 2 : (i * WIDE) / (days.length - 1));
  const points = (values) => values.map((value, i) => `${x(i).toFixed(1)} ${(HIGH - (value / top) * HIGH).toFixed(1)}`);
  const line = `M${points(p50).join('L')}`;
  const step = WIDE / days.length;
  const hit = (day, i) =>
    s('rect.hit', { x: x(i) - step / 2, y: 0, width: step, height: HIGH },
      s('title', `${dayText(day.day)}: p50 ${duration(p50[i])}, p95 ${duration(p95[i])}`));
  return plot(
    t('How long it took'),
    [h('span.key-line', 'p50'), h('span.key-area', t('to p95'))],
    days,
    [[0, duration(top)], [0.5, duration(top / 2)], [1, '0']],
    chart(
      HIGH,
      [0, 0.5, 1].map((part) => s('path.grid-l', { d: `M0 ${part * HIGH}h${WIDE}` })),
      s('path.area', { d: `${line}L${points(p95).reverse().join('L')}z` }),
      s('path.line', { d: line }),
      days.map(hit),
    ),
    t('p50 from {a} to {b}', { a: duration(Math.min(...p50)), b: duration(Math.max(...p50)) }),
  );
}

function endedOf({ byDay }) {
  const badOf = (day) => BAD.reduce((sum, ending) => sum + (day.endings[ending] ?? 0), 0);
  const top = Math.max(1, ...byDay.map((day) => day.endings.succeeded ?? 0));
  const below = Math.max(1, ...byDay.map(badOf));
  const [up, down] = [90, Math.min(50, 8 + 6 * below)];
  const step = WIDE / byDay.length;
  const width = Math.max(2, step - Math.min(6, step / 4));
  const bars = byDay.map((day, i) => {
    const good = day.endings.succeeded ?? 0;
    const x = i * step + (step - width) / 2;
    const tall = good ? Math.max(1.5, (good / top) * up) : 0;
    let y = up + 4;
    const parts = BAD.filter((ending) => day.endings[ending]).map((ending) => {
      const height = Math.max(3, (day.endings[ending] / below) * (down - 4));
      const kind = { class: HOLLOW.has(ending) ? 'hollow' : '' };
      const node = s(`rect.f-${ending}`, kind, { x: x + 0.5, y: y + 0.5, width: width - 1, height: height - 1 });
      y += height + 1;
      return node;
    });
    const said = Object.entries(day.endings).map(([ending, n]) => `${n} ${words()[ending]}`).join(', ');
    return s(
      'g',
      s('rect.hit', { x: i * step, y: 0, width: step, height: up + down }),
      s('rect.f-ok', { x, y: up - tall, width, height: tall }),
      parts,
      s('title', `${dayText(day.day)}: ${said}`),
    );
  });
  return plot(
    t('How it ended'),
    t('below the line: what did not succeed'),
    byDay,
    [[0, number(top)], [up / (up + down), '0']],
    chart(up + down, s('path.grid-l', { d: `M0 ${up + 0.5}h${WIDE}` }), bars),
    t('by day'),
  );
}

/** Bars with their names and figures: rows are [name, value, text]. */
function barsOf(title, note, rows) {
  const most = Math.max(1, ...rows.map(([, value]) => value));
  const bar = (value) => h('i', { style: { width: `${Math.max(1, (value / most) * 100)}%` }, 'aria-hidden': 'true' });
  return section(title, note, h('dl.bars', rows.map(([name, value, text]) => [h('dt', name), h('dd', bar(value), h('span', text))])));
}

function lateOf({ lag }) {
  const row = (name, value) => [name, value, duration(value)];
  const rows = lag && [row('p50', lag.p50Ms), row('p95', lag.p95Ms), row('p99', lag.p99Ms)];
  return lag && barsOf(t('How late it started'), t('{n} {n|start|starts}', { n: lag.runs }), rows);
}

function whereOf({ workers, latestRuns }) {
  const rows = Object.entries(workers).sort((a, b) => b[1] - a[1]).map(([worker, n]) => [other(worker), n, number(n)]);
  return rows.length > 0 && barsOf(t('Where it ran'), t('of the latest {n} runs', { n: latestRuns }), rows);
}
