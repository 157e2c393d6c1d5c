// The frame around each page: rail, header, toasts, the line of an outage, keys, the jump box; and the router.
import { h, s, fill, set, say, other, clean } from './dom.js';
import { t, number, language, languages, inSentence } from './i18n.js';
import { zones, myZone, zoneName, clock, tick, when, zoneOf, duration, explain } from './time.js';
import { live, listen, askNow } from './live.js';
import { icon, mark, button, anchor, segments } from './parts.js';
import { hooks, get, ask } from './api.js';
import * as keys from './keys.js';

const ROLES = ['viewer', 'operator', 'editor', 'admin'];
const PLACES = [
  ['now', '/', () => t('Now'), 'n'],
  ['jobs', '/jobs', () => t('Jobs'), 'j'],
  ['runs', '/runs', () => t('Runs'), 'r'],
  ['workers', '/workers', () => t('Workers'), 'w'],
  ['settings', '/settings', () => t('Settings'), 's'],
];

export const places = () => PLACES.map(([name, path, text, key]) => ({ name, path, text: text(), key }));

const $ = (id) => document.getElementById(id);
const routes = [];
let view = null; // What the page's render returned.
let shown = ''; // The address of the page.
let serial = 0; // Of the latest navigation: a slower one before it draws nothing.

/** What pages get: see docs/console.md. */
export const frame = {
  me: null, // { name, role, filter, via }; null = this master has no sign-in.
  get query() {
    return Object.fromEntries(new URLSearchParams(location.search));
  },
  go,
  setQuery,
  reload,
  toast,
  head,
  live,
};

// ---------- router ----------

/** A page: a pattern such as /jobs/:name/:tab?, and what imports its module. place: which entry of the rail it belongs to. */
export function route(pattern, place, load) {
  const names = [...pattern.matchAll(/:(\w+)/g)].map((match) => match[1]);
  const source = pattern.replace(/\/:(\w+)(\?)?/g, (_, name, isOptional) => (isOptional ? '(?:/([^/]+))?' : '/([^/]+)'));
  routes.push({ names, place, load, expression: new RegExp(`^${source}/?$`) });
}

function find(path) {
  for (const one of routes) {
    const match = one.expression.exec(path);
    if (match) {
      try {
        return { ...one, params: Object.fromEntries(one.names.map((name, i) => [name, match[i + 1] && decodeURIComponent(match[i + 1])])) };
      } catch {
        return null;
      }
    }
  }
  return null;
}

/** Fetches the modules of the page at this address, so that they are there when it is drawn. */
export function prepare() {
  find(location.pathname)
    ?.load()
    .catch(() => {}); // Drawing it says what fails.
}

/** Goes to another page of the console. */
export function go(path, { replace = false } = {}) {
  if (view?.leave && !view.leave(path)) return;
  history.replaceState({ ...history.state, y: scrollY }, '');
  history[replace ? 'replaceState' : 'pushState']({ y: 0 }, '', path);
  show();
}

/** Changes the query of the address without leaving the page; empty values are taken out. */
export function setQuery(values) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(values))
    if (value) query.set(name, value);
    else query.delete(name);
  const text = query.toString();
  history.replaceState(history.state, '', location.pathname + (text ? `?${text}` : ''));
}

/** Draws the page again, as after a change of zone or language. */
export function reload() {
  return show(scrollY);
}

async function show(y = history.state?.y ?? 0) {
  const mine = ++serial;
  shown = location.pathname + location.search;
  const found = find(location.pathname);
  view?.close?.();
  view = null;
  keys.forget();
  for (const floating of document.querySelectorAll('.dlg, .menu')) floating.remove();
  choosePlace(found?.place);
  const page = $('page');
  const bones = () => fill(page, h('div.bones', { 'aria-hidden': 'true' }, Array.from({ length: 6 }, () => h('i'))));
  const waiting = setTimeout(() => mine === serial && bones(), 200);
  try {
    const made = found ? await (await found.load()).render(found.params, frame) : lost();
    if (mine !== serial) return void made.close?.();
    clearTimeout(waiting);
    view = made;
    head(made);
    fill(page, made.node);
    made.shown?.();
    keys.take(made.keys ?? {});
    refuse();
    scrollTo(0, y);
    document.documentElement.dataset.page = found?.place ?? 'lost';
    $('said').textContent = document.title;
  } catch (failure) {
    clearTimeout(waiting);
    if (mine !== serial || failure.status === 401) return;
    console.error(failure);
    const title = t('This page cannot be shown');
    const again = h('div.acts', button(t('Try again'), { kind: 'big', onclick: () => reload() }));
    head({ title });
    fill(page, h('div.empty', h('h1', title), h('p', clean(failure.message)), again));
  }
}

function lost() {
  const title = t('No such page');
  const text = h('p', t('There is no page at this address.'));
  return { title, node: h('div.empty', h('h1', title), text, h('div.acts', anchor(t('Go to Now'), '/'))) };
}

/** What the header and the tab say: title, crumbs [[text, href]], count. A page may call it again. */
export function head({ title, crumbs = [], count }) {
  document.title = `${clean(title)} · DTS`;
  fill(
    $('crumbs'),
    crumbs.map(([text, href]) => [h('a', { href }, other(text)), h('span.sep', { 'aria-hidden': 'true' }, '/')]),
    h('b', other(title), count === undefined ? null : h('span.n', ` ${typeof count === 'number' ? number(count) : count}`)),
  );
}

// ---------- rail, header ----------

function choosePlace(place) {
  for (const node of document.querySelectorAll('[data-place]')) {
    set(node, { 'aria-current': node.dataset.place === place ? 'page' : null });
  }
}

export function drawShell() {
  const entry = (cls) =>
    PLACES.map(([name, path, text]) =>
      h(`a.${cls}`, { href: path, data: { place: name } }, icon(name), h('span', text()), h('span.n', { data: { count: name } })),
    );
  fill($('nav'), entry('at'));
  fill($('bar'), entry('at'));
  fill($('skip'), t('To the page'));
  fill($('jump'), icon('search'), h('span', t('Jobs, workers, pages')), h('kbd', { 'aria-hidden': 'true' }, '/'));
  set($('jump'), { 'aria-label': t('Jobs, workers, pages'), title: t('Jump to a job, a worker or a page') });
  drawSwitches();
  drawCounts();
  choosePlace(find(location.pathname)?.place);
}

function drawSwitches() {
  const [now, mine] = [Date.now(), zoneName(myZone())];
  const utc = mine !== 'UTC' && ['utc', 'UTC', clock(now, 'UTC')];
  const all = [['mine', mine, clock(now, myZone())], utc, ['own', t('job’s own')]].filter(Boolean);
  const zone = mine === 'UTC' && zones.chosen === 'utc' ? 'mine' : zones.chosen;
  const theme = document.documentElement.dataset.theme ?? 'auto';
  const next = { auto: 'light', light: 'dark', dark: 'auto' }[theme];
  const title = { auto: t('Theme: as the system'), light: t('Theme: light'), dark: t('Theme: dark') }[theme];
  fill(
    $('switches'),
    segments(t('Times in'), all, zone, (chosen) => frame.choose('zone', chosen)),
    segments(t('Language'), Object.entries(languages), language, (chosen) => frame.choose('language', chosen)),
    button(icon(`theme-${theme}`), { kind: 'plain theme', name: title, title, onclick: () => frame.choose('theme', next) }),
  );
}

function drawCounts() {
  const counts = live.now?.counts;
  for (const node of document.querySelectorAll('[data-count]')) {
    const value = counts && { now: counts.needsYou, jobs: counts.jobs, runs: counts.running, workers: counts.workers }[node.dataset.count];
    const isNeed = node.dataset.count === 'now';
    const text = value === undefined || value === null || (isNeed && value === 0) ? '' : number(value);
    if (node.dataset.said !== text) {
      node.dataset.said = text;
      node.classList.toggle('need', isNeed && text !== '');
      fill(node, isNeed && text && mark('failed'), text, isNeed && text && h('span.sr', t('need you')));
    }
  }
}

function drawLive() {
  const { broken, heard } = live;
  const isOld = Boolean(broken) || (heard > 0 && Date.now() - heard > 12_000);
  const node = $('live');
  node.classList.toggle('old', isOld);
  const old = () => (heard ? t('as of {time}', { time: clock(heard, zoneOf(), true) }) : t('no answer'));
  say(node, isOld ? old() : heard ? t('live') : '');
  document.body.classList.toggle('stale', Boolean(broken));
  drawOutage();
  for (const part of document.querySelectorAll('#switches .seg:first-child .t')) {
    say(part, clock(Date.now(), part.parentElement.previousElementSibling ? 'UTC' : myZone()));
  }
}

function drawOutage() {
  const node = $('outage');
  node.hidden = !live.broken;
  if (!live.broken) return;
  if (!node.firstChild) {
    const end = h('span.end', h('span.next'), button(t('Try now'), { onclick: () => askNow() }));
    fill(node, mark('missed'), h('span', h('b'), ' ', h('span')), end);
  }
  const time = when(live.broken.since, zoneOf(), true);
  const [what, goes] =
    live.broken.what === 'etcd'
      ? [
          t('etcd has not answered since {time}.', { time }),
          t('Running commands continue. Nothing new is claimed until it answers.'),
        ]
      : [
          t('The master has not answered since {time}.', { time }),
          t('Jobs run without it. This page shows the last known state.'),
        ];
  say(node.querySelector('b'), what);
  say(node.querySelector('b + span'), goes);
  say(node.querySelector('.next'), t('trying again in {n} s', { n: Math.max(1, Math.ceil((live.nextTry - Date.now()) / 1000)) }));
}

/** The foot of the rail: what this master stands on, and who we are. */
export async function drawFoot() {
  const status = await get('status').catch(() => null);
  if (status) zones.own = status.timeZone;
  const line = (isWell, name, title, value) => h('div', mark(isWell ? 'ok' : 'missed'), name, h('span.v', { title }, value));
  const row = (name, answer) => {
    const value = !answer ? '–' : answer.error ? t('no answer') : duration(answer.answeredInMs);
    return line(answer && !answer.error, name, inSentence(answer?.error ?? ''), value);
  };
  const signOut = () => ask('DELETE', 'session').finally(() => location.assign('/signin'));
  const who = (me) =>
    h(
      'div.who',
      h('span.face', { 'aria-hidden': 'true' }, clean(me.name).slice(0, 2).toUpperCase()),
      h('span.one', { title: me.role }, other(me.name)),
      me.via === 'person'
        ? h('button.v.link', { type: 'button', onclick: signOut }, t('Sign out'))
        : h('span.v', roleWord(me.role)),
    );
  fill(
    $('foot'),
    row('etcd', status?.etcd),
    row(t('log store'), status?.log),
    line(status, t('master'), '', status ? clean(status.version).split('+')[0] : '–'),
    frame.me && who(frame.me),
  );
}

const roleWord = (role) => ({ viewer: t('viewer'), operator: t('operator'), editor: t('editor'), admin: t('admin') })[role] ?? role;

// ---------- who may ----------

/** Null = the act may be done; else why not. */
export function refusal(role) {
  if (live.broken)
    return live.broken.what === 'etcd'
      ? t('etcd does not answer: nothing can be changed now')
      : t('the master does not answer: nothing can be changed now');
  return may(role) ? null : t('{role}s may do this', { role: roleWord(role) });
}

export function may(role) {
  return !frame.me || ROLES.indexOf(frame.me.role) >= ROLES.indexOf(role);
}

/** Marks the acts that cannot be done now: they stay where they are and say why. */
let anyRefused = false;

function refuse() {
  const isAnything = ROLES.some(refusal);
  if (!isAnything && !anyRefused) return;
  anyRefused = isAnything;
  for (const node of document.querySelectorAll('[data-role]')) {
    const why = refusal(node.dataset.role);
    set(node, { 'aria-disabled': why ? 'true' : null });
    if (why) {
      node.dataset.title ??= node.title;
      node.title = why;
    } else if (node.dataset.title !== undefined) {
      node.title = node.dataset.title;
      delete node.dataset.title;
    }
  }
}

// ---------- toasts ----------

/** What was done, below left. undo: an async function; it can be asked for ten seconds, longer while the pointer is there. */
export function toast(text, { undo, href, go: label, isFault = false } = {}) {
  const takeBack = () => {
    node.remove();
    undo().catch((failure) => toast(failure.message, { isFault: true }));
  };
  const node = h(
    'div.toast',
    { class: isFault ? 'bad' : '' },
    mark(isFault ? 'warn' : 'ok'),
    h('span.grow', text),
    href && h('a', { href }, label ?? t('Show')),
    undo && h('button', { type: 'button', onclick: takeBack }, t('Undo')),
    h('button.x', { type: 'button', 'aria-label': t('Close'), onclick: () => node.remove() }, '×'),
  );
  const stack = $('toasts');
  while (stack.children.length > 2) stack.firstChild.remove();
  stack.append(node);
  let left = isFault ? 14 : 10;
  const timer = setInterval(() => {
    if (node.isConnected && (node.matches(':hover, :focus-within') || --left > 0)) return;
    node.remove();
    clearInterval(timer);
  }, 1000);
  return node;
}

// ---------- start ----------

export function startFrame(choose) {
  frame.choose = choose;
  history.scrollRestoration = 'manual';
  addEventListener('popstate', (event) => {
    const to = location.pathname + location.search;
    if (!view?.leave || view.leave(to)) return show();
    history.pushState({ y: scrollY }, '', shown); // Back to where the changes are.
  });
  document.addEventListener('click', (event) => {
    const node = event.target.closest?.('a[href]');
    const hasKey = event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
    if (!node || event.defaultPrevented || event.button !== 0 || hasKey || node.target || node.hasAttribute('download')) return;
    const href = node.getAttribute('href');
    if (!href.startsWith('/') || href.startsWith('/api/')) return;
    event.preventDefault();
    go(href);
  });
  addEventListener('dts:drawn', refuse);
  document.addEventListener('pointerover', explain, { passive: true });
  hooks.unauthorized = () => {
    if (!location.pathname.startsWith('/signin'))
      go(`/signin?to=${encodeURIComponent(location.pathname + location.search)}`, { replace: true });
  };
  setInterval(() => {
    tick();
    drawLive();
  }, 1000);
  new MutationObserver(() => {
    clearTimeout(refuse.timer);
    refuse.timer = setTimeout(refuse, 0);
  }).observe($('page'), { childList: true, subtree: true });
  listen((event) => {
    if (event.kind === 'now') drawCounts();
    if (event.kind === 'broken' || event.kind === 'well') {
      refuse();
      drawFoot();
    }
    drawLive();
    view?.onLive?.(event);
  });
  setInterval(() => document.hidden || drawFoot(), 15_000);
  addEventListener('dts:me', drawFoot);
  drawShell();
  drawFoot();
  return show();
}
