// Languages. The English sentence in the code is the key; a dictionary has the Chinese one.
//   t('{n} {n|job|jobs} chosen', { n: 3 })   {n} a value; {n|one|many} the word that fits it (English only)
//   tn the same as a list, for values that are nodes.
let zh = null; // The Chinese sentences by the English ones; loaded when they are first needed.
let schedule = (text) => text;
let sentence = (text) => text;
const known = new Map(); // From a sentence to its parts, in the language in force.

export const languages = { zh: '中文', en: 'EN' };

export let language = 'en';

export async function choose(code) {
  if (code === 'zh' && !zh) {
    const [first, second, third] = await Promise.all([import('./words.js'), import('./words-2.js'), import('./words-3.js')]);
    zh = { ...first.words, ...second.words };
    schedule = first.schedule;
    sentence = third.sentence;
  }
  language = code in languages ? code : 'en';
  known.clear();
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
}

export function guess() {
  return (
    (navigator.languages ?? [])
      .find((code) => /^(en|zh)\b/i.test(code))
      ?.slice(0, 2)
      .toLowerCase() ?? 'en'
  );
}

const formats = {};

export function number(value, digits = 0) {
  formats[language + digits] ??= new Intl.NumberFormat(language, { maximumFractionDigits: digits });
  return formats[language + digits].format(value);
}

/** The parts of a sentence: texts, and [name, one, many] for values. */
function partsOf(sentence) {
  let parts = known.get(sentence);
  if (!parts) {
    const text = language === 'zh' ? (zh[sentence] ?? sentence) : sentence;
    parts = text
      .split(/(\{[^}]*\})/)
      .filter(Boolean)
      .map((part) => (part.startsWith('{') ? part.slice(1, -1).split('|') : part));
    known.set(sentence, parts);
  }
  return parts;
}

export function tn(sentence, values = {}) {
  return partsOf(sentence).map((part) => {
    if (typeof part === 'string') return part;
    const [name, one, many] = part;
    const value = values[name];
    if (one !== undefined) return value === 1 ? one : many;
    return typeof value === 'number' ? number(value, 1) : (value ?? '');
  });
}

export function t(sentence, values) {
  return tn(sentence, values).join('');
}

/** A schedule in the words of the API, which are English. */
export function inWords(text) {
  return language === 'zh' ? schedule(text) : text;
}

/** A sentence of a master or a worker, which are English: a refusal, a warning, why a run ended as it did. */
export function inSentence(text) {
  return language === 'zh' ? sentence(text) : text;
}
