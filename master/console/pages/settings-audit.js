// The audit: who did or tried what, when and from where. The newest first; nobody can delete from it here.
import { h, fill, other } from '../dom.js';
import { t } from '../i18n.js';
import { get } from '../api.js';
import { when, full, zoneOf } from '../time.js';
import { button, fault, state as chip, download } from '../parts.js';
import { lead } from './settings.js';
import { refusedView } from './settings-people.js';

const PAGE = 100;

export async function view(frame) {
  const model = { words: frame.query.filter ?? '', records: [], next: null };
  const read = async (after) => {
    const page = await get('audit', { filter: model.words, limit: PAGE, after });
    model.records = after ? [...model.records, ...page.records] : page.records;
    model.next = page.next;
  };
  try {
    await read();
  } catch (failure) {
    return refusedView(t('Audit'), failure);
  }
  const [body, said, foot] = [h('tbody'), h('div'), h('div.foot')];
  const draw = () => {
    fill(body, model.records.map(rowOf));
    fill(
      foot,
      model.records.length === 0 ? t('Nothing matches.') : t('{n} shown.', { n: model.records.length }),
      model.next && button(t('Show more'), { onclick: () => read(model.next).then(draw, (failure) => fill(said, fault(failure))) }),
      h('span.end', t('Nobody can delete from it here.')),
    );
  };
  draw();
  const input = h('input', {
    'type': 'search',
    'value': model.words,
    'placeholder': t('Who, what, which job, from where …'),
    'aria-label': t('filter the audit'),
    'spellcheck': false,
    'autocomplete': 'off',
  });
  let timer = 0;
  input.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      model.words = input.value.trim();
      frame.setQuery({ filter: model.words });
      try {
        await read();
        fill(said);
        draw();
      } catch (failure) {
        fill(said, fault(failure));
      }
    }, 200);
  });
  const heads = [[t('When'), 116], [t('Who'), 120], [t('Did'), 108], [t('To'), 176], [t('What changed')], [t('From'), 112]];
  return {
    node: h(
      'div',
      lead(t('Audit')),
      h(
        'div.tools',
        h('label.filter', input),
        button(t('Download'), {
          onclick: () =>
            download(`${model.records.map((one) => JSON.stringify(one)).join('\n')}\n`, 'dts-audit.jsonl', 'application/jsonl'),
        }),
      ),
      said,
      h(
        'table.cards.audit',
        h('caption.sr', t('Audit')),
        h(
          'colgroup',
          heads.map(([, width]) => h('col', width ? { style: { width: `${width}px` } } : {})),
        ),
        h(
          'thead',
          h(
            'tr',
            heads.map(([text]) => h('th', { scope: 'col' }, text)),
          ),
        ),
        body,
      ),
      foot,
    ),
    keys: { f: () => input.focus() },
    close: () => clearTimeout(timer),
  };
}

const short = (value) =>
  value === null || value === undefined || value === '' ? '' : typeof value === 'string' ? value : JSON.stringify(value);

function rowOf(one) {
  const isRefused = one.outcome && !/^(ok|done|succeeded)$/i.test(one.outcome);
  const change = [short(one.before), short(one.after)].filter(Boolean).join(' → ') || one.detail || (isRefused ? one.outcome : '');
  return h(
    'tr',
    h('td.dim', h('time', { datetime: one.at, title: full(one.at) }, when(one.at, zoneOf()))),
    h('td', other(one.who ?? one.by ?? '–'), one.role && h('span.sub', one.role)),
    h('td', isRefused ? chip('failed', t('refused')) : other(one.what)),
    h('td.one', isRefused && other(`${one.what} `), other(one.target ?? '', 'span')),
    h('td.one.dim.full', other(change, 'span')),
    h('td.dim.off', other(one.address ?? one.from ?? '')),
  );
}
