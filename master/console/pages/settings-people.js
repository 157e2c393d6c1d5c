// People and tokens: who may, with which role, on which jobs. A new token is shown once.
import { h, fill, other, clean } from '../dom.js';
import { t } from '../i18n.js';
import { ask, get, path } from '../api.js';
import { when, time, coming, ms } from '../time.js';
import { button, question, mark, table, section } from '../parts.js';
import { toast } from '../frame.js';
import { attempt, copy } from '../acts.js';
import { lead, refusedView, input, choice, form, openForm, roleWords, roleSays } from './settings-parts.js';

const SOON = 14 * 86_400_000;

export async function view() {
  const title = t('People and tokens');
  let [people, tokens] = [[], []];
  const read = async () => {
    [{ users: people }, { tokens }] = await Promise.all([get('users'), get('tokens')]);
  };
  try {
    await read();
  } catch (failure) {
    return refusedView(title, failure);
  }
  const [top, once, place, lists] = [h('div'), h('div', { role: 'status' }), h('div'), h('div')];
  const again = () => read().then(draw);
  const act = (what) =>
    attempt('admin', async () => {
      const made = await what();
      await again();
      return made ?? true;
    });
  const open = (kind) =>
    openForm(place, (close) =>
      formOf(kind, close, async (made) => {
        close();
        if (made.token) fill(once, onceOf(made));
        await again();
      }),
    );
  function draw() {
    fill(
      top,
      lead(
        t('{n} {n|person|people}, {m} {m|token|tokens}', { n: people.length, m: tokens.length }),
        t('Each person and each program has its own.'),
        button(t('New person'), { kind: 'big', role: 'admin', onclick: () => open('users') }),
        button(t('New token'), { kind: 'first big', role: 'admin', onclick: () => open('tokens') }),
      ),
    );
    fill(lists, peopleOf(people, act), tokensOf(tokens, act), rolesOf());
  }
  draw();
  return { node: h('div', top, once, place, lists) };
}

const onceOf = ({ name, role, token }) =>
  h(
    'div.token-once',
    mark('ok'),
    h('span', h('b', t('Token of “{name}”, {role}.', { name, role: roleWords()[role] ?? role })), ' ', t('It is shown only once:')),
    h('code', token),
    button(t('Copy'), { onclick: () => copy(token, t('Copied.')) }),
  );

function formOf(kind, close, done) {
  const isPerson = kind === 'users';
  const parts = [
    input('name', t('Name'), { required: true, maxlength: '64' }),
    h('label', h('span.lab', t('Role')), choice(Object.entries(roleWords()), 'operator', { name: 'role' })),
    input('filter', t('Only jobs that match (empty: all)'), { placeholder: 'label:team=pay' }),
    isPerson
      ? input('password', t('Password (empty: by proxy only)'), { type: 'password', autocomplete: 'new-password', minlength: '12' })
      : input('endsAt', t('Ends on (empty: never)'), { type: 'date' }),
  ];
  return form('new-form', isPerson ? t('New person') : t('New token'), parts, isPerson ? t('Add') : t('Make the token'), async (given) => {
    const body = Object.fromEntries([...given].filter(([, value]) => value !== ''));
    await done((await ask('POST', kind, { body })).data);
  }, close);
}

/** A table of people or of tokens; extra: [head, cell] of what they do not share. */
function listOf(title, all, none, roleOf, extra, gone) {
  const row = (one) =>
    h(
      'tr',
      h('td.name', h('b', other(one.name))),
      h('td', roleOf(one)),
      h('td.mono.dim.full', one.filter ? other(one.filter) : t('all')),
      extra.map(([, cell]) => h('td.dim.off', cell(one))),
      h('td.act', gone(one)),
    );
  const heads = [t('Name'), t('Role'), t('Jobs'), ...extra.map(([head]) => head), h('span.sr', t('acts'))];
  return section(
    title,
    null,
    all.length ? table(title, 'people', heads.map((head) => ({ head })), h('tbody', all.map(row))) : h('p.faint', none),
  );
}

/** The button that ends a person or a token, after a question in its place. */
function goneOf(act, text, name, { title, what, yes, resource, done }) {
  const node = button(`${text}…`, {
    kind: 'plain',
    role: 'admin',
    name: `${text} ${clean(name)}`,
    onclick: async () => {
      if (!(await question(node, { title, text: what, yes, danger: true }))) return;
      await act(async () => {
        await ask('DELETE', resource);
        toast(done);
      });
    },
  });
  return node;
}

function peopleOf(people, act) {
  const none = t('Nobody signs in with a password. The first is added on the master: {command}', { command: 'dts-master user add' });
  const extra = [
    [t('Signs in'), ({ hasPassword }) => (hasPassword ? t('with a password') : t('by the proxy in front'))],
    [t('Since'), ({ createdAt }) => time(createdAt, when)],
  ];
  return listOf(t('People'), people, none, (person) => roleChoice(person, act), extra, ({ name }) =>
    goneOf(act, t('Remove'), name, {
      title: t('Remove {name}?', { name }),
      what: t('Their sessions end at once, on all masters.'),
      yes: t('Remove'),
      resource: path`users/${name}`,
      done: t('Removed {name}.', { name }),
    }),
  );
}

function roleChoice({ name, role: before }, act) {
  const save = (role) => ask('PATCH', path`users/${name}`, { body: { role }, type: 'application/json' });
  const node = choice(Object.entries(roleWords()), before, {
    class: 'small',
    'aria-label': t('role of {name}', { name: clean(name) }),
    onchange: async () => {
      const saved = await act(async () => {
        await save(node.value);
        toast(t('{name} is now {role}.', { name, role: roleWords()[node.value] }), { undo: () => act(() => save(before)) });
      });
      if (!saved) node.value = before;
    },
  });
  return node;
}

function tokensOf(tokens, act) {
  const ends = ({ endsAt }) => {
    if (!endsAt) return t('never');
    const left = ms(endsAt) - Date.now();
    return left < 0 ? h('span.s-failed', t('ended')) : h('span', { class: left < SOON ? 's-timedOut' : '' }, time(endsAt, coming));
  };
  const extra = [
    [t('Made by'), ({ by }) => other(by)],
    [t('Since'), ({ createdAt }) => time(createdAt, when)],
    [t('Ends'), ends],
    [t('Last used'), ({ usedOn }) => usedOn ?? t('never')],
  ];
  const none = t('No token yet. Programs send one in the header Authorization: Bearer.');
  return listOf(t('Tokens'), tokens, none, ({ role }) => roleWords()[role] ?? role, extra, ({ name }) =>
    goneOf(act, t('Revoke'), name, {
      title: t('Revoke the token of {name}?', { name }),
      what: t('It stops working at once, on all masters.'),
      yes: t('Revoke'),
      resource: path`tokens/${name}`,
      done: t('Revoked {name}.', { name }),
    }),
  );
}

const rolesOf = () =>
  section(t('What a role may do'), null,
    h('dl.facts.left', Object.entries(roleWords()).map(([role, word]) => [h('dt', word), h('dd', roleSays()[role])])));
