// A crontab in, line by line with what changes in meaning; and all jobs out.
import { h, fill, other, link, clean } from '../dom.js';
import { t, inWords } from '../i18n.js';
import { ask } from '../api.js';
import { button, fault, state as chip, mark } from '../parts.js';
import { lead } from './settings.js';

const SAMPLE = '15 2 * * *   /usr/local/bin/nightly-dump main';

export function view(frame) {
  const model = { frame, answer: null };
  const [said, lines, acts] = [h('div', { 'aria-live': 'polite' }), h('div'), h('div.acts.wrap.after')];
  const text = h('textarea.field.mono.crontab', { rows: '9', spellcheck: false, placeholder: SAMPLE, 'aria-label': t('the crontab') });
  const small = (name, label, placeholder) =>
    h('label.small-field', label, h('input.field', { name, placeholder, spellcheck: false, autocomplete: 'off' }));
  const check = (name, label, checked) => h('label.check', h('input', { type: 'checkbox', name, checked }), label);
  const options = h(
    'form.tools.import-options',
    small('prefix', t('Prefix of the names'), 'shop-'),
    small('label', t('Label for all'), 'from=shop-batch-1'),
    small('user', t('User'), 'deploy'),
    check('paused', t('Paused at first'), true),
    check('replace', t('Change jobs that are there'), false),
  );
  options.addEventListener('submit', (event) => event.preventDefault());
  let [timer, serial] = [0, 0];

  const query = () => {
    const given = new FormData(options);
    return {
      prefix: given.get('prefix').trim(),
      label: given.get('label').trim(),
      user: given.get('user').trim(),
      paused: given.get('paused') ? 'true' : '',
      replace: given.get('replace') ? 'true' : '',
    };
  };
  const send = (dryRun) =>
    ask('POST', 'import', { body: text.value, type: 'text/plain', query: { ...query(), dryRun: dryRun ? 'true' : '' } }).then(
      ({ data }) => data,
    );

  async function preview() {
    const mine = ++serial;
    if (!text.value.trim()) {
      fill(lines);
      fill(acts);
      fill(said);
      return;
    }
    try {
      const answer = await send(true);
      if (mine !== serial) return;
      model.answer = answer;
      fill(said);
      fill(lines, tableOf(answer));
      const n = answer.created + answer.changed;
      const paused = query().paused;
      fill(
        acts,
        n > 0 &&
          button(paused ? t('Save {n} {n|job|jobs}, paused', { n }) : t('Save {n} {n|job|jobs}', { n }), {
            kind: 'first big',
            role: 'editor',
            onclick: save,
          }),
        button(t('Start again'), {
          kind: 'big',
          onclick: () => {
            text.value = '';
            preview();
            text.focus();
          },
        }),
        n > 0 && h('span.faint', t('You can go back: History keeps what was there.')),
      );
    } catch (failure) {
      if (mine === serial) fill(said, fault(failure));
    }
  }

  async function save() {
    serial++;
    try {
      const answer = await send(false);
      const made = answer.lines.filter((line) => line.change === 'created').map((line) => line.name);
      fill(lines, tableOf(answer));
      fill(
        acts,
        h('span.st.s-ok', mark('ok'), h('span', t('Saved {n} {n|job|jobs}.', { n: answer.created + answer.changed }))),
        h('a.b', { href: '/jobs' }, t('Jobs')),
        button(t('Start again'), {
          onclick: () => {
            text.value = '';
            preview();
          },
        }),
      );
      frame.toast(
        t('Saved {n} {n|job|jobs}.', { n: answer.created + answer.changed }),
        answer.changed === 0 && made.length <= 100
          ? {
              undo: async () => {
                for (const name of made) await ask('DELETE', `jobs/${encodeURIComponent(name)}`);
                fill(lines);
                preview();
              },
            }
          : {},
      );
    } catch (failure) {
      fill(said, fault(failure));
    }
  }

  const soon = (delay) => {
    clearTimeout(timer);
    timer = setTimeout(preview, delay);
  };
  text.addEventListener('input', () => soon(250));
  options.addEventListener('input', () => soon(250));
  return {
    node: h(
      'div',
      lead(t('Import a crontab'), t('Nothing is saved until you say so. Each line says what changes in meaning.')),
      text,
      options,
      said,
      lines,
      acts,
      exportOf(),
    ),
    shown: () => text.focus({ preventScroll: true }),
    close: () => {
      clearTimeout(timer);
      serial++;
    },
  };
}

function statusOf(line) {
  if (line.kind === 'refused') return chip('failed', t('left out'));
  if (line.kind === 'disabled') return chip('planned', t('commented out'));
  if (line.kind === 'variable') return chip(line.notes?.length ? 'warn' : 'info', line.notes?.length ? t('look') : t('variable'));
  if (line.change === 'unchanged') return chip('info', t('as it is'));
  if (line.notes?.length) return chip('warn', line.change === 'changed' ? t('changed, look') : t('look'));
  return chip('ok', line.change === 'changed' ? t('changed') : t('new'));
}

function tableOf(answer) {
  const jobs = answer.lines.filter((line) => line.kind !== 'variable' || line.notes?.length);
  const counts = [
    answer.created && t('{n} new', { n: answer.created }),
    answer.changed && t('{n} changed', { n: answer.changed }),
    answer.refused && t('{n} left out', { n: answer.refused }),
    answer.unchanged && t('{n} as it is', { n: answer.unchanged }),
  ].filter(Boolean);
  return [
    h('div.sec', h('h2', `${t('{n} {n|line|lines}', { n: jobs.length })}: ${counts.join(', ') || t('nothing to save')}`)),
    answer.notes.map((text) => h('p.note.known', mark('info'), h('span', clean(text)))),
    h(
      'table.cards.imported',
      h('caption.sr', t('what becomes of each line')),
      h(
        'colgroup',
        [56, 132, 176, 260].map((width) => h('col', { style: { width: `${width}px` } })),
        h('col'),
      ),
      h(
        'thead',
        h(
          'tr',
          [t('Line'), t('Becomes'), t('Name'), t('Schedule'), t('What changes in meaning')].map((text) =>
            h('th', { scope: 'col' }, text),
          ),
        ),
      ),
      h(
        'tbody',
        jobs.map((line) =>
          h(
            'tr',
            h('td.dim.off', String(line.line)),
            h('td', statusOf(line)),
            h(
              'td.name.one',
              line.name &&
                (line.change === 'unchanged' ? h('a', { href: link.job(line.name) }, other(line.name)) : h('b', other(line.name))),
            ),
            h('td.dim.one.off', line.words && h('span', { title: inWords(line.words) }, inWords(line.words))),
            h('td.dim.full', noteOf(line)),
          ),
        ),
      ),
    ),
  ];
}

function noteOf(line) {
  const parts = [
    line.reason,
    ...(line.notes ?? []),
    line.members?.length ? t('changes {members}', { members: line.members.map((change) => change.member).join(', ') }) : '',
  ].filter(Boolean);
  return parts.map((text) => h('div', clean(text)));
}

function exportOf() {
  const way = (format, text) =>
    h('a.b', { href: `/api/v1/export?format=${format}`, download: `dts-jobs.${format === 'crontab' ? 'txt' : format}` }, text);
  return h(
    'section',
    h('div.sec', h('h2', t('Export all jobs'))),
    h('p.dim', t('JSON and YAML hold everything; dts-master apply reads them back. A crontab holds what a crontab can say.')),
    h('div.acts.after', way('json', 'JSON'), way('yaml', 'YAML'), way('crontab', t('crontab'))),
  );
}
