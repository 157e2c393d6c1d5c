// What a schedule means while it is typed: words, next times, what may surprise, the day's load.
import { h, s, fill, set, clean } from '../dom.js';
import { t, number, inWords } from '../i18n.js';
import { get } from '../api.js';
import { clock, date, coming, myZone, zoneName, zones, time } from '../time.js';
import { fault, mark } from '../parts.js';
import { dayStart, isZone, wallOf } from '../logic/zone.js';
import { fieldOf, labelled } from './edit.js';

const DAY = 86_400_000;
const QUARTER = 900_000;
const BUSY = 20; // Other jobs that start in the same minute, from which on we say so.

export function scheduleOf(model) {
  const zonesList = h(
    'datalist#zones',
    (Intl.supportedValuesOf?.('timeZone') ?? []).map((zone) => h('option', { value: zone })),
  );
  const [said, five, notes, load] = [h('p.words', { 'aria-live': 'polite' }), h('div'), h('div'), h('div.load')];
  const bench = h('div.bench', five, notes);
  let [timer, asked, stop] = [0, 0, false];

  async function preview() {
    const mine = ++asked;
    const [expr, zone] = [model.draft.cronExpr.trim(), model.draft.timeZone ?? ''];
    if (!expr) {
      fill(said, h('span.faint', t('minute hour day month weekday, such as 0 3 * * 1-5 or @daily')));
      fill(five);
      fill(notes);
      fill(load);
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
      model.fail(failure.field === 'timeZone' || /zone/i.test(failure.message.split(':')[0]) ? 'timeZone' : 'cronExpr', failure.message);
      if (five.firstChild) fill(said, h('span.faint', t('Below: of the last valid text.')));
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
  const node = h(
    'div',
    h(
      'div.pair',
      labelled(t('Schedule'), fieldOf(model, { member: 'cronExpr', kind: 'text', isMono: true, placeholder: '0 3 * * *' })),
      labelled(
        t('Time zone'),
        fieldOf(model, { member: 'timeZone', kind: 'text', list: 'zones', placeholder: t('the master’s setting') }),
      ),
      zonesList,
    ),
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
  const both = isZone(zone) && zone !== myZone;
  return h(
    'div.five',
    { class: both ? '' : 'alone' },
    h('span.h', t('Next five')),
    h('span.h', zoneName(zone)),
    both && h('span.h', t('{zone}, you', { zone: zoneName(myZone) })),
    next.map((at) => [
      h('span.dim', date(at, zone)),
      h('span', clock(at, zone)),
      both && h('span.dim', clock(at, myZone), date(at, myZone) === date(at, zone) ? '' : ` ${date(at, myZone)}`),
    ]),
  );
}

function notesOf(warnings) {
  if (warnings.length === 0) return null;
  return [
    h('h3', t('What may surprise')),
    warnings.map((text) => {
      const [, day, rest] = /^(\d{4}-\d\d-\d\d): (.*)$/s.exec(text) ?? [];
      return h('div.note', mark('warn'), h('span', day && h('b', `${day}: `), clean(rest ?? text)));
    }),
  ];
}

/** A day of all jobs by quarter hour, and this one's fires in it. */
async function drawLoad(model, { expr, zone, isLatest, load, notes, retype }) {
  const shownZone = isZone(zone || zones.own) ? zone || zones.own : 'UTC';
  const from = dayStart(shownZone, Date.now() + DAY);
  const iso = (at) => new Date(at).toISOString();
  const fires = (of, ofZone) =>
    get('schedule/preview', { expr: of, zone: ofZone, name: model.draft.name, from: iso(from - 1), n: 1000 }).then(({ next }) =>
      next.map(Date.parse).filter((at) => at < from + DAY),
    );
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
  const busiest = others.indexOf(Math.max(...others));
  fill(
    load,
    h('p.load-say', t('A day’s load: what else starts, by quarter hour, in {zone}', { zone: zoneName(shownZone) })),
    h(
      'div.load-plot',
      s(
        'svg',
        {
          viewBox: `0 0 ${others.length * 10} 80`,
          preserveAspectRatio: 'none',
          role: 'img',
          'aria-label': t('the busiest quarter hour is {time} with {n} fires', {
            time: clock(from + busiest * QUARTER, shownZone),
            n: others[busiest],
          }),
        },
        others.map((n, i) => [
          s('rect.f-bar', { x: i * 10 + 1, y: 80 - (n / top) * 80, width: 8, height: (n / top) * 80 }),
          mine[i] > 0 &&
            s('rect.f-accent', {
              x: i * 10 + 1,
              y: 80 - Math.max(5, ((n + mine[i]) / top) * 80),
              width: 8,
              height: Math.max(5, ((n + mine[i]) / top) * 80),
            }),
          s(
            'rect.hit',
            { x: i * 10, y: 0, width: 10, height: 80 },
            s('title', `${clock(from + i * QUARTER, shownZone)}: ${t('{n} others', { n })}`),
          ),
        ]),
      ),
      h(
        'div.load-hours',
        { 'aria-hidden': 'true' },
        Array.from({ length: 8 }, (_, i) => h('span', clock(from + i * 3 * 3_600_000, shownZone).slice(0, 2))),
      ),
    ),
  );
  if (own.length > 0 && own.length <= 48) await warnOfBusy(model, { at: own[0], expr, zone: shownZone, former, isLatest, notes, retype });
}

/** Says when many others start in the same minute, and offers a quieter one of the same hour. */
async function warnOfBusy(model, { at, expr, zone, former, isLatest, notes, retype }) {
  const hour = at - (((wallOf(zone, at) % 3_600_000) + 3_600_000) % 3_600_000);
  const { fires } = await get('schedule', {
    from: new Date(hour).toISOString(),
    to: new Date(hour + 3_600_000).toISOString(),
    step: 'minute',
  }).catch(() => ({ fires: [] }));
  const minute = Math.floor((at - hour) / 60_000);
  const own = former.some((one) => Math.floor(one / 60_000) === Math.floor(at / 60_000)) ? 1 : 0;
  const n = (fires[minute] ?? 0) - own;
  if (!isLatest() || n < BUSY) return;
  const quiet = fires.map((count, i) => [count, Math.abs(i - minute), i]).sort((a, b) => a[0] - b[0] || a[1] - b[1])[0];
  const fields = expr.split(/\s+/);
  const canOffer = fields.length === 5 && /^\d+$/.test(fields[0]) && quiet[0] < n / 2;
  const text = (i) => clock(hour + i * 60_000, zone);
  const node = h(
    'div.note',
    mark('warn'),
    h(
      'span',
      h('b', t('{time} is busy:', { time: text(minute) })),
      ' ',
      t('{n} other jobs start in that minute.', { n }),
      ' ',
      canOffer && [
        h('button.as-link', { type: 'button', onclick: () => retype([String(quiet[2]), ...fields.slice(1)].join(' ')) }, text(quiet[2])),
        ' ',
        t('has {n}.', { n: number(quiet[0]) }),
      ],
    ),
  );
  if (!notes.querySelector('h3')) notes.append(h('h3', t('What may surprise')));
  notes.append(node);
  set(node, { data: { busy: 'true' } });
}
