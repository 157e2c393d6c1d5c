import { h } from '../dom.js';
import { t } from '../i18n.js';

export function render() {
  return { title: t('settings'), node: h('h1', 'settings') };
}
