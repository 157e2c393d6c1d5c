// A table of which the page holds the rows in sight: the others are the height of two empty rows.
import { h, fill, set } from './dom.js';

const FRAME_MS = 10; // How long rows are made in one frame.

/**
 * columns: [{ head, width, class, sort }]; make(item, index) returns the cells' nodes as a list of <td>; keyOf(item) its name.
 * options: { label, height, phoneHeight, cards, onSort, sorted, onOpen(item), needMore() }.
 * Returns { node, show(items), change(key, item), at(), move(step), items }.
 */
export function rows(columns, make, keyOf, options) {
  const body = h('tbody');
  const [above, below] = [
    h('tr.pad', { 'aria-hidden': 'true' }, h('td', { colspan: String(columns.length) })),
    h('tr.pad', { 'aria-hidden': 'true' }, h('td', { colspan: String(columns.length) })),
  ];
  const heads = h('tr');
  const node = h(
    'table',
    { class: `cards ${options.kind ?? ''}`, 'aria-label': options.label },
    h(
      'colgroup',
      columns.map(({ width }) => h('col', { style: width ? { width: `${width}px` } : {} })),
    ),
    h('thead', heads),
    body,
  );
  let items = [];
  let drawn = new Map(); // From an item's name to its row.
  let current = null; // The name of the row that the keys are at.
  let pending = 0;

  const isPhone = () => matchMedia('(max-width: 700px)').matches;
  const height = () => (isPhone() ? (options.phoneHeight ?? 71) : (options.height ?? 36));

  function drawHeads(sorted = options.sorted) {
    fill(
      heads,
      columns.map(({ head, sort, class: kind }) => {
        const direction = sort && sorted === sort ? 'ascending' : sort && sorted === `-${sort}` ? 'descending' : null;
        return h(
          'th',
          { class: kind, scope: 'col', 'aria-sort': direction },
          sort
            ? h(
                'button',
                { type: 'button', onclick: () => options.onSort(direction === 'ascending' ? `-${sort}` : sort) },
                head,
                direction === 'ascending' ? ' ↑' : direction === 'descending' ? ' ↓' : '',
              )
            : typeof head === 'string' && head
              ? head
              : (head ?? h('span.sr', options.headless ?? '')),
        );
      }),
    );
  }

  function draw() {
    pending = 0;
    if (!node.isConnected) return;
    const size = height();
    const top = node.getBoundingClientRect().top + heads.offsetHeight;
    let first = Math.max(0, Math.min(items.length, Math.floor(-top / size) - 6));
    let last = Math.min(items.length, Math.ceil((innerHeight - top) / size) + 6);
    const next = new Map();
    const wanted = [];
    const isUp = last > first && drawn.has(keyOf(items[last - 1])) && !drawn.has(keyOf(items[first]));
    const begun = performance.now();
    for (let n = 0, all = last - first; n < all; n++) {
      const i = isUp ? last - 1 - n : first + n;
      const key = keyOf(items[i]);
      let row = drawn.get(key);
      if (!row || row.item !== items[i]) {
        const fresh = h('tr', { 'aria-rowindex': String(i + 2) }, make(items[i], i));
        fresh.item = items[i];
        if (row) {
          const focus = row.contains(document.activeElement)
            ? [...row.querySelectorAll('a, button, input')].indexOf(document.activeElement)
            : -1;
          row.replaceWith(fresh);
          if (focus >= 0) fresh.querySelectorAll('a, button, input')[focus]?.focus({ preventScroll: true });
        }
        row = fresh;
      }
      row.classList.toggle('at', key === current);
      next.set(key, row);
      wanted.push(row);
      if (performance.now() - begun > FRAME_MS && n + 1 < all) {
        // The rest comes with the next frame, so that scrolling goes on.
        if (isUp) first = i;
        else last = i + 1;
        later();
        break;
      }
    }
    if (isUp) wanted.reverse();
    for (const [key, row] of drawn) if (!next.has(key)) row.remove();
    drawn = next;
    set(above.firstChild, { style: { height: `${first * size}px` } });
    set(below.firstChild, { style: { height: `${(items.length - last) * size}px` } });
    if (above.parentNode !== body) body.append(above, below);
    let place = above.nextSibling;
    for (const row of wanted) {
      if (row === place) place = place.nextSibling;
      else body.insertBefore(row, place);
    }
    set(node, { 'aria-rowcount': String(items.length + 1) });
    if (last > items.length - 30) options.needMore?.();
  }

  const later = () => {
    pending ||= requestAnimationFrame(draw);
  };

  node.addEventListener('click', (event) => {
    const row = event.target.closest('tbody tr:not(.pad)');
    if (!row) return;
    current = keyOf(row.item);
    later();
    if (!event.target.closest('a, button, input, label') && !getSelection().toString()) options.onOpen?.(row.item);
  });
  addEventListener('scroll', later, { passive: true });
  addEventListener('resize', later);
  drawHeads();

  return {
    node,
    get items() {
      return items;
    },
    show(list) {
      items = list;
      if (node.isConnected) draw();
      else later();
    },
    change(key, item) {
      const i = items.findIndex((one) => keyOf(one) === key);
      if (i >= 0) {
        items[i] = item;
        later();
      }
      return i >= 0;
    },
    redraw(all) {
      if (all) for (const row of drawn.values()) row.item = null;
      later();
    },
    sort(sorted) {
      drawHeads(sorted);
    },
    /** The item that the keys are at, or that has the focus. */
    at() {
      return items.find((item) => keyOf(item) === current);
    },
    move(step) {
      const from = items.findIndex((item) => keyOf(item) === current);
      const to = Math.max(0, Math.min(items.length - 1, from < 0 ? 0 : from + step));
      if (!items.length) return;
      current = keyOf(items[to]);
      const y = node.getBoundingClientRect().top + heads.offsetHeight + to * height();
      if (y < 60) scrollBy(0, y - 60);
      else if (y + height() > innerHeight - 90) scrollBy(0, y + height() - innerHeight + 90);
      draw();
      drawn.get(current)?.querySelector('a')?.focus({ preventScroll: true });
    },
    close() {
      removeEventListener('scroll', later);
      removeEventListener('resize', later);
      cancelAnimationFrame(pending);
    },
  };
}
