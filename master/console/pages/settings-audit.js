// The audit: who did or tried what, when and from where. The newest first; nobody can delete from it here.
import { h, fill, other } from '../dom.js';
import { t, inSentence } from '../i18n.js';
import { get } from '../api.js';
import { when, time } from '../time.js';
import { button, fault, state, download, table, searchBox } from '../parts.js';
import { lead, refusedView, roleWords } from './settings-parts.js';
import { shown, whats } from './job-history.js';

const LIMIT = 100;

export async function view(frame) {
  let [words, records, next] = [frame.query.filter ?? '', [], null];
  const ask = (after) => get('audit', { filter: words, limit: LIMIT, after });
  const take = (page, before = []) => {
    records = [...before, ...page.records];
    next = page.next;
  };
  const read = async (after) => take(await ask(after), after && records);
  try {
    await read();
  } catch (failure) {
    return refusedView(t('Audit'), failure);
  }
  const [body, said, foot] = [h('tbody'), h('div'), h('div.foot')];
  const show = (after) =>
    read(after).then(
      () => {
        fill(said);
        draw();
      },
      (failure) => fill(said, fault(failure)),
    );
  function draw() {
    fill(body, records.map(rowOf));
    fill(
      foot,
      records.length ? t('{n} shown.', { n: records.length }) : t('Nothing matches.'),
      next && button(t('Show more'), { onclick: () => show(next) }),
      h('span.end', t('Nothing can be deleted from it here.')),
    );
  }
  draw();
  const label = { value: words, placeholder: t('Who, what, which job, from where …'), 'aria-label': t('filter the audit') };
  const input = searchBox(label, (text) => {
    words = text;
    frame.setQuery({ filter: words });
    show();
  });
  const save = () => download(`${records.map((one) => JSON.stringify(one)).join('\n')}\n`, 'dts-audit.jsonl', 'application/jsonl');
  const heads = [[t('Time'), 116], [t('Who'), 120], [t('Did'), 108], [t('To'), 176], [t('What changed')], [t('From'), 112]];
  return {
    node: h(
      'div',
      lead(t('Audit')),
      h('div.tools', h('label.filter', input), button(t('Download'), { onclick: save })),
      said,
      table(t('Audit'), 'audit', heads.map(([head, width]) => ({ head, width })), body),
      foot,
    ),
    keys: { f: () => input.focus() },
    onLive: async ({ kind }) => {
      const [of, had] = [words, records];
      if (kind !== 'now' || had.length > LIMIT || body.matches(':hover')) return; // Nothing moves under the pointer.
      const page = await ask().catch(() => null);
      if (!page || words !== of || records !== had || page.records[0]?.at === had[0]?.at) return;
      take(page);
      draw();
    },
  };
}

/** An act of the API in a word; one without a word stands as the API has it. */
const acts = () => [
  [/\/run$/, t('ran')],
  [/\/kill$/, t('killed')],
  [/\/pause$/, t('paused')],
  [/\/resume$/, t('resumed')],
  [/^(PUT|PATCH) .*\/jobs\/|\/job\/save/, t('saved')],
  [/^DELETE .*\/jobs\/|\/delete$/, t('deleted')],
  [/^POST .*\/session$/, t('signed in')],
  [/^DELETE .*\/session$/, t('signed out')],
  [/\/restore$/, t('restored')],
  [/\/import$/, t('imported')],
  [/^POST .*\/tokens$/, t('made a token')],
  [/^DELETE .*\/tokens\//, t('revoked a token')],
  [/^POST .*\/users$/, t('added a person')],
  [/^(PUT|PATCH) .*\/users\//, t('changed a person')],
  [/^DELETE .*\/users\//, t('removed a person')],
  [/\/alerts\/rules\//, t('changed a rule')],
  [/\/alerts\/mutes/, t('quieted')],
];

function changesOf({ changes = [], detail }) {
  const wordsOf = ({ job, change, members }) =>
    change === 'changed'
      ? members.map(({ member, was, is }) => `${member}: ${shown(was) || '–'} → ${shown(is) || '–'}`).join('; ')
      : `${job} ${whats()[change] ?? change}`;
  const more = changes.length > 3 && t('and {n} more', { n: changes.length - 3 });
  return [...changes.slice(0, 3).map(wordsOf), more, inSentence(detail ?? '')].filter(Boolean).join('; ');
}

function rowOf(one) {
  const word = acts().find(([pattern]) => pattern.test(one.act))?.[1] ?? one.act.replace('/api/v1', '');
  const isDone = one.outcome === 'done';
  return h(
    'tr',
    h('td.dim', time(one.at, when)),
    h('td.one', other(one.who || '–'), one.role && h('span.sub', roleWords()[one.role] ?? one.role)),
    h('td.one', { title: one.act }, isDone ? word : one.outcome === 'refused' ? state('failed', t('refused')) : state('warn', t('failed'))),
    h('td.one', !isDone && `${word} `, other(one.target, 'span')),
    h('td.one.dim.full', other(changesOf(one), 'span')),
    h('td.dim.off', other(one.from)),
  );
}
