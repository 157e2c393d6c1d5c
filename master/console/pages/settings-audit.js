// The audit: who did or tried what, when and from where. The newest first; nobody can delete from it here.
import { h, fill, other } from '../dom.js';
import { t } from '../i18n.js';
import { get } from '../api.js';
import { when, full, zoneOf } from '../time.js';
import { button, fault, state as chip, download } from '../parts.js';
import { lead } from './settings.js';
import { refusedView, roleWords } from './settings-people.js';
import { shown, whats } from './job-history.js';

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
    type: 'search',
    value: model.words,
    placeholder: t('Who, what, which job, from where …'),
    'aria-label': t('filter the audit'),
    spellcheck: false,
    autocomplete: 'off',
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

/** An act of the API in a word; one without a word stands as the API has it. */
const actWords = () => [
  [/\/run$/, t('ran')],
  [/\/kill$/, t('killed')],
  [/\/pause$/, t('paused')],
  [/\/resume$/, t('resumed')],
  [/^(PUT|PATCH) .*\/jobs\/|\/job\/save/, t('saved')],
  [/^DELETE .*\/jobs\/|\/delete$/, t('deleted')],
  [/^POST .*\/session/, t('signed in')],
];

const wordOf = (act) => actWords().find(([pattern]) => pattern.test(act))?.[1] ?? act.replace('/api/v1', '');

function changesOf({ changes = [], detail }) {
  const parts = changes
    .slice(0, 3)
    .map(({ job, change, members }) =>
      change === 'changed'
        ? members.map(({ member, was, is }) => `${member}: ${shown(was) || '–'} → ${shown(is) || '–'}`).join('; ')
        : `${job} ${whats()[change] ?? change}`,
    );
  if (changes.length > 3) parts.push(t('and {n} more', { n: changes.length - 3 }));
  return [...parts, detail].filter(Boolean).join('; ');
}

function rowOf(one) {
  const isDone = one.outcome === 'done';
  return h(
    'tr',
    h('td.dim', h('time', { datetime: one.at, title: full(one.at) }, when(one.at, zoneOf()))),
    h('td.one', other(one.who || '–'), one.role && h('span.sub', roleWords()[one.role] ?? one.role)),
    h(
      'td.one',
      { title: one.act },
      isDone
        ? wordOf(one.act)
        : chip(one.outcome === 'refused' ? 'failed' : 'warn', one.outcome === 'refused' ? t('refused') : t('failed')),
    ),
    h('td.one', !isDone && `${wordOf(one.act)} `, other(one.target, 'span')),
    h('td.one.dim.full', other(changesOf(one), 'span')),
    h('td.dim.off', other(one.from)),
  );
}
