// The output of a command as lines of spans. Of its escape sequences only colours and weights have an effect (SGR, ECMA-48 8.3.117);
// the others are shown as symbols, so nothing that a command writes can hide or imitate something else.

const NAMES = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'];
const PLAIN = Object.freeze({ fg: '', bg: '', bold: false, dim: false, italic: false, under: false, inverse: false });

// ESC [ … final byte. The parameters are bounded: an endless one is no sequence.
const CSI = /\u001b\[([0-9;:]{0,100})m/y;
// Control characters except line feed and tab, C1, and what reorders or hides text.
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;

const symbolOf = (character) => {
  const code = character.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  if (code === 0x7f) return '\u2421';
  return `\u27e8${code.toString(16).toUpperCase().padStart(4, '0')}\u27e9`;
};

/** Text without characters that control, hide or reorder: they become symbols. */
export const visible = (text) => text.replace(CONTROL, symbolOf);

function colourOf(codes, i) {
  if (codes[i] === 5 && codes[i + 1] >= 0 && codes[i + 1] < 256)
    return [codes[i + 1] < 16 ? nameOf(codes[i + 1]) : nearest256(codes[i + 1]), 2];
  if (codes[i] === 2) return [nearest(codes[i + 1] ?? 0, codes[i + 2] ?? 0, codes[i + 3] ?? 0), 4];
  return ['', 1];
}

const nameOf = (index) => NAMES[index % 8];

/** No inline styles: a colour of 256 or 16 million becomes the nearest of sixteen. */
function nearest(r, g, b) {
  const most = Math.max(r, g, b);
  if (most - Math.min(r, g, b) < 40) return most < 64 ? 'black' : most < 128 ? 'bright-black' : most < 200 ? 'white' : 'bright-white';
  const bits = (r > most / 1.6 ? 1 : 0) + (g > most / 1.6 ? 2 : 0) + (b > most / 1.6 ? 4 : 0);
  return most > 190 ? nameOf(bits + 8) : nameOf(bits);
}

function nearest256(index) {
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return nearest(grey, grey, grey);
  }
  const level = (n) => (n === 0 ? 0 : 55 + n * 40);
  const i = index - 16;
  return nearest(level(Math.floor(i / 36)), level(Math.floor(i / 6) % 6), level(i % 6));
}

const WEIGHTS = { 1: 'bold', 2: 'dim', 3: 'italic', 4: 'under', 7: 'inverse' };
const ENDS = { 22: ['bold', 'dim'], 23: ['italic'], 24: ['under'], 27: ['inverse'] };

function apply(style, parameters) {
  const codes = parameters.split(/[;:]/).map(Number); // Without a number it is 0.
  const next = { ...style };
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i];
    const [tens, last] = [Math.floor(code / 10), code % 10];
    const ground = { 3: 'fg', 9: 'fg', 4: 'bg', 10: 'bg' }[tens];
    if (code === 0) Object.assign(next, PLAIN);
    else if (WEIGHTS[code]) next[WEIGHTS[code]] = true;
    else if (ENDS[code]) for (const name of ENDS[code]) next[name] = false;
    else if (ground && last < 8) next[ground] = NAMES[last];
    else if (ground && last === 9 && tens < 9) next[ground] = '';
    else if (ground && last === 8 && tens < 9) {
      const [colour, used] = colourOf(codes, i + 1);
      next[ground] = colour;
      i += used;
    }
  }
  return next;
}

function classOf(style) {
  const colours = ['fg', 'bg'].map((ground) => style[ground] && `${ground}-${style[ground]}`);
  return [...colours, ...Object.values(WEIGHTS).map((name) => style[name] && `sgr-${name}`)].filter(Boolean).join(' ');
}

/** A line as spans of text and class, and the style in which the next line begins. */
export function spansOf(line, style = PLAIN) {
  const spans = [];
  let text = '';
  const end = () => {
    if (text) spans.push({ text: visible(text), class: classOf(style) });
    text = '';
  };
  for (let i = 0; i < line.length;) {
    const escape = line.indexOf('\u001b', i);
    if (escape < 0) {
      text += line.slice(i);
      break;
    }
    text += line.slice(i, escape);
    CSI.lastIndex = escape;
    const found = CSI.exec(line);
    if (found) {
      end();
      style = apply(style, found[1]);
      i = CSI.lastIndex;
    } else {
      text += '\u001b';
      i = escape + 1;
    }
  }
  end();
  return { spans, style };
}

/** A line without its colours: for a search, or to copy. */
export const plainOf = (line) => (line.includes('\u001b') ? line.replace(/\u001b\[[0-9;:]{0,100}m/g, '') : line);

/** The lines of an output that grows at its end. Each line knows the style in which it begins. */
export class Lines {
  #open = '';

  constructor() {
    this.texts = [];
    this.styles = [PLAIN];
    this.longest = 0;
  }

  get length() {
    return this.texts.length + (this.#open ? 1 : 0);
  }

  textAt(i) {
    return i < this.texts.length ? this.texts[i] : this.#open;
  }

  /** A lone carriage return begins a line, too: a progress bar shows each of its states. */
  append(text) {
    const parts = (this.#open + text).split(/\r?\n|\r(?=[^\n])/);
    this.#open = parts.pop();
    for (const line of parts) this.#add(line);
    this.longest = Math.max(this.longest, this.#open.length);
  }

  spansAt(i) {
    return spansOf(this.textAt(i), this.styles[i] ?? PLAIN).spans;
  }

  #add(line) {
    const begin = this.styles[this.texts.length];
    this.texts.push(line);
    this.styles.push(line.includes('\u001b') ? spansOf(line, begin).style : begin);
    this.longest = Math.max(this.longest, line.length);
  }
}
