// What will be saved, beside the form; and what to do when somebody else has saved meanwhile.
import { h, fill, link, clean } from '../dom.js';
import { t, inSentence } from '../i18n.js';
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

  const rest = name ? t('In force at once. A running command keeps the definition it started with.') : t('In force at once.');
  fill(node, h('h2', t('Your changes')), diff, h('div.acts', saves, cancel), said, notes, h('p.faint.rest', rest));

  function draw() {
    const list = changes();
    const shown = list.map(({ member, was, is }) => ({ member, was: name ? was : undefined, is }));
    fill(diff, list.length ? diffNode(shown) : h('p.faint', t('Nothing has changed yet.')));
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
      const texts = data.warnings.filter((text) => !/^\d{4}-\d\d-\d\d: the clocks/.test(text)); // The schedule says those.
      fill(notes, texts.map((text) => h('p.note', mark('warn'), h('span', inSentence(clean(text))))));
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
    const needed = { name: t('A job needs a name.'), cronExpr: t('A job needs a schedule.'), command: t('A job needs a command.') };
    const missing = Object.keys(needed).find((member) => !String(draft[member]).trim());
    if (missing) {
      model.fail(missing, needed[missing]);
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
      const saved = answer.data.job.name;
      const undo = async () => {
        await ask(former ? 'PUT' : 'DELETE', path`jobs/${saved}`, { ...(former && { body: former }), etag: answer.etag });
        if (former) frame.reload();
        else frame.go('/jobs');
      };
      frame.toast(name ? t('Saved {name}.', { name: saved }) : t('Created {name}.', { name: saved }), { undo });
      frame.go(link.job(saved, name ? '' : 'calendar'));
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

  const leave = () => {
    model.isSaved = true;
    frame.go(link.job(name));
  };
  const again = () => ask('PUT', path`jobs/${name}`, { body: model.draft, isNew: true }).then(leave, tell);

  async function conflict({ problem }) {
    try {
      const current = await ask('GET', path`jobs/${name}`);
      const keep = (draft) => {
        model.theirs = current.data;
        return save(draft, current.etag);
      };
      drawConflict(model, { node, current, difference: problem.difference ?? {}, save: keep, drop: leave });
    } catch (failure) {
      const gone = () => [fault(t('Somebody has deleted this job in the meantime.')), button(t('Create it again'), { onclick: again })];
      fill(said, failure.status === 404 ? gone() : fault(failure));
    }
  }

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
  const said = h('div', { role: 'alert' });
  const hasClash = both.clashes.length > 0;
  const isHeld = ({ member }) => !both.clashes.includes(member) || chosen.get(member) === 'mine';
  const keep = () => {
    const open = both.clashes.filter((member) => !chosen.has(member));
    if (open.length) fill(said, fault(t('Choose first: {members}', { members: open.join(', ') })));
    else save(withMembers(current.data, both.mine.filter(isHeld)));
  };
  const { by, from, at } = difference;
  const who = by && by !== 'local' ? clean(by) : from ? t('Somebody at {address}', { address: clean(from) }) : t('Somebody');
  const one = (member) => ([value, text]) => {
    const choose = () => {
      chosen.set(member, value);
      fill(said);
    };
    return h('label.check', h('input', { type: 'radio', name: `clash-${member}`, value, onchange: choose }), text);
  };
  const ways = [['mine', t('mine')], ['theirs', t('theirs')]];
  const overwrite = { kind: 'big', role: 'editor', title: t('Theirs stays in the history.'), onclick: () => save(model.draft) };
  fill(
    node,
    h('p.st.s-timedOut', mark('warn'), h('span', t('Somebody else saved'))),
    h('p', h('b', t('{who} saved this job', { who })), ' ', at && time(at, ago), t(', after you began. Nothing of it is lost.')),
    h('h3', t('theirs, in force')),
    diffNode(both.theirs),
    h('h3', t('yours')),
    diffNode(both.mine),
    both.clashes.map((member) => h('fieldset.clash', h('legend', clean(member)), ways.map(one(member)))),
    h(
      'p',
      hasClash
        ? t('Both changed the same members: choose which to keep.')
        : t('They changed different members, so both can be kept.'),
    ),
    h(
      'div.acts.wrap',
      button(hasClash ? t('Save as chosen') : t('Save both'), { kind: 'first big', role: 'editor', onclick: keep }),
      button(t('Drop mine'), { kind: 'big', onclick: drop }),
      button(t('Overwrite with mine'), overwrite),
    ),
    said,
    h('p', h('a.link', { href: link.job(model.name, 'history') }, t('See the history'))),
  );
  node.scrollIntoView({ block: 'nearest' });
  node.querySelector('button').focus({ preventScroll: true });
}
