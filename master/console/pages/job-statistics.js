// What thirty days of a job came to, in figures and three drawings.
import { h, s, other, link } from '../dom.js';
import { t, number, language } from '../i18n.js';
import { get, path } from '../api.js';
import { duration, ago, time } from '../time.js';
import { words, fault, empty } from '../parts.js';

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

function figures(stats, total, name) {
  const good = stats.endings.succeeded ?? 0;
  const cell = (term, value, note) => h('div', h('dt', term), h('dd', value, note && [' ', h('small', note)]));
  return h(
    'dl.strip.large',
    cell(t('Succeeded'), `${number(Math.floor((1000 * good) / total) / 10, 1)} %`, t('of {n}', { n: total })),
    stats.duration && cell(t('Usually (p50)'), duration(stats.duration.p50Ms)),
    stats.duration &&
      cell(
        t('95 % within'),
        duration(stats.duration.p95Ms),
        stats.duration.maxMs ? t('at most {span}', { span: duration(stats.duration.maxMs) }) : '',
      ),
    stats.lag && cell(t('Late, 99 % within'), duration(stats.lag.p99Ms)),
    stats.memory && cell(t('Peak memory'), bytes(stats.memory.maxBytes), t('usually {size}', { size: bytes(stats.memory.p50Bytes) })),
    cell(
      t('Last failure'),
      stats.lastFailure
        ? h('a.link', { href: link.run(name, stats.lastFailure.runId) }, time(stats.lastFailure.startedAt, ago))
        : t('none in the log'),
    ),
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

const dayText = (day) =>
  new Intl.DateTimeFormat(language === 'zh' ? 'zh-CN' : 'en-GB', { timeZone: 'UTC', day: 'numeric', month: 'short' }).format(
    new Date(day),
  );

/** A frame with lines for heights and names for days; the drawing itself has no text. */
function plot(title, note, days, marks, drawing, label) {
  return h(
    'section',
    h('div.sec', h('h2', title), h('span.end', note)),
    h(
      'div.plot',
      h(
        'div.y',
        { 'aria-hidden': 'true' },
        marks.map(([part, text]) => h('span', { style: { top: `${part * 100}%` } }, text)),
      ),
      drawing,
      h(
        'div.x',
        { 'aria-hidden': 'true' },
        [0, Math.floor(days.length / 2), days.length - 1]
          .filter((v, i, all) => all.indexOf(v) === i)
          .map((i, k, all) =>
            h(
              'span',
              {
                class: k === all.length - 1 && k > 0 ? 'e' : '',
                style: { left: `${((i + (k === all.length - 1 && k > 0 ? 1 : 0)) / days.length) * 100}%` },
              },
              dayText(days[i].day),
            ),
          ),
      ),
      h('span.sr', label),
    ),
  );
}

/** The next round figure above: in milliseconds, then in seconds, minutes and hours. */
function niceTop(value) {
  const unit = [1, 1000, 60_000, 3_600_000].findLast((one) => one <= value) ?? 1;
  return unit * ([1, 2, 5, 10, 20, 30, 60, 100, 200, 500].find((step) => step * unit >= value) ?? Math.ceil(value / unit));
}

function tookOf({ byDay }) {
  const days = byDay.filter((day) => day.duration);
  if (days.length === 0) return null;
  const top = niceTop(Math.max(...days.map((day) => day.duration.p95Ms)));
  const x = (i) => (days.length === 1 ? WIDE / 2 : (i * WIDE) / (days.length - 1));
  const y = (value) => HIGH - (value / top) * HIGH;
  const line = days.map((day, i) => `${i ? 'L' : 'M'}${x(i).toFixed(1)} ${y(day.duration.p50Ms).toFixed(1)}`).join('');
  const back = [...days]
    .map((day, i) => [x(i), y(day.duration.p95Ms)])
    .reverse()
    .map(([a, b]) => `L${a.toFixed(1)} ${b.toFixed(1)}`)
    .join('');
  const drawing = s(
    'svg.chart',
    { viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    [0, 0.5, 1].map((part) => s('path.grid-l', { d: `M0 ${part * HIGH}h${WIDE}` })),
    s('path.area', { d: `${line}${back}z` }),
    s('path.line', { d: line }),
    days.map((day, i) =>
      s(
        'rect.hit',
        { x: x(i) - WIDE / days.length / 2, y: 0, width: WIDE / days.length, height: HIGH },
        s('title', `${dayText(day.day)}: p50 ${duration(day.duration.p50Ms)}, p95 ${duration(day.duration.p95Ms)}`),
      ),
    ),
  );
  return plot(
    t('How long it took'),
    [h('span.key-line', 'p50'), h('span.key-area', t('to p95'))],
    days,
    [
      [0, duration(top)],
      [0.5, duration(top / 2)],
      [1, '0'],
    ],
    drawing,
    t('p50 from {a} to {b}', {
      a: duration(Math.min(...days.map((day) => day.duration.p50Ms))),
      b: duration(Math.max(...days.map((day) => day.duration.p50Ms))),
    }),
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
      const node = s(`rect.f-${ending}`, {
        x: x + 0.5,
        y: y + 0.5,
        width: width - 1,
        height: height - 1,
        class: HOLLOW.has(ending) ? 'hollow' : '',
      });
      y += height + 1;
      return node;
    });
    const said = Object.entries(day.endings)
      .map(([ending, n]) => `${n} ${words()[ending]}`)
      .join(', ');
    return s(
      'g',
      s('rect.hit', { x: i * step, y: 0, width: step, height: up + down }),
      s('rect.f-ok', { x, y: up - tall, width, height: tall }),
      parts,
      s('title', `${dayText(day.day)}: ${said}`),
    );
  });
  const drawing = s(
    'svg.chart',
    { viewBox: `0 0 ${WIDE} ${up + down}`, preserveAspectRatio: 'none', style: { height: `${up + down}px` }, 'aria-hidden': 'true' },
    s('path.grid-l', { d: `M0 ${up + 0.5}h${WIDE}` }),
    bars,
  );
  return plot(
    t('How it ended'),
    t('below the line: what did not succeed'),
    byDay,
    [
      [0, number(top)],
      [up / (up + down), '0'],
    ],
    drawing,
    t('by day'),
  );
}

function lateOf({ lag }) {
  if (!lag) return null;
  const rows = [
    ['p50', lag.p50Ms],
    ['p95', lag.p95Ms],
    ['p99', lag.p99Ms],
  ];
  const most = Math.max(1, ...rows.map(([, value]) => value));
  return h(
    'section',
    h('div.sec', h('h2', t('How late it started')), h('span.end', t('{n} {n|start|starts}', { n: lag.runs }))),
    h(
      'dl.bars',
      rows.map(([name, value]) => [
        h('dt', name),
        h('dd', h('i', { style: { width: `${Math.max(1, (value / most) * 100)}%` }, 'aria-hidden': 'true' }), h('span', duration(value))),
      ]),
    ),
  );
}

function whereOf({ workers, latestRuns }) {
  const rows = Object.entries(workers).sort((a, b) => b[1] - a[1]);
  if (rows.length === 0) return null;
  const most = rows[0][1];
  return h(
    'section',
    h('div.sec', h('h2', t('Where it ran')), h('span.end', t('of the latest {n} runs', { n: latestRuns }))),
    h(
      'dl.bars',
      rows.map(([worker, n]) => [
        h('dt', other(worker)),
        h('dd', h('i', { style: { width: `${(n / most) * 100}%` }, 'aria-hidden': 'true' }), h('span', number(n))),
      ]),
    ),
  );
}
