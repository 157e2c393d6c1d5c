import { h } from '../dom.js';

export function render() {
  return { title: 'signin', node: h('h1', 'signin') };
}
