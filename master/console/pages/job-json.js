// The definition of a job as it is stored.
import { h } from '../dom.js';
import { t } from '../i18n.js';
import { button, download } from '../parts.js';

export function view(state, frame) {
  const pre = h('pre.field.mono.json', { tabindex: '0', 'aria-label': t('definition') });
  const text = () => `${JSON.stringify(state.job, null, 2)}\n`;
  const draw = () => {
    pre.textContent = state.job ? text() : '';
  };
  draw();
  return {
    node: h(
      'div',
      h(
        'div.tools.end',
        button(t('Copy'), { onclick: () => navigator.clipboard.writeText(text()).then(() => frame.toast(t('Copied.'))) }),
        button(t('Download'), { onclick: () => download(text(), `${state.name}.json`, 'application/json') }),
      ),
      pre,
      h('p.faint.after', t('Save it again with: {command}', { command: 'dts-master apply FILE' })),
    ),
    refresh: draw,
  };
}
