// Parts that pages are made of. Each returns a node.
import { h, s, set, fill, other, clean } from './dom.js';
import { t, number, inWords, language } from './i18n.js';

/** The marks of index.html: m-… for states, i-… for places. A mark never stands alone: a word is beside it, or label names it. */
export function mark(name, kind = '') {
  return s(`svg.m.s-${name}`, { class: kind, 'aria-hidden': 'true' }, s('use', { href: `#m-${MARKS[name] ?? name}` }));
}

export function icon(name) {
  return s('svg.i', { 'aria-hidden': 'true' }, s('use', { href: `#i-${name}` }));
}

const MARKS = {
  succeeded: 'ok',
  well: 'ok',
  failing: 'failed',
  claimed: 'queued',
  broken: 'warn',
  slow: 'running',
  new: 'planned',
  unknown: 'planned',
  live: 'ok',
  refusing: 'warn',
  left: 'lost',
  draining: 'paused',
  drained: 'paused',
};

/** Endings and states in words. */
const said = {};

export function words() {
  return (said[language] ??= {
    succeeded: t('succeeded'),
    failed: t('failed'),
    timedOut: t('timed out'),
    killed: t('killed'),
    cancelled: t('cancelled'),
    skipped: t('skipped'),
    missed: t('missed'),
    lost: t('lost'),
    running: t('running'),
    queued: t('queued'),
    claimed: t('claimed'),
    planned: t('planned'),
    paused: t('paused'),
    failing: t('failing'),
    broken: t('cannot run'),
    well: t('well'),
    new: t('not run yet'),
    unknown: t('not read yet'),
    live: t('here'),
    refusing: t('claims nothing'),
    left: t('gone'),
    draining: t('draining'),
    drained: t('drained'),
  });
}

export const endings = ['succeeded', 'failed', 'timedOut', 'killed', 'cancelled', 'skipped', 'missed', 'lost'];
export const badEndings = ['failed', 'timedOut', 'lost', 'missed'];
const neverStarted = ['skipped', 'missed', 'cancelled'];

/** A state or an ending: mark and word. */
export function state(name, text = words()[name] ?? name) {
  return h(`span.st.s-${name}`, mark(name), h('span', text));
}

/** The last twenty endings: good ones rise by their duration, the others hang below the line, hollow if nothing ever started. */
export function spark(list, running = false) {
  const shown = (list ?? []).slice(running ? -19 : -20);
  const longest = Math.max(1, ...shown.map((one) => one.durationMs ?? 0));
  const paths = {};
  const add = (kind, d) => {
    paths[kind] = (paths[kind] ?? '') + d;
  };
  const first = 20 - shown.length - (running ? 1 : 0);
  shown.forEach(({ ending, durationMs }, i) => {
    const x = (first + i) * 5;
    if (ending === 'succeeded') {
      const height = Math.max(2, Math.round(12 * Math.sqrt((durationMs ?? 0) / longest)));
      add('ok', `M${x} ${15 - height}h4v${height}h-4z`);
    } else if (neverStarted.includes(ending)) {
      add(ending, `M${x + 0.5} 17.5h3v3h-3z`);
    } else {
      add(ending, `M${x} 16h4v7h-4z`);
    }
  });
  if (running) add('running', 'M95 3h4v12h-4z');
  const counts = {};
  for (const { ending } of shown) counts[ending] = (counts[ending] ?? 0) + 1;
  const said = Object.entries(counts)
    .map(([ending, n]) => `${n} ${words()[ending]}`)
    .join(', ');
  return s(
    'svg.spark',
    { viewBox: '0 0 100 24', role: 'img', 'aria-label': said ? t('last runs: {list}', { list: said }) : t('no runs yet') },
    s('path.base', { d: 'M0 15.5h100' }),
    Object.entries(paths).map(([kind, d]) => s(`path.f-${kind}`, { d })),
  );
}

/** How far a run is, of its usual time; beyond that the bar is full and amber. */
export function meter(value, max, kind = '') {
  const part = max > 0 ? Math.min(1, value / max) : 0;
  return h(
    'span.meter',
    { class: kind || (value > max ? 'over' : ''), 'aria-hidden': 'true' },
    h('i', { style: { width: `${Math.round(part * 100)}%` } }),
  );
}

/** A button. options: kind (first, danger, plain, big), key (shown beside it), name (for readers), onclick, role (the least that may). */
export function button(text, options = {}) {
  const { kind = '', key, name, onclick, role, title } = options;
  const node = h(
    'button.b',
    { type: 'button', class: kind, 'aria-label': name, title, data: role ? { role } : {} },
    text,
    key ? h('kbd', key) : null,
  );
  if (onclick) node.addEventListener('click', (event) => node.getAttribute('aria-disabled') !== 'true' && onclick(event, node));
  return node;
}

/** A link that looks like a button; kind '' = like a link. */
export function anchor(text, href, options = {}) {
  return h(
    `a.${options.kind === undefined ? 'b' : options.kind || 'link'}`,
    { href, 'aria-label': options.name, title: options.title },
    text,
  );
}

/** One of several: options are [value, label, count?]. */
export function segments(label, options, chosen, onchoose) {
  const node = h('span.seg', { role: 'group', 'aria-label': label });
  const draw = (current) =>
    fill(
      node,
      options.map(([value, text, count]) =>
        h(
          'button',
          {
            type: 'button',
            'aria-pressed': String(value === current),
            onclick: () => {
              draw(value);
              onchoose(value);
              node.querySelector('[aria-pressed=true]')?.focus();
            },
          },
          text,
          count === undefined ? null : h('span.t', typeof count === 'number' ? number(count) : count),
        ),
      ),
    );
  draw(chosen);
  return node;
}

/** A table of rows that become cards on a phone. columns: [{ head, width, class }]. */
export function table(label, kind, columns, body, heads = null) {
  heads ??= h(
    'tr',
    columns.map((one) => h('th', { scope: 'col', class: one.class }, one.head)),
  );
  const widths = columns.map(({ width }) => h('col', { style: width ? { width: `${width}px` } : {} }));
  return h('table.cards', { class: kind, 'aria-label': label }, h('colgroup', widths), h('thead', heads), body);
}

/** Where nothing is: what would be here, and the act that fills it. */
export function empty(title, text, ...acts) {
  return h(
    'div.empty',
    s('svg.logo', { 'aria-hidden': 'true' }, s('use', { href: '#logo' })),
    h('h2', title),
    text && h('p', text),
    acts.length > 0 && h('div.acts', acts),
  );
}

/** A box of words that are looked for; found hears them when no key has come for some time. */
export function searchBox(attributes, found, delay = 200) {
  let timer = 0;
  const oninput = () => {
    clearTimeout(timer);
    timer = setTimeout(() => node.isConnected && found(node.value.trim()), delay);
  };
  const node = h('input', { type: 'search', autocomplete: 'off', spellcheck: false, oninput, ...attributes });
  return node;
}

/** A part of a page under its heading; end stands at the right of it. */
export const section = (title, end, ...parts) => h('section', h('div.sec', h('h2', title), end && h('span.end', end)), parts);

/** An error at its place: one line. */
export function fault(failure) {
  return h('p.fault', { role: 'alert' }, mark('failed'), h('span', clean(failure.message ?? failure)));
}

export function labels(all) {
  return Object.entries(all ?? {}).map(([name, value]) => h('span.tag', other(value ? `${name}=${value}` : name)));
}

/** What floats beside a button: closes with Esc or a press elsewhere, and gives the focus back. Returns what closes it with a value. */
function float(anchorNode, node, close) {
  let result;
  node.popover = 'auto';
  document.getElementById('floats').append(node);
  node.showPopover();
  const at = anchorNode.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = node;
  const left = Math.max(8, Math.min(at.right - width, innerWidth - width - 8));
  const isBelow = at.bottom + 8 + height < innerHeight || at.top < height + 16;
  set(node, { style: { left: `${left}px`, top: `${isBelow ? at.bottom + 8 : at.top - height - 8}px` } });
  anchorNode.setAttribute('aria-expanded', 'true');
  node.addEventListener('toggle', ({ newState }) => {
    if (newState !== 'closed') return;
    node.remove();
    anchorNode.removeAttribute('aria-expanded');
    if (document.activeElement === document.body) anchorNode.focus({ preventScroll: true });
    close(result);
  });
  return (value) => {
    result = value;
    node.hidePopover();
  };
}

/**
 * A question in place: hangs from its button, says what will happen. Resolves to true, to what the form has (fields), or to undefined.
 * options: title, text (a string or nodes), yes, no, danger, fields: [{ name, label, value, placeholder }].
 */
export function question(from, { title, text, yes, no = t('Cancel'), danger = false, fields = [] }) {
  return new Promise((resolve) => {
    const inputs = fields.map((field) => h('input.field', { name: field.name, value: field.value ?? '', placeholder: field.placeholder }));
    const node = h(
      'div.dlg',
      { role: 'dialog', 'aria-modal': 'false', 'aria-labelledby': 'dlg-title' },
      h(
        'form',
        h('h2#dlg-title', title),
        text && h('div.say', text),
        fields.map((field, i) => h('label.lab', field.label, inputs[i])),
        h(
          'div.acts',
          h('button.b.first', { type: 'submit', class: danger ? 'danger' : '' }, yes),
          h('button.b', { type: 'button', onclick: () => shut(undefined) }, no),
        ),
      ),
    );
    const shut = float(from, node, resolve);
    node.addEventListener('submit', (event) => {
      event.preventDefault();
      shut(fields.length ? Object.fromEntries(inputs.map((input) => [input.name, input.value])) : true);
    });
    (inputs[0] ?? node.querySelector('button')).focus({ preventScroll: true });
  });
}

/** A menu that hangs from its button: items are { text, onclick, href, danger, role }, or null. */
export function menu(from, items) {
  const node = h('div.menu', { role: 'menu' });
  const shut = float(from, node, () => {});
  for (const item of items.filter(Boolean)) {
    const { href, text, danger, role } = item;
    const attributes = { role: 'menuitem', tabindex: '-1', class: danger ? 'danger' : '', data: role ? { role } : {} };
    const row = h(href ? 'a' : 'button', { ...attributes, ...(href ? { href } : { type: 'button' }) }, text);
    row.addEventListener('click', () => {
      if (row.getAttribute('aria-disabled') === 'true') return;
      shut(undefined);
      item.onclick?.(from);
    });
    node.append(row);
  }
  node.addEventListener('keydown', (event) => {
    const rows = [...node.children];
    const at = rows.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    rows[(to + rows.length) % rows.length].focus();
  });
  node.firstElementChild?.focus({ preventScroll: true });
  dispatchEvent(new CustomEvent('dts:drawn'));
}

/** The ··· of a row. */
export function more(name, items) {
  const node = button('···', { kind: 'plain more', name: t('more actions for {name}', { name: clean(name) }) });
  set(node, {
    'aria-haspopup': 'menu',
    onclick: (event) => {
      event.stopPropagation();
      menu(node, items());
    },
  });
  return node;
}

/** A box in the middle, until Esc or a press beside it. closed is called after. */
export function dialog(kind, attributes, parts, closed = () => {}) {
  const box = h(`dialog.${kind}`, attributes, parts);
  box.addEventListener('pointerdown', (event) => event.target === box && box.close());
  box.addEventListener('close', () => {
    box.remove();
    closed();
  });
  document.body.append(box);
  box.showModal();
  return box;
}

/** Lets the browser save a text as a file. */
export function download(text, name, type = 'text/plain') {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const node = h('a', { download: name, hidden: true });
  node.href = url;
  document.body.append(node);
  node.click();
  node.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** A schedule in words, without the zone if it is the one that times are shown in. */
export function schedule(job, zone) {
  const named = / ?,? ?([\w+-]+\/[\w+/-]+ time|UTC)$/.exec(job.words);
  const isPlain = (named && (job.timeZone || '') === '') || named?.[1] === `${zone} time` || named?.[1] === zone;
  return h(
    'span',
    { title: `${job.words}\n${job.cronExpr}${job.timeZone ? ` · ${job.timeZone}` : ''}` },
    inWords(isPlain ? job.words.slice(0, named.index) : job.words),
  );
}
