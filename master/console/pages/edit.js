import { h } from '../dom.js';

export function render() {
  return { title: 'edit', node: h('h1', 'edit') };
}
