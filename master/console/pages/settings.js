// Settings: this browser's, and, for admins, the cluster's.
import { h, other } from '../dom.js';
import { t, languages, language } from '../i18n.js';
import { ask } from '../api.js';
import { zones, myZone, zoneName } from '../time.js';
import { button, segments, section } from '../parts.js';
import { toast } from '../frame.js';
import { lead, input, form, roleWords, roleSays } from './settings-parts.js';

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
  const tabs = Object.entries(TABS).map(([name, [text]]) =>
    h('a', { href: `/settings/${name}`, 'aria-current': name === chosen ? 'page' : null }, text()),
  );
  return {
    ...view,
    title: TABS[chosen][0](),
    crumbs: [[t('Settings'), '/settings']],
    node: h('div.settings', h('nav.subnav', { 'aria-label': t('settings') }, tabs), h('div.settings-main', view.node)),
  };
}

/** What this browser keeps, and who is signed in. */
function viewYou(frame) {
  const kept = (name, fallback) => localStorage.getItem(`dts.${name}`) ?? fallback;
  const line = (name, label, options, chosen) =>
    h('div.line', h('span.line-name', label), segments(label, options, chosen, (value) => frame.choose(name, value)));
  const inZones = [['mine', zoneName(myZone())], ['utc', 'UTC'], ['own', t('job’s own')]];
  const themes = [['auto', t('as the system')], ['light', t('light')], ['dark', t('dark')]];
  return {
    node: h(
      'div',
      lead(t('You'), t('This browser remembers these choices.')),
      line('zone', t('Times in'), inZones, zones.chosen),
      line('language', t('Language'), Object.entries(languages), language),
      line('theme', t('Theme'), themes, kept('theme', 'auto')),
      line('keys', t('Keys'), [['on', t('on')], ['off', t('off')]], kept('keys', 'on')),
      frame.me ? signedIn(frame.me) : h('p.faint.after', t('This master needs no sign-in.')),
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

function signedIn({ name, role, filter, via }) {
  const out = () =>
    ask('DELETE', 'session').then(
      () => location.assign('/signin'),
      (failure) => toast(failure.message, { isFault: true }),
    );
  const facts = [
    [t('as'), other(name)],
    [t('how'), vias()[via] ?? via],
    [t('role'), `${roleWords()[role] ?? role}: ${roleSays()[role] ?? ''}`],
    filter && [t('jobs'), h('span.mono', other(filter))],
  ];
  return section(
    t('Signed in'),
    null,
    h('dl.facts.left', facts.filter(Boolean).map(([term, value]) => [h('dt', term), h('dd', value)])),
    via === 'person' && h('details.fold.after', h('summary', h('b', t('Change the password'))), passwordForm()),
    ['person', 'token', 'apiToken'].includes(via) && h('div.acts.after', button(t('Sign out'), { onclick: out })),
  );
}

function passwordForm() {
  const field = (name, label, autocomplete) => input(name, label, { type: 'password', autocomplete, required: true });
  const parts = [
    field('password', t('Present password'), 'current-password'),
    field('new', t('New password, at least 12 characters'), 'new-password'),
  ];
  return form('password', t('Change the password'), parts, t('Change the password'), async (given) => {
    await ask('PUT', 'me/password', { body: Object.fromEntries(given) });
    location.assign('/signin');
  });
}
