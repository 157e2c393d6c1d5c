// Languages. The English sentence in the code is the key; a dictionary has the Chinese one.
//   t('{n} {n|job|jobs} selected', { n: 3 })   {n} a value; {n|one|many} the word that fits it (English only)
//   tn(…) the same as a list, for values that are nodes.
import { words } from './words.js';
import { words as more } from './words-2.js';

const zh = { ...words, ...more };
export const languages = { en: 'EN', zh: '中文' };

export let language = 'en';

export function choose(code) {
  language = code in languages ? code : 'en';
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
}

export function guess() {
  return (navigator.languages ?? []).find((code) => /^(en|zh)\b/i.test(code))?.slice(0, 2).toLowerCase() ?? 'en';
}

export function number(value, digits = 0) {
  return Number(value).toLocaleString(language, { maximumFractionDigits: digits });
}

export function tn(sentence, values = {}) {
  const text = language === 'zh' ? zh[sentence] ?? sentence : sentence;
  return text.split(/(\{[^}]*\})/).filter(Boolean).map((part) => {
    if (!part.startsWith('{')) return part;
    const [name, one, many] = part.slice(1, -1).split('|');
    const value = values[name];
    if (one !== undefined) return value === 1 ? one : many;
    return typeof value === 'number' ? number(value, 1) : value ?? '';
  });
}

export function t(sentence, values) {
  return tn(sentence, values).join('');
}

/** A schedule in the words of the API, which are English. */
export function inWords(text) {
  return text;
}
