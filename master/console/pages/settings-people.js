// People and tokens: who may, with which role, on which jobs. A new token is shown once.
import { h, fill, other, clean } from '../dom.js';
import { t } from '../i18n.js';
import { ask, get, path } from '../api.js';
import { when, time, coming, ms } from '../time.js';
import { button, question, fault, empty, mark } from '../parts.js';
import { lead } from './settings.js';

const ROLES = ['viewer', 'operator', 'editor', 'admin'];
const SOON = 14 * 86_400_000;

export const roleWords = () => ({ viewer: t('viewer'), operator: t('operator'), editor: t('editor'), admin: t('admin') });
export const roleSays = () => ({
  viewer: t('sees jobs, runs and output, but no values of variables'),
  operator: t('also runs, kills, pauses and resumes'),
  editor: t('also saves and deletes jobs'),
  admin: t('also manages people, tokens and alerts, and reads the audit'),
});

/** What a page for admins shows to others, or on a master that has no such thing yet. */
export function refusedView(title, failure) {
  const text =
    failure.status === 404
      ? t('This master does not have it.')
      : failure.status === 403 || failure.status === 401
        ? t('Only admins see this.')
        : '';
  return { node: h('div', lead(title), text ? empty(text) : fault(failure)) };
}

export async function view(frame) {
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
  const [once, form, lists] = [h('div', { role: 'status' }), h('div'), h('div')];
  const draw = () => fill(lists, peopleOf(people, frame, again), tokensOf(tokens, frame, again), rolesOf());
  async function again() {
    await read();
    draw();
  }
  draw();
  const open = (kind) => {
    fill(
      form,
      formOf(kind, frame, {
        close: () => fill(form),
        done: async (made) => {
          fill(form);
          if (made.token) fill(once, onceOf(made, frame));
          await again();
        },
      }),
    );
    form.querySelector('input').focus();
  };
  return {
    node: h(
      'div',
      lead(
        t('{n} {n|person|people}, {m} {m|token|tokens}', { n: people.length, m: tokens.length }),
        t('Each person and each program has its own.'),
        button(t('New person'), { kind: 'big', role: 'admin', onclick: () => open('person') }),
        button(t('New token'), { kind: 'first big', role: 'admin', onclick: () => open('token') }),
      ),
      once,
      form,
      lists,
    ),
  };
}

function onceOf({ name, role, token }, frame) {
  return h(
    'div.token-once',
    mark('ok'),
    h('span', h('b', t('Token of “{name}”, {role}.', { name, role: roleWords()[role] ?? role })), ' ', t('It is shown this once:')),
    h('code', token),
    button(t('Copy'), { onclick: () => navigator.clipboard.writeText(token).then(() => frame.toast(t('Copied.'))) }),
  );
}

function formOf(kind, frame, { close, done }) {
  const said = h('div', { 'aria-live': 'assertive' });
  const field = (name, label, more = {}) =>
    h('label', h('span.lab', label), h('input.field', { name, spellcheck: false, autocomplete: 'off', ...more }));
  const form = h(
    'form.new-form',
    { 'aria-label': kind === 'person' ? t('New person') : t('New token') },
    field('name', t('Name'), { required: true, maxlength: '100' }),
    h(
      'label',
      h('span.lab', t('Role')),
      h(
        'select.field',
        { name: 'role' },
        ROLES.map((role) => h('option', { value: role, selected: role === 'operator' }, roleWords()[role])),
      ),
    ),
    field('filter', t('Only jobs that match (empty: all)'), { placeholder: 'label:team=pay' }),
    kind === 'person'
      ? field('password', t('First password (empty: by the proxy only)'), {
          type: 'password',
          autocomplete: 'new-password',
          minlength: '12',
        })
      : field('endsAt', t('Ends on (empty: never)'), { type: 'date' }),
    h('div.wide', said),
    h(
      'div.acts',
      h('button.b.first', { type: 'submit' }, kind === 'person' ? t('Add') : t('Make the token')),
      button(t('Cancel'), { onclick: close }),
    ),
  );
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const given = Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== ''));
    try {
      done((await ask('POST', kind === 'person' ? 'users' : 'tokens', { body: given })).data);
    } catch (failure) {
      fill(said, fault(failure));
    }
  });
  return form;
}

const table = (caption, heads, rows) =>
  h(
    'table.cards.people',
    h('caption.sr', caption),
    h(
      'thead',
      h(
        'tr',
        heads.map((text) => h('th', { scope: 'col' }, text || h('span.sr', t('acts')))),
      ),
    ),
    h('tbody', rows),
  );

function remove(frame, from, { title, text, yes, resource, said, again }) {
  return question(from, { title, text, yes, danger: true }).then(async (isSure) => {
    if (!isSure) return;
    try {
      await ask('DELETE', resource);
      frame.toast(said);
      await again();
    } catch (failure) {
      frame.toast(failure.message, { isFault: true });
    }
  });
}

function peopleOf(people, frame, again) {
  return h(
    'section',
    h('div.sec', h('h2', t('People'))),
    people.length === 0
      ? h(
          'p.faint',
          t('Nobody signs in with a password. The first is added on the master: {command}', { command: 'dts-master user add' }),
        )
      : table(
          t('People'),
          [t('Name'), t('Role'), t('Jobs'), t('Signs in'), t('Since'), ''],
          people.map((person) =>
            h(
              'tr',
              h('td.name', h('b', other(person.name))),
              h('td', roleSelect(person, frame, again)),
              h('td.mono.dim.full', person.filter ? other(person.filter) : t('all')),
              h('td.dim.off', person.hasPassword ? t('with a password') : t('by the proxy in front')),
              h('td.dim.off', time(person.createdAt, when)),
              h(
                'td.act',
                (() => {
                  const node = button(t('Remove…'), {
                    kind: 'plain',
                    role: 'admin',
                    name: t('Remove {name}', { name: clean(person.name) }),
                    onclick: () =>
                      remove(frame, node, {
                        title: t('Remove {name}?', { name: person.name }),
                        text: t('Their sessions end at once, on all masters.'),
                        yes: t('Remove'),
                        resource: path`users/${person.name}`,
                        said: t('Removed {name}.', { name: person.name }),
                        again,
                      }),
                  });
                  return node;
                })(),
              ),
            ),
          ),
        ),
  );
}

function roleSelect(person, frame, again) {
  const node = h(
    'select.field.small',
    { 'aria-label': t('role of {name}', { name: clean(person.name) }) },
    ROLES.map((role) => h('option', { value: role, selected: role === person.role }, roleWords()[role])),
  );
  node.addEventListener('change', async () => {
    const before = person.role;
    try {
      await ask('PATCH', path`users/${person.name}`, { body: { role: node.value }, type: 'application/json' });
      frame.toast(t('{name} is now {role}.', { name: person.name, role: roleWords()[node.value] }), {
        undo: () => ask('PATCH', path`users/${person.name}`, { body: { role: before }, type: 'application/json' }).then(again),
      });
      await again();
    } catch (failure) {
      node.value = before;
      frame.toast(failure.message, { isFault: true });
    }
  });
  return node;
}

function tokensOf(tokens, frame, again) {
  const ends = ({ endsAt }) =>
    !endsAt
      ? t('never')
      : ms(endsAt) < Date.now()
        ? h('span.s-failed', t('ended'))
        : h('span', { class: ms(endsAt) - Date.now() < SOON ? 's-timedOut' : '' }, time(endsAt, coming));
  return h(
    'section',
    h('div.sec', h('h2', t('Tokens'))),
    tokens.length === 0
      ? h('p.faint', t('No token yet. Programs show one as Authorization: Bearer.'))
      : table(
          t('Tokens'),
          [t('Name'), t('Role'), t('Jobs'), t('Made by'), t('Since'), t('Ends'), ''],
          tokens.map((token) =>
            h(
              'tr',
              h('td.name', h('b', other(token.name))),
              h('td', roleWords()[token.role] ?? token.role),
              h('td.mono.dim.full', token.filter ? other(token.filter) : t('all')),
              h('td.dim.off', other(token.by)),
              h('td.dim.off', time(token.createdAt, when)),
              h('td.dim.off', ends(token)),
              h(
                'td.act',
                (() => {
                  const node = button(t('Revoke…'), {
                    kind: 'plain',
                    role: 'admin',
                    name: t('Revoke {name}', { name: clean(token.name) }),
                    onclick: () =>
                      remove(frame, node, {
                        title: t('Revoke the token of {name}?', { name: token.name }),
                        text: t('It ends at once, on all masters.'),
                        yes: t('Revoke'),
                        resource: path`tokens/${token.name}`,
                        said: t('Revoked {name}.', { name: token.name }),
                        again,
                      }),
                  });
                  return node;
                })(),
              ),
            ),
          ),
        ),
  );
}

function rolesOf() {
  return h(
    'section',
    h('div.sec', h('h2', t('What a role may do'))),
    h(
      'dl.facts.left',
      ROLES.map((role) => [h('dt', roleWords()[role]), h('dd', roleSays()[role])]),
    ),
  );
}
