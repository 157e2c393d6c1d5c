// What will be saved, beside the form; and what to do when somebody else has saved meanwhile.
import { h, fill, link, clean } from '../dom.js';
import { t } from '../i18n.js';
import { ask, path } from '../api.js';
import { ago, time } from '../time.js';
import { button, fault, mark } from '../parts.js';
import { diffJobs, merge, withMembers } from '../logic/diff.js';
import { diffNode } from './job-history.js';
import { clearFaults } from './edit.js';

const START = { name: '', command: '', cronExpr: '', timeZone: '', labels: {} };

export function dockOf(model) {
  const { frame, name } = model;
  const node = h('aside.side.dock', { 'aria-label': t('Your changes') });
  const [diff, said, notes] = [h('div'), h('div', { 'aria-live': 'assertive' }), h('div.save-notes', { 'aria-live': 'polite' })];
  const saves = button(t('Save'), { kind: 'first big', key: 'Ctrl S', role: 'editor', onclick: () => save() });
  const cancel = h('a.b.big', { href: name ? link.job(name) : '/jobs' }, t('Cancel'));
  let [timer, isSaving, serial] = [0, false, 0];
  const changes = () => diffJobs(model.base ?? START, model.draft);

  const normal = () =>
    fill(
      node,
      h('h2', t('Your changes')),
      diff,
      h('div.acts', saves, cancel),
      said,
      notes,
      h('p.faint.rest', name ? t('In force at once. A run that is going on keeps the definition it has.') : t('In force at once.')),
    );

  function draw() {
    const list = changes();
    fill(
      diff,
      list.length
        ? diffNode(list.map(({ member, was, is }) => ({ member, was: name ? was : undefined, is })))
        : h('p.faint', t('Nothing has changed yet.')),
    );
    saves.disabled = list.length === 0;
    clearTimeout(timer);
    timer = setTimeout(check, 400);
  }

  /** Asks the master what it would say to the save: warnings, and what is wrong, at its field. */
  async function check() {
    const mine = ++serial;
    const { draft } = model;
    if (changes().length === 0 || !draft.command.trim() || !draft.cronExpr.trim() || !draft.name) {
      fill(notes);
      return;
    }
    try {
      const { data } = await ask('PUT', path`jobs/${draft.name}`, { body: draft, query: { dryRun: 'true' }, isNew: !name });
      if (mine !== serial) return;
      fill(said);
      fill(
        notes,
        data.warnings
          .filter((text) => !/^\d{4}-\d\d-\d\d: the clocks/.test(text))
          .map((text) => h('p.note', mark('warn'), h('span', clean(text)))),
      );
    } catch (failure) {
      if (mine === serial) tell(failure, { isQuiet: true });
    }
  }

  function tell(failure, { isQuiet = false } = {}) {
    if (failure.status === 412 && !name) {
      model.fail('name', t('A job of this name exists already.'));
      return;
    }
    if (failure.status === 412 || failure.status === 0) return;
    if (model.fail(failure.field, failure.message)) return;
    if (!isQuiet || failure.status === 422) fill(said, fault(failure));
  }

  async function save(draft = model.draft, etag = model.etag) {
    if (isSaving || saves.disabled || saves.getAttribute('aria-disabled') === 'true') return;
    const missing = ['name', 'cronExpr', 'command'].find((member) => !String(draft[member]).trim());
    if (missing) {
      model.fail(
        missing,
        { name: t('A job needs a name.'), cronExpr: t('A job needs a schedule.'), command: t('A job needs a command.') }[missing],
      );
      model.fields.get(missing)?.input.focus();
      return;
    }
    isSaving = true;
    serial++;
    clearTimeout(timer);
    clearFaults(model);
    fill(said);
    try {
      const answer = await ask('PUT', path`jobs/${draft.name}`, { body: draft, ...(name ? { etag } : { isNew: true }) });
      model.isSaved = true;
      const former = model.theirs ?? model.base;
      frame.toast(name ? t('Saved {name}.', { name: answer.data.job.name }) : t('Created {name}.', { name: answer.data.job.name }), {
        undo: async () => {
          if (former) await ask('PUT', path`jobs/${draft.name}`, { body: former, etag: answer.etag });
          else await ask('DELETE', path`jobs/${draft.name}`, { etag: answer.etag });
          if (former) frame.reload();
          else frame.go('/jobs');
        },
      });
      frame.go(link.job(answer.data.job.name, name ? '' : 'calendar'));
    } catch (failure) {
      if (failure.status === 412 && name) await conflict(failure);
      else {
        tell(failure);
        if (failure.status === 0) fill(said, fault(failure));
      }
    } finally {
      isSaving = false;
    }
  }

  async function conflict({ problem }) {
    let current;
    try {
      current = await ask('GET', path`jobs/${name}`);
    } catch (failure) {
      fill(
        said,
        failure.status === 404
          ? [
              fault(t('Somebody has deleted this job meanwhile.')),
              button(t('Create it again'), {
                onclick: () =>
                  ask('PUT', path`jobs/${name}`, { body: model.draft, isNew: true }).then(() => {
                    model.isSaved = true;
                    frame.go(link.job(name));
                  }, tell),
              }),
            ]
          : fault(failure),
      );
      return;
    }
    drawConflict(model, {
      node,
      current,
      difference: problem.difference ?? {},
      save: (draft) => {
        model.theirs = current.data;
        return save(draft, current.etag);
      },
      drop: () => {
        model.isSaved = true;
        frame.go(link.job(name));
      },
    });
  }

  normal();
  draw();
  model.listeners.push(draw);
  return {
    node,
    save,
    cancel,
    start: draw,
    close: () => {
      clearTimeout(timer);
      serial++;
    },
  };
}

/** Both changes side by side: different members can both hold, the same member must be chosen. */
function drawConflict(model, { node, current, difference, save, drop }) {
  const both = merge(model.base, model.draft, current.data);
  const chosen = new Map();
  const [said, acts] = [h('div', { role: 'alert' }), h('div.acts.wrap')];
  const isClash = ({ member }) => both.clashes.includes(member);
  const draft = () =>
    withMembers(
      current.data,
      both.mine.filter((change) => !isClash(change) || chosen.get(change.member) === 'mine'),
    );
  const draw = () => {
    const open = both.clashes.filter((member) => !chosen.has(member));
    fill(
      acts,
      button(both.clashes.length ? t('Save as chosen') : t('Save both'), {
        kind: 'first big',
        role: 'editor',
        onclick: () => {
          if (open.length) {
            fill(said, fault(t('Choose first: {members}', { members: open.join(', ') })));
            return;
          }
          save(draft());
        },
      }),
      button(t('Drop mine'), { kind: 'big', onclick: drop }),
      button(t('Overwrite with mine'), {
        kind: 'big',
        role: 'editor',
        title: t('Theirs stays in the history.'),
        onclick: () => save(model.draft),
      }),
    );
  };
  const who =
    difference.by && difference.by !== 'local'
      ? clean(difference.by)
      : difference.from
        ? t('Somebody at {address}', { address: clean(difference.from) })
        : t('Somebody');
  draw();
  fill(
    node,
    h('p.st.s-timedOut', mark('warn'), h('span', t('Somebody else saved'))),
    h(
      'p',
      h('b', t('{who} saved this job', { who })),
      ' ',
      difference.at && time(difference.at, ago),
      t(', after you began. Nothing of it is lost.'),
    ),
    h('h3', t('theirs, in force')),
    diffNode(both.theirs),
    h('h3', t('yours')),
    diffNode(both.mine),
    both.clashes.map((member) =>
      h(
        'fieldset.clash',
        h('legend', clean(member)),
        [
          ['mine', t('mine')],
          ['theirs', t('theirs')],
        ].map(([value, text]) =>
          h(
            'label.check',
            h('input', {
              type: 'radio',
              name: `clash-${member}`,
              value,
              onchange: () => {
                chosen.set(member, value);
                fill(said);
                draw();
              },
            }),
            text,
          ),
        ),
      ),
    ),
    h(
      'p',
      both.clashes.length
        ? t('Both changed the same members: choose which holds.')
        : t('They touch different members, so both can hold.'),
    ),
    acts,
    said,
    h('p', h('a.link', { href: `${link.job(model.name, 'history')}` }, t('See the history'))),
  );
  node.querySelector('button')?.focus({ preventScroll: true });
}
