// What a schedule means while it is typed: words, next times, what may surprise, the day's load.
import { h, s, fill, clean } from '../dom.js';
import { t, inWords, inSentence } from '../i18n.js';
import { get } from '../api.js';
import { clock, date, coming, myZone, zoneName, zones, time } from '../time.js';
import { fault, mark } from '../parts.js';
import { dayStart, isZone, wallOf } from '../logic/zone.js';
import { fieldOf, labelled } from './edit.js';

const DAY = 86_400_000;
const HOUR = 3_600_000;
const QUARTER = 900_000;
const MINUTE = 60_000;
const BUSY = 20; // Other jobs that start in the same minute, from which on we say so.

export function scheduleOf(model) {
  const names = Intl.supportedValuesOf?.('timeZone') ?? [];
  const zonesList = h('datalist#zones', names.map((zone) => h('option', { value: zone })));
  const [said, five, notes, load] = [h('p.words', { 'aria-live': 'polite' }), h('div'), h('div'), h('div.load')];
  const bench = h('div.bench', five, notes);
  let [timer, asked, stop] = [0, 0, false];

  async function preview() {
    const mine = ++asked;
    const [expr, zone] = [model.draft.cronExpr.trim(), model.draft.timeZone ?? ''];
    if (!expr) {
      fill(said, h('span.faint', t('minute hour day month weekday, such as 0 3 * * 1-5 or @daily')));
      for (const node of [five, notes, load]) fill(node);
      return;
    }
    try {
      const answer = await get('schedule/preview', { expr, zone, name: model.draft.name });
      if (mine !== asked || stop) return;
      model.fields.get('cronExpr').input.removeAttribute('aria-invalid');
      for (const member of ['cronExpr', 'timeZone']) fill(model.fields.get(member).wrong);
      bench.classList.remove('old');
      model.isBadSchedule = false;
      fill(
        said,
        h('b', clean(inWords(answer.description))),
        t('. '),
        answer.next.length ? [t('Next'), ' ', time(answer.next[0], coming, zone), t('. ')] : t('It never runs.'),
      );
      fill(five, fiveOf(answer.next, zone || zones.own));
      fill(notes, notesOf(answer.warnings));
      await drawLoad(model, { expr, zone, mine, isLatest: () => mine === asked && !stop, load, notes, retype });
    } catch (failure) {
      if (mine !== asked || stop) return;
      model.isBadSchedule = true;
      bench.classList.toggle('old', Boolean(five.firstChild));
      model.fail(failure.field === 'timeZone' ? 'timeZone' : 'cronExpr', failure.message);
      if (five.firstChild) fill(said, h('span.faint', t('Below: the last valid schedule.')));
    }
  }

  function retype(expr) {
    const { input } = model.fields.get('cronExpr');
    input.value = expr;
    model.change('cronExpr', expr);
    input.focus();
  }

  model.listeners.push((member) => {
    if (!['cronExpr', 'timeZone', 'name'].includes(member)) return;
    clearTimeout(timer);
    timer = setTimeout(preview, 90);
  });
  const expr = fieldOf(model, { member: 'cronExpr', kind: 'text', class: 'mono', placeholder: '0 3 * * *' });
  const zone = fieldOf(model, { member: 'timeZone', kind: 'text', list: 'zones', placeholder: t('the master’s setting') });
  const node = h(
    'div',
    h('div.pair', labelled(t('Schedule'), expr), labelled(t('Time zone'), zone), zonesList),
    said,
    bench,
    load,
  );
  return {
    node,
    start: preview,
    close: () => {
      stop = true;
      clearTimeout(timer);
    },
  };
}

function fiveOf(next, zone) {
  const both = isZone(zone) && zone !== myZone();
  return h(
    'div.five',
    { class: both ? '' : 'alone' },
    h('span.h', t('Next five')),
    h('span.h', zoneName(zone)),
    both && h('span.h', t('{zone}, you', { zone: zoneName(myZone()) })),
    next.map((at) => [
      h('span.dim', date(at, zone)),
      h('span', clock(at, zone)),
      both && h('span.dim', clock(at, myZone()), date(at, myZone()) === date(at, zone) ? '' : ` ${date(at, myZone())}`),
    ]),
  );
}

function notesOf(warnings) {
  if (warnings.length === 0) return null;
  return [
    h('h3', t('What may surprise')),
    warnings.map((text) => {
      const [, day, rest] = /^(\d{4}-\d\d-\d\d): (.*)$/s.exec(text) ?? [];
      return h('div.note', mark('warn'), h('span', day && h('b', `${day}: `), inSentence(clean(rest ?? text))));
    }),
  ];
}

const iso = (at) => new Date(at).toISOString();

/** A day of all jobs by quarter hour, and this one's fires in it. */
async function drawLoad(model, { expr, zone, isLatest, load, notes, retype }) {
  const shownZone = isZone(zone || zones.own) ? zone || zones.own : 'UTC';
  const from = dayStart(shownZone, Date.now() + DAY);
  const fires = async (of, ofZone) => {
    const { next } = await get('schedule/preview', { expr: of, zone: ofZone, name: model.draft.name, from: iso(from - 1), n: 1000 });
    return next.map(Date.parse).filter((at) => at < from + DAY);
  };
  const [day, own, former] = await Promise.all([
    get('schedule', { from: iso(from), to: iso(from + DAY), step: 'quarter' }),
    fires(expr, zone),
    model.base?.enabled ? fires(model.base.cronExpr, model.base.timeZone).catch(() => []) : [],
  ]).catch(() => []);
  if (!day || !isLatest()) return;
  const count = (times) => {
    const bars = new Array(day.fires.length).fill(0);
    for (const at of times) bars[Math.floor((at - from) / QUARTER)]++;
    return bars;
  };
  const [mine, before] = [count(own), count(former)];
  const others = day.fires.map((n, i) => Math.max(0, n - before[i]));
  const top = Math.max(1, ...others.map((n, i) => n + mine[i]));
  const most = Math.max(...others);
  const timeOf = (i) => clock(from + i * QUARTER, shownZone);
  const bar = (kind, i, n, least) => {
    const height = Math.max(least, (n / top) * 80);
    return s(`rect.${kind}`, { x: i * 10 + 1, y: 80 - height, width: 8, height });
  };
  const quarter = (n, i) => [
    bar('f-bar', i, n, 0),
    mine[i] > 0 && bar('f-accent', i, n + mine[i], 5),
    s('rect.hit', { x: i * 10, y: 0, width: 10, height: 80 }, s('title', `${timeOf(i)}: ${t('{n} others', { n })}`)),
  ];
  const label = t('the busiest quarter hour is {time} with {n} fires', { time: timeOf(others.indexOf(most)), n: most });
  const box = { viewBox: `0 0 ${others.length * 10} 80`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label };
  const hours = Array.from({ length: 8 }, (_, i) => h('span', timeOf(i * 12).slice(0, 2)));
  fill(
    load,
    h('p.load-say', t('A day’s load: what else starts, by quarter hour, in {zone}', { zone: zoneName(shownZone) })),
    h('div.load-plot', s('svg', box, others.map(quarter)), h('div.load-hours', { 'aria-hidden': 'true' }, hours)),
  );
  if (own.length > 0 && own.length <= 48) await warnOfBusy({ at: own[0], expr, zone: shownZone, former, isLatest, notes, retype });
}

/** Says when many others start in the same minute, and offers a quieter one of the same hour. */
async function warnOfBusy({ at, expr, zone, former, isLatest, notes, retype }) {
  const hour = at - (((wallOf(zone, at) % HOUR) + HOUR) % HOUR);
  const { fires } = await get('schedule', { from: iso(hour), to: iso(hour + HOUR), step: 'minute' }).catch(() => ({ fires: [] }));
  const minute = Math.floor((at - hour) / MINUTE);
  const own = former.some((one) => Math.floor(one / MINUTE) === Math.floor(at / MINUTE)) ? 1 : 0;
  const n = (fires[minute] ?? 0) - own;
  if (!isLatest() || n < BUSY) return;
  const [least, , quiet] = fires.map((count, i) => [count, Math.abs(i - minute), i]).sort((a, b) => a[0] - b[0] || a[1] - b[1])[0];
  const [first, ...others] = expr.split(/\s+/);
  const canOffer = others.length === 4 && /^\d+$/.test(first) && least < n / 2;
  const text = (i) => clock(hour + i * MINUTE, zone);
  const change = () => retype([quiet, ...others].join(' '));
  const offer = () => [' ', h('button.as-link', { type: 'button', onclick: change }, text(quiet)), ' ', t('has {n}.', { n: least })];
  const said = [h('b', t('{time} is busy:', { time: text(minute) })), ' ', t('{n} others start in that minute.', { n })];
  if (!notes.querySelector('h3')) notes.append(h('h3', t('What may surprise')));
  notes.append(h('div.note', { data: { busy: 'true' } }, mark('warn'), h('span', said, canOffer && offer())));
}
