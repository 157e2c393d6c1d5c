// Keys: single letters outside of fields, g and a letter for the pages. A page brings its own; they can be turned off.
import { h } from './dom.js';
import { t } from './i18n.js';
import { button, dialog } from './parts.js';

const everywhere = {};
let ofPage = {};
let waitsForPlace = 0;

export function always(more) {
  Object.assign(everywhere, more);
}

export function take(more) {
  ofPage = more;
}

export function forget() {
  ofPage = {};
}

export const isOff = () => localStorage.getItem('dts.keys') === 'off';

function isTyping(node) {
  return (
    node instanceof HTMLElement &&
    (node.isContentEditable || (/^(INPUT|TEXTAREA|SELECT)$/.test(node.tagName) && !/^(checkbox|radio|button)$/.test(node.type)))
  );
}

/** places: what follows g. */
export function startKeys(places, go) {
  addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.isComposing || document.querySelector('dialog[open]')) return;
    const name = (event.ctrlKey || event.metaKey ? 'ctrl-' : '') + (event.key.length === 1 ? event.key.toLowerCase() : event.key);
    if (event.altKey || (isTyping(event.target) && !name.startsWith('ctrl-') && event.key !== 'Escape')) return;
    if (isOff() && !name.startsWith('ctrl-') && event.key.length === 1) return;
    if (document.querySelector('.dlg:popover-open, .menu:popover-open')) return;
    if (event.key === 'Enter' && event.target.closest?.('a, button, summary, [role=button]')) return;
    if (event.timeStamp < waitsForPlace) {
      waitsForPlace = 0;
      const place = places.find((one) => one.key === name);
      if (place) {
        event.preventDefault();
        go(place.path);
        return;
      }
    }
    if (name === 'g') {
      waitsForPlace = event.timeStamp + 1500; // When it was pressed, however busy the page is.
      event.preventDefault();
      return;
    }
    const act = ofPage[name] ?? everywhere[name];
    if (act && act(event) !== false) event.preventDefault();
  });
}

/** Shows the list of keys. */
export function showKeys() {
  const rows = [
    ['/', t('jump to a job, a worker, a page')],
    ['F', t('filter')],
    ['N', t('new job')],
    ['J  K', t('next row, previous row')],
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
    h('div.acts', h('label.check', toggle, t('Single-letter shortcuts')), close),
  ]);
}
