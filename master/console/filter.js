// The filter: one line of text in the address; here its words with a key are chips, and the rest is typed.
import { h, fill, set, clean, quote } from './dom.js';
import { t, inWords } from './i18n.js';
import { icon, endings } from './parts.js';

/** The words of a filter, as they are written: quotes keep blanks. */
export function split(text) {
  return text.match(/(?:[^\s"]|"(?:\\.|[^"\\])*"?)+/g) ?? [];
}

const unquote = (text) => text.replace(/"((?:\\.|[^"\\])*)"?/g, (_, inner) => inner.replace(/\\(["\\])/g, '$1'));

/**
 * options: text, label, placeholder, keys: { key: async (typed) => [[value, note]] }, onchange(text), end (a node at the end).
 * Returns { node, set(text), focus() }.
 */
export function filterBox(options) {
  let chips = [];
  let choices = [];
  let at = -1;
  let wait = 0;
  let toldAt = 0;
  let serial = 0;
  const id = `choices-${Math.random().toString(36).slice(2, 8)}`;
  const input = h('input', {
    type: 'text',
    role: 'combobox',
    'aria-expanded': 'false',
    'aria-autocomplete': 'list',
    'aria-controls': id,
    'aria-label': options.label,
    placeholder: options.placeholder,
    autocomplete: 'off',
    spellcheck: false,
  });
  const list = h('ul.choices', { id, role: 'listbox', 'aria-label': t('Completions'), hidden: true });
  const front = h('span', { style: { display: 'contents' } });
  const node = h('div.filter', { role: 'search' }, icon('search'), front, input, list, options.end && h('span.end', options.end));

  const isChip = (word) => /^-?[a-z]+:./.test(word) && Object.hasOwn(options.keys, word.replace(/^-/, '').split(':')[0]);
  const text = () => [...chips, input.value.trim()].filter(Boolean).join(' ');

  function read(whole) {
    const all = split(whole);
    chips = all.filter(isChip);
    input.value = all.filter((word) => !isChip(word)).join(' ');
    draw();
  }

  function draw() {
    set(input, { placeholder: chips.length ? '' : options.placeholder });
    fill(front, chips.map(chipOf));
  }

  function chipOf(chip, i) {
    const [word, ...rest] = chip.split(':');
    const { name, shown } = options.keys[word.replace(/^-/, '')];
    const values = unquote(rest.join(':')).split('|');
    const take = () => {
      chips.splice(i, 1);
      draw();
      input.focus();
      tell(0);
    };
    return h(
      'span.chip',
      { class: word.startsWith('-') ? 'not' : '', title: chip },
      h('span.k-word', name),
      h('bdi.v', clean(values.map(shown).join(t(', ')))),
      h('button', { type: 'button', 'aria-label': t('Take away {word}', { word: clean(chip) }), onclick: take }, '×'),
    );
  }

  /** The first letter after a pause is answered at once; of letters in quick succession, the last. */
  function tell(delay) {
    clearTimeout(wait);
    if (performance.now() - toldAt > 250) delay = 0;
    toldAt = performance.now();
    wait = setTimeout(() => {
      const key = /^-?[a-z]+:$/.test(typed()) ? typed() : ''; // It waits for its value.
      options.onchange(text().slice(0, text().length - key.length).trimEnd());
    }, delay);
  }

  /** The word that is being typed. */
  const typed = () => split(input.value).at(-1) ?? '';

  async function complete() {
    const mine = ++serial;
    const word = /\s$/.test(input.value) ? '' : typed();
    const [, minus, key, value] = /^(-?)([a-z]+):(.*)$/s.exec(word) ?? [null, word.startsWith('-') ? '-' : '', null, ''];
    let found = [];
    if (key && options.keys[key]) {
      const before = value.includes('|') ? value.slice(0, value.lastIndexOf('|') + 1) : '';
      const part = unquote(value.slice(before.length)).toLowerCase();
      const plain = (one) => one.startsWith('<') || (one.includes('=') && !/\s/.test(one));
      found = (await options.keys[key].values(part))
        .filter(([one]) => one.toLowerCase().includes(part))
        .map(([one, note]) => ({ text: `${minus}${key}:${before}${plain(one) ? one : quote(one)}`, shown: one, note, isWhole: true }));
    } else if (!key && (word || !input.value)) {
      const part = word.replace(/^-/, '').toLowerCase();
      found = Object.entries(options.keys)
        .filter(([name]) => name.startsWith(part))
        .map(([name, { note }]) => ({ text: `${minus}${name}:`, shown: `${name}:`, note }));
    }
    if (mine !== serial) return;
    choices = found.slice(0, 12);
    at = -1;
    drawChoices(document.activeElement === input && choices.length > 0);
  }

  function drawChoices(isOpen) {
    list.hidden = !isOpen;
    set(input, { 'aria-expanded': String(isOpen), 'aria-activedescendant': isOpen && at >= 0 ? `${id}-${at}` : null });
    const row = (choice, i) => {
      const onpointerdown = (event) => {
        event.preventDefault();
        take(i);
      };
      const attributes = { id: `${id}-${i}`, role: 'option', 'aria-selected': String(i === at), onpointerdown };
      return h('li', attributes, h('bdi', clean(choice.shown)), h('span.faint', choice.note));
    };
    fill(list, choices.map(row));
  }

  function take(i) {
    const all = split(input.value);
    if (!/\s$/.test(input.value)) all.pop();
    input.value = [...all, choices[i].text].join(' ');
    if (choices[i].isWhole) {
      settle();
      tell(0);
    }
    input.focus();
    complete();
  }

  /** Makes chips of whole words. */
  function settle() {
    read(text());
    drawChoices(false);
  }

  input.addEventListener('input', () => {
    if (/\s$/.test(input.value) && split(input.value).some(isChip)) settle();
    complete();
    tell(40);
  });
  input.addEventListener('focus', complete);
  input.addEventListener('blur', () => {
    drawChoices(false);
    if (split(input.value).some(isChip)) {
      settle();
      tell(0);
    }
  });
  input.addEventListener('keydown', (event) => {
    if (event.isComposing) return;
    const isOpen = !list.hidden;
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      if (!isOpen) return;
      at = (at + (event.key === 'ArrowDown' ? 1 : at < 0 ? 0 : -1) + choices.length) % choices.length;
      drawChoices(true);
    } else if ((event.key === 'Enter' || (event.key === 'Tab' && at >= 0)) && isOpen && at >= 0) {
      take(at);
    } else if (event.key === 'Enter') {
      settle();
      tell(0);
    } else if (event.key === 'Escape') {
      if (isOpen) drawChoices(false);
      else input.blur();
    } else if (event.key === 'Backspace' && input.selectionEnd === 0 && chips.length) {
      chips.pop();
      draw();
      tell(0);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  });
  node.addEventListener('pointerdown', (event) => {
    if (event.target === node) {
      event.preventDefault();
      input.focus();
    }
  });

  read(options.text ?? '');
  return { node, set: read, focus: () => input.focus() };
}

/** What the keys of a filter complete to. get: the API's get. */
export function filterKeys(get, labelsOf, names) {
  const word = (value) => names[value] ?? value;
  const key = (name, note, values, shown = String) => ({ name, note, values, shown });
  const noted = (value) => [value, word(value) === value ? '' : word(value)];
  const fixed = (...values) => async () => values.map((value) => (Array.isArray(value) ? value : noted(value)));
  const states = fixed('failing', 'broken', 'running', 'queued', 'paused', 'well', 'new', 'unknown');
  const workers = async () => (await get('workers').catch(() => ({ workers: [] }))).workers.map(({ id }) => [id, '']);
  const jobs = async (part) => {
    const page = await get('jobs', { filter: part && quote(part), limit: 12 }).catch(() => ({ jobs: [] }));
    return page.jobs.map(({ name, words }) => [name, inWords(words)]);
  };
  const soon = [['<15m', t('within 15 min')], ['<1h', t('within the hour')], ['<1d', t('within a day')], ['none', t('no next time')]];
  const since = [['1h', t('the last hour')], ['1d', t('the last day')], ['7d', t('the last week')]];
  return {
    state: key(t('state'), t('state of the job'), states, word),
    label: key(t('label'), t('label, or label=value'), async () => labelsOf().map((one) => [one, ''])),
    ending: key(t('ending'), t('how the latest run ended'), fixed(...endings), word),
    next: key('next', t('next plan time'), fixed(...soon)),
    worker: key(t('worker'), t('worker of a run'), workers),
    user: key('user', t('user of the command'), fixed()),
    job: key(t('job'), t('exact name'), jobs),
    from: key('from', t('started since'), fixed(...since)),
    to: key('to', t('started before'), fixed()),
    trigger: key('trigger', t('why it ran'), fixed('schedule', 'manual', 'retry', 'rerun', 'dependent', 'misfire')),
  };
}
