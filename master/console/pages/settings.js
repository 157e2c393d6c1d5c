// Settings: this browser's, and, for admins, the cluster's.
import { h, fill, other } from '../dom.js';
import { t, languages, language } from '../i18n.js';
import { ask } from '../api.js';
import { zones, myZone, zoneName } from '../time.js';
import { button, segments, fault } from '../parts.js';
import { roleSays } from './settings-people.js';

const TABS = {
  you: [() => t('You'), () => ({ view: viewYou })],
  people: [() => t('People and tokens'), () => import('./settings-people.js')],
  alerts: [() => t('Alerts'), () => import('./settings-alerts.js')],
  audit: [() => t('Audit'), () => import('./settings-audit.js')],
  import: [() => t('Import, export'), () => import('./settings-import.js')],
};

export async function render({ tab = 'you' }, frame) {
  const chosen = TABS[tab] ? tab : 'you';
  const view = await (await TABS[chosen][1]()).view(frame);
  return {
    title: TABS[chosen][0](),
    crumbs: [[t('Settings'), '/settings']],
    node: h(
      'div.settings',
      h(
        'nav.subnav',
        { 'aria-label': t('settings') },
        Object.entries(TABS).map(([name, [text]]) =>
          h('a', { href: `/settings/${name}`, 'aria-current': name === chosen ? 'page' : null }, text()),
        ),
      ),
      h('div.settings-main', view.node),
    ),
    keys: view.keys,
    shown: () => view.shown?.(),
    onLive: (event) => view.onLive?.(event),
    close: () => view.close?.(),
  };
}

/** The sentence that a page of settings begins with. */
export function lead(title, text, ...acts) {
  return h('div.lead', h('div', h('h1', title), text && h('p', text)), acts.length > 0 && h('div.acts', acts));
}

/** What this browser keeps, and who is signed in. */
function viewYou(frame) {
  const kept = (name, fallback) => localStorage.getItem(`dts.${name}`) ?? fallback;
  const line = (name, control) => h('div.line', h('span.line-name', name), control);
  return {
    node: h(
      'div',
      lead(t('You'), t('This browser remembers these choices.')),
      line(
        t('Times in'),
        segments(
          t('Times in'),
          [
            ['mine', zoneName(myZone)],
            ['utc', 'UTC'],
            ['own', t('job’s own')],
          ],
          zones.chosen,
          (chosen) => frame.choose('zone', chosen),
        ),
      ),
      line(
        t('Language'),
        segments(t('Language'), Object.entries(languages), language, (chosen) => frame.choose('language', chosen)),
      ),
      line(
        t('Theme'),
        segments(
          t('Theme'),
          [
            ['auto', t('as the system')],
            ['light', t('light')],
            ['dark', t('dark')],
          ],
          kept('theme', 'auto'),
          (chosen) => frame.choose('theme', chosen),
        ),
      ),
      line(
        t('Keys'),
        segments(
          t('Keys'),
          [
            ['on', t('on')],
            ['off', t('off')],
          ],
          kept('keys', 'on'),
          (chosen) => frame.choose('keys', chosen),
        ),
      ),
      frame.me ? signedIn(frame) : h('p.faint.after', t('This master asks nobody to sign in.')),
    ),
  };
}

const vias = () => ({
  person: t('with a password'),
  token: t('with a token'),
  proxy: t('by the proxy in front'),
  apiToken: t('with the apiToken'),
  loopback: t('on the master’s own host, where nobody is asked'),
});

function signedIn(frame) {
  const { name, role, filter, via } = frame.me;
  const out = button(t('Sign out'), {
    onclick: async () => {
      try {
        await ask('DELETE', 'session');
        location.assign('/signin');
      } catch (failure) {
        frame.toast(failure.message, { isFault: true });
      }
    },
  });
  return h(
    'section',
    h('div.sec', h('h2', t('Signed in'))),
    h(
      'dl.facts.left',
      h('dt', t('as')),
      h('dd', other(name)),
      h('dt', t('how')),
      h('dd', vias()[via] ?? via),
      h('dt', t('role')),
      h('dd', `${role}: ${roleSays()[role] ?? ''}`),
      filter && [h('dt', t('jobs')), h('dd.mono', other(filter))],
    ),
    via === 'person' && passwordForm(frame),
    ['person', 'token', 'apiToken'].includes(via) && h('div.acts.after', out),
  );
}

function passwordForm(frame) {
  const said = h('div', { 'aria-live': 'assertive' });
  const field = (name, label, autocomplete) =>
    h('label.lab-field', h('span.lab', label), h('input.field', { name, type: 'password', autocomplete, required: true }));
  const form = h(
    'form.password',
    field('password', t('Present password'), 'current-password'),
    field('new', t('New password, at least 12 characters'), 'new-password'),
    said,
    h('button.b', { type: 'submit' }, t('Change the password')),
  );
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    try {
      await ask('PUT', 'me/password', { body: Object.fromEntries(new FormData(form)) });
      frame.toast(t('The password is changed. All your sessions have ended.'));
      location.assign('/signin');
    } catch (failure) {
      fill(said, fault(failure));
    }
  });
  return h('details.fold.after', h('summary', h('b', t('Change the password'))), form);
}
