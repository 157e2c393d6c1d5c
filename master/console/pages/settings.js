// Settings: this browser's, and, for admins, the cluster's.
import { h } from '../dom.js';
import { t } from '../i18n.js';

const TABS = {
  you: [() => t('You'), () => import('./settings-you.js')],
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
