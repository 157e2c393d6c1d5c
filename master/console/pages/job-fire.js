// One planned fire beside the calendar: how it ended and why; and the answer to "Why?".
import { h, fill, set, other, link } from '../dom.js';
import { t, number } from '../i18n.js';
import { get, path } from '../api.js';
import { when, clock, time, duration, full, coming } from '../time.js';
import { state as chip, button, anchor, fault } from '../parts.js';
import { offsetAt, wallOf } from '../logic/zone.js';
import { countsOf } from '../logic/calendar.js';
import { wallTimeOf, findPlanned } from '../logic/whytime.js';
import { runFor } from '../acts.js';
import { neverStarted, told } from './job-runs.js';
import { DAY, iso, wordOf, momentOf, nodeAt } from './job-calendar.js';

const QUARTER = 900_000;
const OPEN = new Set(['planned', 'running', 'queued', 'unknown']);

export function pickFromAddress(model) {
  const asked = Date.parse(model.frame.query.at ?? '');
  const latest =
    model.fires.findLast((fire) => !['succeeded', 'planned'].includes(fire.ending)) ??
    model.fires.findLast((fire) => fire.ending !== 'planned') ??
    model.fires[0];
  drawSide(model);
  if (Number.isFinite(asked)) whyAt(model, asked);
  else if (latest && innerWidth > 700) pick(model, latest.at, { quiet: true });
}

function unpick(model) {
  for (const old of model.grid.querySelectorAll('.picked')) {
    old.classList.remove('picked');
    old.removeAttribute('aria-selected');
    old.tabIndex = -1;
  }
}

export function pick(model, at, { quiet = false } = {}) {
  const fire = model.fires.find((one) => one.at === at);
  if (!fire) return;
  model.picked = fire;
  unpick(model);
  const node = nodeAt(model, at);
  node?.classList.add('picked');
  set(node ?? h('i'), { 'aria-selected': 'true', tabindex: '0' });
  if (!quiet) model.frame.setQuery({ at: iso(at) });
  drawFire(model, fire);
}

function drawSide(model) {
  const said = h('div.why-said', { role: 'alert' });
  const input = h('input.field', {
    'aria-label': t('a time, such as yesterday 3:00'),
    placeholder: t('yesterday 3:00'),
    autocomplete: 'off',
    spellcheck: false,
  });
  const ask = (event) => {
    event.preventDefault();
    const [text, wall] = [input.value, wallTimeOf(input.value, model.zone, Date.now())];
    const wrong = () => fault(t('“{text}” is not a time; write it as 24 Nov 03:30, yesterday 3:00 or Mon 3:30', { text }));
    fill(said, wall === null ? wrong() : answerOf(model, wall));
  };
  const form = h('form.ask', { onsubmit: ask }, input, h('button.b.big', { type: 'submit' }, t('Why?')));
  model.said = said;
  model.detail = h('div.fire', { 'aria-live': 'polite' });
  fill(model.side, form, said, model.detail);
}

function whyAt(model, at) {
  const cell =
    model.fires.find((fire) => fire.at === at) ?? (model.isDense && model.fires.find((fire) => fire.at <= at && at < fire.at + QUARTER));
  if (cell) pick(model, cell.at);
  else fill(model.said, answerOf(model, wallOf(model.zone, at)));
}

/** Chooses the fire of a time, or says that none was planned then. */
function answerOf(model, wall) {
  const times = model.fires.map((fire) => fire.at);
  const found = model.isDense
    ? { at: times.findLast((at) => wallOf(model.zone, at) <= wall && wall < wallOf(model.zone, at) + QUARTER) }
    : findPlanned(wall, model.zone, times);
  if (found.at !== undefined) {
    pick(model, found.at);
    nodeAt(model, found.at)?.scrollIntoView({ block: 'nearest' });
    return null;
  }
  fill(model.detail);
  unpick(model);
  if (times.length && wall < wallOf(model.zone, times[0]))
    return h('p', t('The calendar begins later, on {time}.', { time: when(times[0], model.zone) }));
  const around = [found.before, found.after].filter((at) => at !== null && at !== undefined);
  const go = (at) => {
    fill(model.said);
    pick(model, at);
  };
  const one = (at, i) => [i > 0 && ', ', h('button.as-link', { type: 'button', onclick: () => go(at) }, momentOf(model, at))];
  return h('p', t('Nothing was planned then.'), ' ', around.length > 0 && t('Nearest planned times:'), ' ', around.map(one));
}

function drawFire(model, fire) {
  const { detail, name, zone } = model;
  if (fire.endings) {
    drawQuarter(model, fire);
    return;
  }
  const { line } = fire;
  const ending = line.endings.at(-1);
  const runId = line.live?.runId ?? ending?.runId;
  const [hasRun, isOver] = [!neverStarted.has(fire.ending), !OPEN.has(fire.ending)];
  const before = fire.ending === 'skipped' && runBefore(model, fire);
  const earlier = before && t('Run of {time}', { time: clock(before.at, zone) });
  const facts = [
    before && [earlier, duration(before.line.endings.at(-1).durationMs)],
    hasRun && line.worker && [t('Worker'), other(line.worker)],
    ending?.durationMs > 0 && [t('Took'), duration(ending.durationMs)],
    line.endings.length > 1 && [t('Attempts'), number(line.endings.length)],
    !hasRun && line.decidedBy && [t('Decided by'), line.decidedBy === 'worker' ? other(line.worker) : t('the master')],
  ];
  fill(
    detail,
    fire.ending === 'fault' ? h('p.s-failed', chip('lost', wordOf('fault'))) : chip(fire.ending),
    h('h2', h('time', { datetime: iso(fire.at), title: full(fire.at, model.jobZone) }, momentOf(model, fire.at))),
    h('p', fire.ending === 'planned' ? time(fire.at, coming, model.jobZone) : other(told(fire.reason, zone), 'span')),
    h('dl.facts', facts.filter(Boolean).map(([term, value]) => [h('dt', term), h('dd', value)])),
    h(
      'div.acts.wrap',
      runId && fire.ending !== 'planned' && anchor(hasRun ? t('Open the run') : t('Open the record'), link.run(name, runId)),
      before && anchor(earlier, link.run(name, before.line.endings.at(-1).runId)),
      model.state.job && isOver && runFor(model.state.job, fire.at),
    ),
    h('div.rest', likeIt(model, fire)),
  );
}

/** Runs of several fires in a quarter of an hour: the ledger has each. */
function drawQuarter(model, fire) {
  const { detail, name, zone } = model;
  const list = h('ul.list');
  fill(
    detail,
    h('h2', `${momentOf(model, fire.at)} – ${clock(fire.at + QUARTER, zone)}`),
    h(
      'p',
      countsOf([fire]).map(([ending, n], i) => [i > 0 && ', ', `${number(n)} ${wordOf(ending)}`]),
    ),
    list,
  );
  const row = (line) => {
    const at = clock(line.planTime, zone, true);
    return h(
      'li',
      line.fault ? chip('lost', wordOf('fault')) : chip(line.ending),
      line.endings.length ? h('a.link', { href: link.run(name, line.endings.at(-1).runId) }, at) : at,
      h('span.grow.one.dim', line.ending !== 'succeeded' && other(told(line.reason, zone))),
    );
  };
  const rank = ({ ending }) => (ending === 'planned' ? 2 : ending === 'succeeded' ? 1 : 0);
  get(path`jobs/${name}/ledger`, { from: iso(fire.at), to: iso(fire.at + QUARTER - 1), limit: 900 })
    .then(({ lines }) => {
      if (model.picked !== fire) return;
      const shown = lines.sort((a, b) => rank(a) - rank(b)).slice(0, 12);
      fill(list, shown.map(row), lines.length > shown.length && h('li.faint', t('and {n} more', { n: lines.length - shown.length })));
    })
    .catch((failure) => fill(list, h('li', fault(failure))));
}

/** The run that was still going when a fire was skipped: the latest before it whose time reached it. */
function runBefore({ fires }, fire) {
  const i = fires.indexOf(fire);
  for (let k = i - 1; k >= 0 && k > i - 50; k--) {
    const took = fires[k].line?.endings.at(-1)?.durationMs ?? 0;
    if (took > 0) return fires[k].at + took >= fire.at - 1000 ? fires[k] : null;
  }
  return null;
}

/** How often the same time of day ended so: a count, no guess. */
function likeIt({ fires, zone, layout, days }, fire) {
  if (fire.ending === 'succeeded' || OPEN.has(fire.ending) || layout.mode === 'months') return null;
  const minute = (at) => Math.floor(((at + offsetAt(zone, at)) % DAY) / 60_000);
  const n = fires.filter((one) => one.ending === fire.ending && minute(one.at) === minute(fire.at)).length;
  if (n < 2) return null;
  return h(
    'p.faint',
    t('At {time} {what} on {n} of {days} days.', { n, days, time: clock(fire.at, zone), what: wordOf(fire.ending) }),
  );
}
