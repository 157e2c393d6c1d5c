// The output of a run: the end first, followed while it is written. Only the lines in sight are in the page.
import { h, fill, set, say } from '../dom.js';
import { t, number } from '../i18n.js';
import { path, Refused } from '../api.js';
import { icon, button, searchBox } from '../parts.js';
import { Lines, plainOf, visible } from '../logic/sgr.js';
import { bytes } from './job-statistics.js';

const ROW = 18;
const TAIL = 512 << 10; // Of a longer output the end is loaded first.
const LINE_MAX = 4000; // Characters of a line that is not wrapped.
const MARKER = /\n\[\.\.\. (\d+) bytes cut \.\.\.\]\n/g;

const WIDE = [[0x1100, 0x115f], [0x2e80, 0xa4cf], [0xac00, 0xd7a3], [0xf900, 0xfaff], [0xfe30, 0xff60]];
const isWide = (code) => WIDE.some(([from, to]) => code >= from && code <= to);

/** Where a line breaks at so many columns: the starts of its parts. */
export function breaksOf(text, columns) {
  const starts = [0];
  if (/^[\u0020-\u04ff]*$/.test(text)) {
    for (let i = columns; i < text.length; i += columns) starts.push(i);
    return starts;
  }
  for (let i = 0, used = 0; i < text.length; i++) {
    const wide = isWide(text.charCodeAt(i)) ? 2 : 1;
    if (used + wide > columns) {
      starts.push(i);
      used = 0;
    }
    used += wide;
  }
  return starts;
}

export function outputOf(job, runId, frame) {
  const url = `/api/v1/${path`runs/${job}/${runId}/output`}`;
  const model = {
    url,
    frame,
    lines: new Lines(),
    isWrapped: innerWidth <= 700,
    isFollowed: true,
    query: '',
    hits: [],
    hit: -1,
    line: Number(frame.query.line) || 0,
    rows: [],
    rowsOf: 0,
    unseen: 0,
  };
  build(model);
  return {
    node: model.node,
    keys: { f: () => model.find.focus() },
    start: (view) => (view.record ? whole(model, view) : follow(model)),
    ended: (view) => {
      model.view = view;
      model.follows.hidden = true;
      facts(model);
      mark(model);
    },
    close: () => {
      model.stream?.close();
      model.stop?.abort();
      model.resize.disconnect();
      clearTimeout(model.later);
    },
  };
}

function build(model) {
  const box = (text, checked, onchange) => h('label.check', h('input', { type: 'checkbox', checked, onchange }), text);
  const follows = box(t('Follow'), true, ({ target }) => {
    model.isFollowed = target.checked;
    if (target.checked) toEnd(model);
  });
  const wraps = box(t('Wrap'), model.isWrapped, ({ target }) => {
    model.isWrapped = target.checked;
    layOut(model, true);
  });
  const newer = button('', {
    kind: 'to-end',
    onclick: () => {
      followNow(model, true);
      toEnd(model);
    },
  });
  newer.hidden = true;
  const inner = h('div.rows');
  const note = () => h('div.out-note', { hidden: true });
  Object.assign(model, {
    follows,
    followBox: follows.firstChild,
    newer,
    inner,
    said: h('span.hide'),
    find: searchBox({ placeholder: t('Find'), 'aria-label': t('find in the output') }, () => search(model), 120),
    count: h('span.hits'),
    scroller: h('div.out-body', { tabindex: '0', role: 'region', 'aria-label': t('Output') }, inner),
    top: note(),
    cut: note(),
    probe: h('span.probe', { 'aria-hidden': 'true' }, '0'.repeat(100)),
  });
  const { said, find, count, scroller, top, cut, probe } = model;
  const load = h('a.dl', { href: model.url, download: true }, icon('dl'), h('span', t('Download')));
  const end = h('span.end', h('span.find', find, count), follows, wraps, load);
  model.node = h('section.out', h('div.out-bar', h('h2', t('Output')), said, end), top, scroller, cut, newer, probe);
  scroller.addEventListener('scroll', () => onScroll(model), { passive: true });
  inner.addEventListener('click', ({ target }) => {
    const number = target.closest?.('.no');
    if (!number) return;
    model.line = Number(number.dataset.line);
    model.frame.setQuery({ line: String(model.line) });
    draw(model, true);
  });
  find.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') {
      event.preventDefault();
      toHit(model, event.shiftKey ? -1 : 1);
    }
    if (event.key === 'Escape') {
      find.value = '';
      search(model);
      scroller.focus();
      event.stopPropagation();
    }
  });
  model.resize = new ResizeObserver(() => layOut(model));
  model.resize.observe(scroller);
}

function followNow(model, isFollowed) {
  model.isFollowed = model.followBox.checked = isFollowed;
}

// ---------- reading ----------

/** A run that has ended: its end, or, for a link to a line, all of it. */
async function whole(model, view, all = model.line > 0) {
  model.view = view;
  model.follows.hidden = true;
  const { record } = view;
  const stored = record.outputStored || record.outputBytes;
  const skip = !all && stored > 2 * TAIL ? stored - TAIL : 0;
  model.stop?.abort();
  model.stop = new AbortController();
  model.lines = new Lines();
  model.isUncounted = skip > 0;
  facts(model);
  try {
    const { signal } = model.stop;
    const response = await fetch(`${model.url}${skip ? `?offset=${skip}` : ''}`, { signal, credentials: 'same-origin' });
    if (!response.ok) throw new Refused(response.status, await response.json());
    await pump(model, response.body.getReader(), skip > 0);
    tailOf(model, record);
    mark(model);
    const loadAll = () => {
      model.isFollowed = false;
      whole(model, view, true);
    };
    const rest = button(t('Load all'), { kind: 'plain', onclick: loadAll });
    fill(model.top, skip > 0 && [t('The first {size} are not loaded.', { size: bytes(skip) }), ' ', rest]);
    model.top.hidden = skip === 0;
  } catch (failure) {
    if (failure.name !== 'AbortError') note(model, failure.status === 404 ? t('No output is kept.') : failure.message);
  }
}

async function pump(model, reader, isCut) {
  const decoder = new TextDecoder();
  let isFirst = isCut;
  for (;;) {
    const { done, value } = await reader.read();
    let text = decoder.decode(value ?? new Uint8Array(), { stream: !done });
    if (isFirst && text) {
      text = text.slice(text.indexOf('\n') + 1);
      isFirst = false;
    }
    add(model, text);
    if (done) return;
  }
}

/** What is beyond the bytes that are kept whole: the record has the end. */
function tailOf(model, record) {
  if (!record.outputStored || record.outputStored >= record.outputBytes) return;
  const parts = record.output.split(MARKER);
  const tail = parts.length > 1 ? parts.at(-1) : '';
  const size = bytes(record.outputBytes - record.outputStored - tail.length);
  add(model, `\n\u001b[2m— ${t('{size} left out here', { size })} —\u001b[0m\n${tail}`);
}

function follow(model) {
  model.stream = new EventSource(`${model.url}?follow=true&offset=0`);
  const decoder = new TextDecoder();
  model.stream.onmessage = (event) => {
    const piece = JSON.parse(event.data);
    add(model, piece.text ?? decoder.decode(Uint8Array.from(atob(piece.base64), (letter) => letter.charCodeAt(0))));
    model.written = piece.offset + piece.bytes;
    facts(model);
  };
  model.stream.addEventListener('end', () => {
    model.stream.close();
    model.isDone = true;
    model.follows.hidden = true;
  });
  model.stream.onerror = (event) => {
    if (event.data) {
      model.stream.close();
      if (model.lines.length === 0) note(model, event.data);
      return;
    }
    if (model.stream.readyState === EventSource.CLOSED && !model.isDone)
      note(model, t('The output cannot be followed now. Reload the page to try again.'));
  };
  facts(model);
}

function note(model, text) {
  model.cut.hidden = false;
  fill(model.cut, text);
}

function facts(model) {
  const record = model.view?.record;
  if (!record) {
    say(model.said, model.written ? t('{size} so far', { size: bytes(model.written) }) : '');
    return;
  }
  const { outputBytes, outputStored, outputTruncated } = record;
  const [size, kept] = [bytes(outputBytes), bytes(outputStored || outputBytes)];
  model.scroller.hidden = outputBytes === 0;
  say(
    model.said,
    outputBytes === 0
      ? t('nothing was written')
      : outputStored && outputStored < outputBytes
        ? t('{size} written, the first {kept} kept', { size, kept })
        : outputStored === 0 && outputTruncated
          ? t('{size} written; cut in the middle, where it says so', { size })
          : t('{size}, all kept', { size: kept }),
  );
}

/** The last line of a run that failed is tinted. */
function mark(model) {
  model.bad = ['failed', 'timedOut', 'lost'].includes(model.view?.ending);
  draw(model, true);
}

function add(model, text) {
  if (!text) return;
  const before = model.lines.length;
  model.lines.append(text);
  if (!model.isFollowed && model.stream) model.unseen += model.lines.length - before;
  model.later ||= setTimeout(() => {
    model.later = 0;
    layOut(model);
    if (model.query) search(model, true);
  }, 30);
}

// ---------- drawing ----------

/** Rows: a line each, or, wrapped, a part of one each. */
function layOut(model, isNew = false) {
  const { lines, scroller, probe } = model;
  const width = probe.getBoundingClientRect().width / 100 || 7.2;
  const columns = Math.max(20, Math.floor((scroller.clientWidth - 76) / width));
  if (model.isWrapped) {
    if (isNew || model.columns !== columns || model.rowsOf > lines.length || model.laid !== lines) {
      model.rows = [];
      model.rowsOf = 0;
    }
    if (model.rowsOf > 0) {
      // The last line may have grown.
      model.rowsOf--;
      while (model.rows.length && model.rows.at(-1).line === model.rowsOf) model.rows.pop();
    }
    for (; model.rowsOf < lines.length; model.rowsOf++) {
      for (const start of breaksOf(visible(plainOf(lines.textAt(model.rowsOf))), columns)) model.rows.push({ line: model.rowsOf, start });
    }
    Object.assign(model, { columns, laid: lines });
  }
  const count = model.isWrapped ? model.rows.length : lines.length;
  const wide = model.isWrapped ? '100%' : `max(100%, ${Math.min(lines.longest, LINE_MAX) + 10}ch)`;
  set(model.inner, { style: { height: `${Math.max(1, count) * ROW}px`, width: wide } });
  model.count_ = count;
  if (model.isFollowed && !(model.line > 0 && !model.wasShown)) scroller.scrollTop = scroller.scrollHeight;
  if (model.line > 0 && !model.wasShown && lines.length >= model.line) {
    model.wasShown = true;
    followNow(model, false);
    toLine(model, model.line - 1);
  }
  draw(model, true);
}

function draw(model, force = false) {
  const { scroller, lines } = model;
  const from = Math.max(0, Math.floor(scroller.scrollTop / ROW) - 10);
  const to = Math.min(model.count_ ?? 0, Math.ceil((scroller.scrollTop + scroller.clientHeight) / ROW) + 10);
  const key = `${from} ${to}`;
  if (!force && key === model.drawn) return;
  model.drawn = key;
  const last = model.bad ? lastLine(lines) : -1;
  const nodes = [];
  for (let i = from; i < to; i++) {
    const { line, start } = model.isWrapped ? model.rows[i] : { line: i, start: 0 };
    const end = model.isWrapped ? (model.rows[i + 1]?.line === line ? model.rows[i + 1].start : Infinity) : LINE_MAX;
    nodes.push(rowOf(model, i, line, start, end, line === last));
  }
  fill(model.inner, nodes);
  say(model.newer, model.unseen > 0 ? `↓ ${t('{n} newer lines', { n: model.unseen })}` : `↓ ${t('to the end')}`);
  model.newer.hidden = model.isFollowed || !(model.stream || model.unseen > 0) || atEnd(scroller);
}

function lastLine(lines) {
  for (let i = lines.length - 1; i >= 0 && i > lines.length - 50; i--) if (plainOf(lines.textAt(i)).trim()) return i;
  return -1;
}

function rowOf(model, i, line, start, end, isBad) {
  const parts = [];
  let at = 0;
  for (const span of model.lines.spansAt(line)) {
    const text = span.text.slice(Math.max(0, start - at), Math.max(0, end - at));
    at += span.text.length;
    for (const [piece, isHit] of text ? hitsIn(model, text) : [])
      parts.push(isHit || span.class ? h(isHit ? 'mark' : 'span', { class: span.class }, piece) : piece);
  }
  if (!model.isWrapped && at > LINE_MAX)
    parts.push(h('span.sgr-dim', ` … ${t('{n} more characters: wrap, or download', { n: at - LINE_MAX })}`));
  const n = line + 1;
  const link = { type: 'button', tabindex: '-1', data: { line: String(n) }, disabled: model.isUncounted };
  link['aria-label'] = t('link to line {n}', { n });
  const kind = `${isBad ? 'err' : ''} ${n === model.line ? 'on' : ''} ${model.hits[model.hit] === line ? 'hit' : ''}`;
  return h(
    'div.ln',
    { class: kind, style: { top: `${i * ROW}px` } },
    start === 0 ? h('button.no', link, model.isUncounted ? '·' : number(n)) : h('span.no'),
    h('span.text', { dir: 'ltr' }, parts),
  );
}

function hitsIn({ query }, text) {
  if (!query) return [[text, false]];
  const pieces = [];
  const low = text.toLowerCase();
  let from = 0;
  for (let at = low.indexOf(query); at >= 0; at = low.indexOf(query, from)) {
    if (at > from) pieces.push([text.slice(from, at), false]);
    pieces.push([text.slice(at, at + query.length), true]);
    from = at + query.length;
  }
  if (from < text.length) pieces.push([text.slice(from), false]);
  return pieces;
}

// ---------- moving ----------

const atEnd = (scroller) => scroller.scrollTop + scroller.clientHeight >= scroller.scrollHeight - ROW;

function onScroll(model) {
  const isEnd = atEnd(model.scroller);
  if (isEnd) model.unseen = 0;
  if (isEnd !== model.isFollowed && model.stream && !model.isDone) {
    followNow(model, isEnd);
  } else if (!isEnd && !model.stream) model.isFollowed = false;
  requestAnimationFrame(() => draw(model));
}

function toEnd(model) {
  model.unseen = 0;
  model.scroller.scrollTop = model.scroller.scrollHeight;
  draw(model, true);
}

function toLine(model, line) {
  layOut(model); // Lines that have just come have a place, too.
  const row = model.isWrapped ? model.rows.findIndex((one) => one.line === line) : line;
  model.scroller.scrollTop = Math.max(0, row * ROW - model.scroller.clientHeight / 2);
}

function search(model, isMore = false) {
  model.query = model.find.value.toLowerCase();
  const before = model.hits[model.hit];
  model.hits = [];
  if (model.query)
    for (let i = 0; i < model.lines.length && model.hits.length < 100_000; i++)
      if (plainOf(model.lines.textAt(i)).toLowerCase().includes(model.query)) model.hits.push(i);
  model.hit = before === undefined ? -1 : model.hits.indexOf(before);
  if (model.hits.length > 0 && (!isMore || before === undefined)) {
    model.hit = model.hits.length - 1;
    followNow(model, false);
    toLine(model, model.hits[model.hit]);
  }
  tellHits(model);
  draw(model, true);
}

function toHit(model, by) {
  if (model.hits.length === 0) return;
  model.hit = (model.hit + by + model.hits.length) % model.hits.length;
  toLine(model, model.hits[model.hit]);
  tellHits(model);
  draw(model, true);
}

function tellHits(model) {
  say(model.count, !model.query ? '' : model.hits.length ? `${number(model.hit + 1)} / ${number(model.hits.length)}` : t('none'));
}
