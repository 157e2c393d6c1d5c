import { h } from '../dom.js';
import { t } from '../i18n.js';

export function render() {
  return { title: t('job'), node: h('h1', 'job') };
}
