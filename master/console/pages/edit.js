// A job is written here: schedule and command first, all other members folded, what changes at the right.
import { h, fill, link, clean } from '../dom.js';
import { t } from '../i18n.js';
import { ask, get, path } from '../api.js';
import { fault, mark, question } from '../parts.js';
import { withMembers, same } from '../logic/diff.js';
import { choice } from './settings-parts.js';
import { groups, valueOf, otherMembers, textOf, valueFrom, DEFAULTS } from './edit-fields.js';
import { scheduleOf } from './edit-schedule.js';
import { dockOf } from './edit-save.js';

const EMPTY = { name: '', command: '', cronExpr: '', timeZone: '' };

export async function render({ name }, frame) {
  const from = name ?? frame.query.from;
  const stored = from ? await ask('GET', path`jobs/${from}`) : null;
  const copied = { ...EMPTY, ...stored?.data, name: frame.query.name ?? '' };
  const model = { name, frame, etag: stored?.etag, base: name ? stored.data : null, fields: new Map() };
  Object.assign(model, { folds: [], listeners: [], workers: [] });
  model.draft = name ? structuredClone(model.base) : copied;
  const start = structuredClone(model.draft);
  model.known = new Set(Object.keys(stored?.data ?? {}));
  model.change = (member, value) => {
    // Without a channel there is no alert.
    const isGone = member === 'alert.channel' && value === '';
    model.draft = withMembers(model.draft, [isGone ? { member: 'alert', is: undefined } : { member, is: value }]);
    for (const listener of model.listeners) listener(member);
  };
  model.isDirty = () => !model.isSaved && !same(model.draft, start);
  model.value = (member) => valueOf(model.draft, member);
  model.fail = (member, text) => failAt(model, member, text);

  if (!stored) await learnMembers(model);
  const channels = await channelsOf(model);
  const schedule = scheduleOf(model);
  const shell = h('small', t('runs in the shell; finds DTS_JOB, DTS_PLAN_TIME, DTS_ATTEMPT …'));
  const command = labelled([t('Command'), shell], fieldOf(model, { member: 'command', kind: 'text', rows: 2 }));
  const main = h(
    'div.form-main',
    !name && h('div.group.first', labelled(t('Name'), fieldOf(model, { member: 'name', kind: 'text', maxlength: '200' }))),
    h('div.group', { class: name ? 'first' : '' }, schedule.node),
    h('div.group', command),
    h('div.folds', groups(channels).map((group) => foldOf(model, group)), otherOf(model)),
  );
  const dock = dockOf(model);
  const guard = (event) => {
    if (model.isDirty()) event.preventDefault();
  };
  addEventListener('beforeunload', guard);
  get('workers')
    .then(({ workers }) => {
      model.workers = workers.filter((worker) => worker.state === 'live');
      drawFolds(model);
    })
    .catch(() => {});
  drawFolds(model);
  model.listeners.push(() => drawFolds(model));
  const title = name ? t('Edit {name}', { name }) : t('New job');
  return {
    title: name ? t('Edit') : title,
    crumbs: [[t('Jobs'), '/jobs'], ...(name ? [[name, link.job(name)]] : [])],
    node: h('div', h('h1.sr', title), h('div.form', main, dock.node)),
    shown: () => {
      (name ? model.fields.get('cronExpr') : model.fields.get('name')).input.focus({ preventScroll: true });
      schedule.start();
      dock.start();
    },
    keys: {
      'ctrl-s': () => {
        dock.save();
      },
      Escape: () => frame.go(name ? link.job(name) : '/jobs'),
    },
    leave(to) {
      if (!model.isDirty() || model.mayLeave) return true;
      question(dock.cancel, {
        title: t('Leave without saving?'),
        text: t('What you changed here is lost.'),
        yes: t('Leave'),
        no: t('Stay'),
      }).then((yes) => {
        if (yes) {
          model.mayLeave = true;
          frame.go(to);
        }
      });
      return false;
    },
    close: () => {
      removeEventListener('beforeunload', guard);
      schedule.close();
      dock.close();
    },
  };
}

/** Which members this master knows: those that a save which saves nothing answers with. */
async function learnMembers(model) {
  const query = { dryRun: 'true' };
  const trial = await ask('PUT', 'jobs/new', { body: { command: 'true', cronExpr: '@daily' }, query }).catch(() => null);
  for (const member of Object.keys(trial?.data.job ?? {})) model.known.add(member);
}

/** The names of the channels for alerts; none where the masters have none. */
async function channelsOf(model) {
  const found = await get('alerts').catch(() => ({ channels: [] }));
  const names = new Set([...found.channels.map((channel) => channel.name), ...(model.draft.alert ? [model.draft.alert.channel] : [])]);
  if (names.size > 0) model.known.add('alert');
  return [...names];
}

export const labelled = (label, field) => h('div.lab-field', h('label.lab', { for: field.dataset.input }, label), field);

const linesOf = (text) => String(Math.max(2, Math.min(24, text.split('\n').length))); // Where fields do not grow by themselves.

/** A field of a member, with a place for what is wrong with it. more: attributes of the input. */
export function fieldOf(model, { member, kind, options, rows, label, isOptional, ...more }) {
  const id = `f-${member.replace('.', '-')}`;
  const value = model.value(member) ?? '';
  const attributes = { id, 'aria-describedby': `${id}-fault`, spellcheck: false, autocomplete: 'off', ...more };
  const isText = rows || kind === 'names' || kind === 'pairs';
  const input =
    kind === 'check'
      ? h('input', attributes, { type: 'checkbox', checked: value })
      : kind === 'choice'
        ? choice(Object.entries(options), value, attributes)
        : isText
          ? h('textarea.field.mono', attributes, { rows: linesOf(textOf[kind](value)) }, textOf[kind](value))
          : h('input.field', attributes, { type: 'text', inputmode: kind === 'number' ? 'decimal' : null, value: textOf[kind](value) });
  const wrong = h('div.wrong', { id: `${id}-fault`, 'aria-live': 'polite' });
  input.addEventListener(kind === 'check' || kind === 'choice' ? 'change' : 'input', () => {
    fill(wrong);
    input.removeAttribute('aria-invalid');
    model.change(member, kind === 'check' ? input.checked : valueFrom[kind](input.value));
  });
  model.fields.set(member, { input, wrong });
  return h('div', { data: { input: id } }, kind === 'check' ? h('label.check', input, label) : input, wrong);
}

/** Shows what is wrong at the field of a member; false = it has none. */
function failAt(model, member, text) {
  const field =
    model.fields.get(member) ??
    [...model.fields].find(([one]) => member && one.startsWith(`${member}.`))?.[1] ??
    model.fields.get(member?.split('.')[0]);
  if (!field) return false;
  fill(field.wrong, fault(text));
  field.input.setAttribute('aria-invalid', 'true');
  const fold = field.input.closest('details');
  if (fold) fold.open = true;
  return true;
}

export function clearFaults(model) {
  for (const { input, wrong } of model.fields.values()) {
    fill(wrong);
    input.removeAttribute('aria-invalid');
  }
}

// ---------- folded groups ----------

function foldOf(model, group) {
  const [said, count] = [h('span.fold-say.one'), h('span.fold-count')];
  const fields = group.fields.filter((field) => !field.isOptional || model.known.has(field.member.split('.')[0]));
  model.folds.push({ group, fields, said, count });
  const isPlace = group.fields[0].member === 'mode';
  if (isPlace) model.matches = h('p.matches', { 'aria-live': 'polite' });
  const show = (field) => (field.kind === 'check' ? fieldOf(model, field) : labelled(field.label, fieldOf(model, field)));
  return h(
    'details.fold',
    h('summary', h('b', group.name), said, count),
    h('div.fold-in', fields.map(show), isPlace && model.matches),
  );
}

function drawFolds(model) {
  for (const { group, fields, said, count } of model.folds) {
    const changed = fields.filter(({ member }) => !same(model.value(member), DEFAULTS[member])).length;
    let text = clean(group.say(model.value));
    if (group.fields[0].member === 'mode' && model.workers.length) {
      const fit = matching(model).map((worker) => worker.id);
      const n = fit.length;
      const words = t('{n} {n|worker matches|workers match} now', { n });
      text += ` · ${words}`;
      fill(model.matches, mark(n ? 'live' : 'warn'), ' ', words, n > 0 && n <= 12 && `: ${clean(fit.join(', '))}`);
      said.classList.toggle('none', n === 0);
    }
    said.textContent = text;
    said.classList.toggle('set', changed > 0);
    count.textContent = changed ? t('{n} set', { n: changed }) : '';
  }
}

function matching(model) {
  const [ids, labels] = [model.value('target.workers'), Object.entries(model.value('target.labels'))];
  return model.workers.filter(
    (worker) => (ids.length === 0 || ids.includes(worker.id)) && labels.every(([key, value]) => worker.labels[key] === value),
  );
}

/** Members without a field here are kept, and can be changed as JSON. */
function otherOf(model) {
  const others = otherMembers(model.draft);
  if (Object.keys(others).length === 0) return null;
  const wrong = h('div.wrong');
  const read = ({ target }) => {
    try {
      const given = JSON.parse(target.value);
      fill(wrong);
      const gone = Object.keys(otherMembers(model.draft)).filter((member) => !(member in given));
      const changes = [...gone.map((member) => [member]), ...Object.entries(given)];
      model.draft = withMembers(model.draft, changes.map(([member, is]) => ({ member, is })));
      for (const listener of model.listeners) listener('');
    } catch (failure) {
      fill(wrong, fault(failure));
    }
  };
  const text = JSON.stringify(others, null, 2);
  const input = h('textarea.field.mono', { id: 'f-others', rows: '6', spellcheck: false, oninput: read }, text);
  const names = Object.keys(others).map(clean).join(', ');
  return h(
    'details.fold',
    h('summary', h('b', t('Other')), h('span.fold-say.one.set', names)),
    h('div.fold-in', h('label.lab', { for: 'f-others' }, t('as JSON')), input, wrong),
  );
}
