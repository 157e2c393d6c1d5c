import { anchor } from '../parts.js';
import { h } from '../dom.js';
import { t } from '../i18n.js';

export function render() {
  return {
    title: t('No such page'),
    node: h(
      'div.empty',
      h('h1', t('No such page')),
      h('p', t('Nothing of the console is at this address.')),
      h('div.acts', anchor(t('Now'), '/')),
    ),
  };
}
