// A crontab in, line by line with what changes in meaning; and all jobs out.
import { h, fill, other, link, clean } from '../dom.js';
import { t, inWords, inSentence } from '../i18n.js';
import { ask, path } from '../api.js';
import { button, fault, state, mark, table, section } from '../parts.js';
import { toast } from '../frame.js';
import { lead, check } from './settings-parts.js';

export function view() {
  const [said, lines, acts] = [h('div', { 'aria-live': 'polite' }), h('div'), h('div.acts.wrap.after')];
  const text = h('textarea.field.mono.crontab', {
    rows: '9',
    spellcheck: false,
    placeholder: '15 2 * * *   /usr/local/bin/nightly-dump main',
    'aria-label': t('the crontab'),
  });
  const small = (name, label, placeholder) =>
    h('label.small-field', label, h('input.field', { name, placeholder, spellcheck: false, autocomplete: 'off' }));
  const options = h(
    'form.tools.import-options',
    { onsubmit: (event) => event.preventDefault() },
    small('prefix', t('Prefix for the names'), 'shop-'),
    small('label', t('Label for all'), 'from=shop-batch-1'),
    small('user', t('User'), 'deploy'),
    check('paused', t('Paused at first'), true),
    check('replace', t('Change existing jobs'), false),
  );
  let [timer, serial] = [0, 0];
  const isPaused = () => new FormData(options).has('paused');
  const send = async (dryRun) => {
    const query = Object.fromEntries([...new FormData(options)].map(([name, value]) => [name, value.trim()]));
    return (await ask('POST', 'import', { body: text.value, type: 'text/plain', query: { ...query, dryRun } })).data;
  };
  const restart = button(t('Start again'), {
    kind: 'big',
    onclick: () => {
      text.value = '';
      preview();
      text.focus();
    },
  });

  async function preview() {
    const mine = ++serial;
    fill(said);
    if (!text.value.trim()) {
      fill(lines);
      fill(acts);
      return;
    }
    try {
      const answer = await send('true');
      if (mine !== serial) return;
      fill(lines, tableOf(answer));
      const n = answer.created + answer.changed;
      const words = isPaused() ? t('Save {n} {n|job|jobs}, paused', { n }) : t('Save {n} {n|job|jobs}', { n });
      fill(
        acts,
        n > 0 && button(words, { kind: 'first big', role: 'editor', onclick: save }),
        restart,
        n > 0 && h('span.faint', t('You can go back: History keeps the former versions.')),
      );
    } catch (failure) {
      if (mine === serial) fill(said, fault(failure));
    }
  }

  async function save() {
    serial++;
    try {
      const answer = await send('');
      const made = answer.lines.filter((line) => line.change === 'created').map((line) => line.name);
      const words = t('Saved {n} {n|job|jobs}.', { n: answer.created + answer.changed });
      const undo = async () => {
        for (const name of made) await ask('DELETE', path`jobs/${name}`);
        await preview();
      };
      fill(lines, tableOf(answer));
      fill(acts, state('ok', words), h('a.b.big', { href: '/jobs' }, t('Jobs')), restart);
      toast(words, answer.changed === 0 && made.length <= 100 ? { undo } : {});
    } catch (failure) {
      fill(said, fault(failure));
    }
  }

  for (const node of [text, options])
    node.addEventListener('input', () => {
      clearTimeout(timer);
      timer = setTimeout(preview, 250);
    });
  const intro = lead(t('Import a crontab'), t('Nothing is saved until you press the button. Each line says what changes in meaning.'));
  return {
    node: h('div', intro, text, options, said, lines, acts, exportOf()),
    shown: () => text.focus({ preventScroll: true }),
    close: () => {
      clearTimeout(timer);
      serial++;
    },
  };
}

function stateOf({ kind, change, notes = [] }) {
  if (kind === 'refused') return state('failed', t('left out'));
  if (kind === 'disabled') return state('planned', t('commented out'));
  const isVariable = kind === 'variable';
  if (change === 'unchanged') return state('info', t('as it is'));
  if (notes.length) return state('warn', change === 'changed' ? t('changed, check') : isVariable ? t('check') : t('new, check'));
  return state(isVariable ? 'info' : 'ok', isVariable ? t('variable') : change === 'changed' ? t('changed') : t('new'));
}

function tableOf({ lines, notes, created, changed, refused, unchanged }) {
  const jobs = lines.filter((line) => line.kind !== 'variable' || line.notes?.length);
  const n = lines.filter((line) => line.kind !== 'variable').length;
  const counts = [
    created && t('{n} new', { n: created }),
    changed && t('{n} changed', { n: changed }),
    refused && t('{n} left out', { n: refused }),
    unchanged && t('{n} as it is', { n: unchanged }),
  ].filter(Boolean);
  const heads = [[t('Line'), 56], [t('Becomes'), 132], [t('Name'), 176], [t('Schedule'), 260], [t('What changes in meaning')]];
  return [
    h('div.sec', h('h2', `${t('{n} {n|line|lines}', { n })}: ${counts.join(', ') || t('nothing to save')}`)),
    notes.map((text) => h('p.note.known', mark('info'), h('span', inSentence(clean(text))))),
    table(t('what becomes of each line'), 'imported', heads.map(([head, width]) => ({ head, width })), h('tbody', jobs.map(rowOf))),
  ];
}

function rowOf(line) {
  const { name, change, words, reason, notes = [], members = [] } = line;
  const changes = members.length > 0 && t('changes {members}', { members: members.map(({ member }) => member).join(', ') });
  const said = words && inWords(words);
  return h(
    'tr',
    h('td.dim.off', String(line.line)),
    h('td', stateOf(line)),
    h('td.name.one', name && (change === 'unchanged' ? h('a', { href: link.job(name) }, other(name)) : h('b', other(name)))),
    h('td.dim.one.off', said && h('span', { title: said }, said)),
    h('td.dim.full', [reason, ...notes, changes].filter(Boolean).map((text) => h('div', inSentence(clean(text))))),
  );
}

function exportOf() {
  const way = (format, text, end = format) =>
    h('a.b', { href: `/api/v1/export?format=${format}`, download: `dts-jobs.${end}` }, text);
  return section(
    t('Export all jobs'),
    null,
    h('p.dim', t('JSON and YAML hold everything; dts-master apply reads them back. A crontab holds what a crontab can say.')),
    h('div.acts.after', way('json', 'JSON'), way('yaml', 'YAML'), way('crontab', t('crontab'), 'txt')),
  );
}
