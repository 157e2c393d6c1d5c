import { h } from '../dom.js';

export function render() {
  return { title: 'settings', node: h('h1', 'settings') };
}
