// Times and durations as people read them. Instants come from the API as text or as milliseconds.
import { language, t } from './i18n.js';
import { h } from './dom.js';
import { wallOf, isZone } from './logic/zone.js';

export const zones = { chosen: 'mine', own: 'UTC' }; // own: the master's default zone, for jobs that name none.
let mine = '';

/** This browser's zone. To find it takes up to 70 ms at the start, so the first requests are sent before. */
export const myZone = () => (mine ||= Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC');

const MINUTE = 60_000,
  HOUR = 60 * MINUTE,
  DAY = 24 * HOUR;
const UNITS = [[DAY, '{a} d'], [HOUR, '{a} h'], [MINUTE, '{a} min'], [1000, '{n} s']];
const formats = new Map();

export function ms(at) {
  return typeof at === 'number' ? at : Date.parse(at);
}

/** The zone in force. jobZone: the job's own, empty = the master's default. */
export function zoneOf(jobZone) {
  return zones.chosen === 'utc' ? 'UTC' : zones.chosen === 'own' ? jobZone || zones.own : myZone();
}

export function zoneName(zone) {
  return zone.split('/').at(-1).replaceAll('_', ' ');
}

function format(zone, options) {
  const key = `${language} ${zone} ${JSON.stringify(options)}`;
  if (!formats.has(key)) {
    const timeZone = isZone(zone) ? zone : 'UTC';
    formats.set(key, new Intl.DateTimeFormat(language === 'zh' ? 'zh-CN' : 'en-GB', { timeZone, ...options }));
  }
  return formats.get(key);
}

/** The zone's wall clock, as text: 2026-11-22T07:30:00.000Z. */
function wall(at, zone) {
  return new Date(isZone(zone) ? wallOf(zone, ms(at)) : ms(at)).toISOString(); // A zone that this browser does not know is UTC.
}

export const dayOf = (at, zone) => wall(at, zone).slice(0, 10);

export const clock = (at, zone, seconds = false) => wall(at, zone).slice(11, seconds ? 19 : 16);

/** "15:30" today, else with the day; with the year in another one. */
export function when(at, zone = zoneOf(), seconds = false) {
  const time = clock(at, zone, seconds);
  if (dayOf(at, zone) === dayOf(Date.now(), zone)) return time;
  return `${format(zone, { day: 'numeric', month: 'short', ...yearOf(at, zone) }).format(ms(at))} ${time}`;
}

/** The year is told when it is not this one. */
const yearOf = (at, zone) => (dayOf(at, zone).slice(0, 4) === dayOf(Date.now(), zone).slice(0, 4) ? {} : { year: 'numeric' });

/** For lists of runs: always with seconds, because jobs may run every few seconds. */
export const exact = (at, zone = zoneOf()) => when(at, zone, true);

export function date(at, zone = zoneOf()) {
  return format(zone, { day: 'numeric', month: 'short', weekday: 'short', ...yearOf(at, zone) }).format(ms(at));
}

/** Two units at most: "3 h 12 min", "12 s", "0.6 ms". */
export function duration(span) {
  const value = Math.max(0, span);
  if (value < 1000) return t('{n} ms', { n: value < 10 ? Math.round(value * 10) / 10 : Math.round(value) });
  if (value < 10_000) return t('{n} s', { n: Math.round(value / 100) / 10 });
  if (value < MINUTE) return t('{n} s', { n: Math.min(59, Math.round(value / 1000)) });
  const [big, small, sentence, alone] =
    value < HOUR
      ? [MINUTE, 1000, '{a} min {b} s', '{a} min']
      : value < DAY
        ? [HOUR, MINUTE, '{a} h {b} min', '{a} h']
        : [DAY, HOUR, '{a} d {b} h', '{a} d'];
  const rounded = Math.floor(value / small) * small;
  const [a, b] = [Math.floor(rounded / big), Math.floor((rounded % big) / small)];
  return b && a < 100 ? t(sentence, { a, b }) : t(alone, { a });
}

/** One unit, for how long ago. */
export function rough(span) {
  const [unit, sentence] = UNITS.find(([least]) => span >= least) ?? UNITS.at(-1);
  const n = Math.max(0, Math.floor(span / unit));
  return t(sentence, { n, a: n });
}

export function ago(at) {
  return t('{span} ago', { span: rough(Date.now() - ms(at)) });
}

/** "in 57 min", from tomorrow on with the time: "tomorrow 07:30", "2 Dec 07:30". */
export function coming(at, zone = zoneOf()) {
  const span = ms(at) - Date.now();
  if (span < 1000) return t('now');
  if (span < 12 * HOUR)
    return t('in {span}', { span: span < MINUTE ? rough(span) : duration(span < HOUR ? span - (span % MINUTE) || MINUTE : span) });
  const day = dayOf(at, zone);
  if (day === dayOf(Date.now(), zone)) return t('today {time}', { time: clock(at, zone) });
  if (day === dayOf(Date.now() + DAY, zone)) return t('tomorrow {time}', { time: clock(at, zone) });
  return when(at, zone);
}

/** The instant in all three zones, for hovering. */
export function full(at, jobZone) {
  const all = [...new Set([myZone(), 'UTC', jobZone || zones.own])].map((zone) => `${dayOf(at, zone)} ${clock(at, zone, true)} ${zone}`);
  return `${all.join('\n')}\n${new Date(ms(at)).toISOString()}`;
}

const ticking = new Map();

/** A text that changes as time passes. */
export function lively(node, text) {
  node.textContent = text();
  ticking.set(node, { text, born: performance.now() });
  return node;
}

/** Called once a second. */
export function tick() {
  for (const [node, { text, born }] of ticking) {
    if (!node.isConnected && performance.now() - born > 5000) {
      ticking.delete(node);
    } else if (node.isConnected) {
      const said = text();
      if (node.textContent !== said) node.textContent = said;
    }
  }
}

/** Gives a time the title that it has while the pointer is over it: made then, because it is slow to make. */
export function explain(event) {
  const node = event.target.closest?.('time');
  if (node && !node.title) node.title = full(node.dateTime, node.dataset.zone ?? '');
}

/** A time element. how: when, ago, coming, or a function of the instant; what lies behind is in its title. */
export function time(at, how = when, jobZone = '') {
  const node = h('time', { datetime: new Date(ms(at)).toISOString(), data: jobZone ? { zone: jobZone } : {} });
  const zone = zoneOf(jobZone);
  return how === when || how === exact ? (node.append(how(at, zone)), node) : lively(node, () => how(at, zone));
}
