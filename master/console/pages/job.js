import { h } from '../dom.js';

export function render() {
  return { title: 'job', node: h('h1', 'job') };
}
