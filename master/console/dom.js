// Builds the page. What comes from jobs, their output or people is text, never HTML: nothing here, and nothing that uses this,
// parses markup.

const SVG = 'http://www.w3.org/2000/svg';
const PROPERTIES = new Set(['value', 'checked', 'disabled', 'hidden', 'indeterminate', 'readOnly', 'open', 'selected', 'spellcheck']);

/** h('a.link#id', { href, title, onclick, style: { width } }, children…): children are texts, nodes, lists of them, or null. */
export function h(what, ...rest) {
  return build(document.createElement(nameOf(what)), what, rest);
}

/** The same for a part of a drawing. */
export function s(what, ...rest) {
  return build(document.createElementNS(SVG, nameOf(what)), what, rest);
}

function nameOf(what) {
  return /^[a-z0-9-]+/i.exec(what)?.[0] ?? 'div';
}

function build(node, what, rest) {
  for (const [, mark, word] of what.matchAll(/([.#])([\w-]+)/g)) {
    if (mark === '.') node.classList.add(word);
    else node.id = word;
  }
  for (const part of rest) {
    if (isAttributes(part)) set(node, part);
    else put(node, part);
  }
  return node;
}

function isAttributes(part) {
  return part !== null && typeof part === 'object' && !(part instanceof Node) && !Array.isArray(part);
}

/** Sets attributes; null, undefined and false take them away. */
export function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) {
      if (value) node.addEventListener(name.slice(2), value);
    } else if (name === 'class') {
      for (const word of String(value ?? '').split(' ')) if (word) node.classList.add(word);
    } else if (name === 'style') {
      for (const [property, text] of Object.entries(value)) node.style.setProperty(property, text);
    } else if (name === 'data') {
      for (const [key, text] of Object.entries(value)) node.dataset[key] = text;
    } else if (PROPERTIES.has(name)) {
      node[name] = value;
    } else if (value === null || value === undefined || value === false) {
      node.removeAttribute(name);
    } else if (name === 'href' && !/^(\/(?!\/)|[?#]|https?:\/\/)/.test(value)) {
      throw new Error(`href ${value}: expected a path or an http address`);
    } else {
      node.setAttribute(name, value === true ? '' : value);
    }
  }
  return node;
}

function put(node, part) {
  if (part === null || part === undefined || part === false) return;
  if (Array.isArray(part)) for (const one of part) put(node, one);
  else node.append(part instanceof Node ? part : String(part));
}

/** Replaces what a node has. */
export function fill(node, ...parts) {
  node.replaceChildren();
  put(node, parts);
  return node;
}

/** Text of a node, set only if it differs: nothing is painted that stays. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** Text of others in one line: control characters become symbols, those that turn the direction or hide become a mark. */
export function clean(text) {
  return String(text)
    .replace(/[\t\n]/g, ' ')
    .replace(HIDDEN, (letter) => {
      const code = letter.codePointAt(0);
      return code < 0x20 ? String.fromCodePoint(0x2400 + code) : code === 0x7f ? '\u2421' : '\ufffd';
    });
}

/** Text of others: a name, a last line. Isolated, so that right-to-left letters leave the line around it alone. */
export function other(text, what = 'bdi') {
  const shown = clean(text);
  return h(what, { dir: 'auto', title: shown.length > 24 ? shown : null }, shown);
}

/** Writes a value so that a filter reads it back: in quotes where it has more than letters and digits. */
export function quote(value) {
  return /^[\p{L}\p{N}_./@+-]+$/u.test(value) && !value.startsWith('-') ? value : `"${value.replace(/[\\"]/g, '\\$&')}"`;
}

export const link = {
  job: (name, tab = '') => `/jobs/${encodeURIComponent(name)}${tab && `/${tab}`}`,
  run: (job, runId) => `/runs/${encodeURIComponent(job)}/${encodeURIComponent(runId)}`,
  edit: (name) => `/jobs/${encodeURIComponent(name)}/edit`,
  jobs: (filter) => `/jobs${filter ? `?filter=${encodeURIComponent(filter)}` : ''}`,
  runs: (query) => `/runs?${new URLSearchParams(query)}`,
};

/**
 * Makes the children of a node those of a list, moving as little as it can: a child whose item has not changed stays as it is.
 * keyOf gives an item's name, make its node. The focus stays on the same place of a child that is made again.
 */
export function sync(parent, items, keyOf, make) {
  const known = new Map([...parent.children].map((node) => [node.itemKey, node]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const [key, text] = [String(keyOf(item)), JSON.stringify(item)];
    const old = known.get(key);
    known.delete(key);
    let node = old;
    if (!old || old.itemText !== text) {
      node = Object.assign(make(item), { itemKey: key, itemText: text });
      if (old) {
        if (place === old) place = node;
        swap(old, node);
      }
    }
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  }
  for (const gone of known.values()) gone.remove();
}

/** Puts a node in the place of another. The focus stays on the same place in it. */
export function swap(old, node) {
  const places = (of) => [...of.querySelectorAll('a[href], button, input')];
  const at = places(old).indexOf(document.activeElement);
  old.replaceWith(node);
  places(node)[at]?.focus({ preventScroll: true });
}
