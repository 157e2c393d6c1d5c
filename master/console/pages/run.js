import { h } from '../dom.js';

export function render() {
  return { title: 'run', node: h('h1', 'run') };
}
