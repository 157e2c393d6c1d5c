// The list of keys.
import { h } from './dom.js';
import { t } from './i18n.js';
import { button, dialog } from './parts.js';
import { isOff } from './keys.js';

export function open() {
  if (document.querySelector('dialog[open]')) return;
  const rows = [
    ['/', t('jump to a job, a worker, a page')],
    ['F', t('filter')],
    ['N', t('new job')],
    ['J  K', t('next row, row before')],
    ['Enter', t('open the row')],
    ['X', t('choose the row')],
    ['R', t('run now')],
    ['P', t('pause or resume')],
    ['E', t('edit')],
    ['Y', t('copy a link to this')],
    ['G  N', t('go to Now; also J, R, W, S')],
    ['Esc', t('back, close')],
    ['?', t('this list')],
  ];
  const toggle = h('input', { type: 'checkbox', checked: !isOff() });
  toggle.addEventListener('change', () => localStorage.setItem('dts.keys', toggle.checked ? 'on' : 'off'));
  const keysOf = (keys) => keys.split('  ').map((key) => [h('kbd', key), ' ']);
  const close = button(t('Close'), { onclick: () => box.close() });
  const box = dialog('keys', { 'aria-labelledby': 'keys-title' }, [
    h('h2#keys-title', t('Keys')),
    h('dl', rows.map(([keys, text]) => [h('dt', keysOf(keys)), h('dd', text)])),
    h('div.acts', h('label.check', toggle, t('single letters are keys')), close),
  ]);
}
