// A table of which the page holds the rows in sight: the others are the height of two empty rows. Its items come page by page.
import { h, fill, set, swap, say } from './dom.js';
import { t } from './i18n.js';
import { button, fault, table } from './parts.js';

const FRAME_MS = 10; // How long rows are made in one frame.
const HEIGHT = 36;
export const PAGE = 100; // Items that ask() gives at once.

/**
 * options: label, kind (a class), columns [{ head, width, class, sort }], headless (names a column without a head), cells(item) gives
 *   <td>s, keyOf(item), ask(after) gives { items, next, total? }, empty() what stands for no rows, drawn(), onOpen(item), sorted,
 *   onSort(sort), hint (below the rows), phoneHeight.
 */
export function rows({ columns, cells, keyOf, ask, headless = '', phoneHeight, onOpen, onSort, ...options }) {
  const pad = () => h('tr.pad', { 'aria-hidden': 'true' }, h('td'));
  const [above, below, body, heads] = [pad(), pad(), h('tbody'), h('tr')];
  const node = table(options.label, options.kind, columns, body, heads);
  const foot = h('div.foot', h('span'), h('span.end.wide-only', options.hint));
  const [place, wrong, news] = [h('div'), h('div'), h('div.news', { hidden: true })];
  const pages = [undefined]; // The cursors of what is here.
  let items = [],
    drawn = new Map(), // From an item's name to its row.
    current = null, // The name of the row that the keys are at.
    wanted = null, // The row that takes the focus once it is drawn.
    pending = 0,
    next = null,
    total,
    serial = 0,
    loading = false;

  const height = () => (matchMedia('(max-width: 700px)').matches ? phoneHeight : HEIGHT);
  const top = () => node.getBoundingClientRect().top + heads.offsetHeight;

  function drawHeads(sorted) {
    fill(
      heads,
      columns.map(({ head, sort, class: kind }) => {
        const direction = !sort ? null : sorted === sort ? 'ascending' : sorted === `-${sort}` ? 'descending' : null;
        const arrow = { ascending: ' ↑', descending: ' ↓' }[direction];
        const turn = () => onSort(direction === 'ascending' ? `-${sort}` : sort);
        const text = head ?? h('span.sr', headless);
        return h(
          'th',
          { class: kind, scope: 'col', 'aria-sort': direction },
          sort ? h('button', { type: 'button', onclick: turn }, text, arrow) : text,
        );
      }),
    );
  }

  function rowOf(item, i) {
    const old = drawn.get(keyOf(item));
    if (old?.item === item) return old;
    const row = Object.assign(h('tr', { 'aria-rowindex': `${i + 2}` }, cells(item)), { item });
    if (old) swap(old, row);
    return row;
  }

  function draw() {
    pending = 0;
    if (!node.isConnected) return;
    const size = height();
    const from = top();
    let first = Math.max(0, Math.min(items.length, Math.floor(-from / size) - 6));
    let last = Math.min(items.length, Math.ceil((innerHeight - from) / size) + 6);
    const shown = new Map();
    const isUp = last > first && drawn.has(keyOf(items[last - 1])) && !drawn.has(keyOf(items[first]));
    const begun = performance.now();
    for (let n = 0, all = last - first; n < all; n++) {
      const i = isUp ? last - 1 - n : first + n;
      const key = keyOf(items[i]);
      const row = rowOf(items[i], i);
      row.classList.toggle('at', key === current);
      shown.set(key, row);
      if (performance.now() - begun > FRAME_MS && n + 1 < all) {
        // The rest comes with the next frame, so that scrolling goes on.
        if (isUp) first = i;
        else last = i + 1;
        later();
        break;
      }
    }
    for (const [key, row] of drawn) if (!shown.has(key)) row.remove();
    drawn = shown;
    set(above.firstChild, { style: { height: `${first * size}px` } });
    set(below.firstChild, { style: { height: `${(items.length - last) * size}px` } });
    if (above.parentNode !== body) body.append(above, below);
    let at = above.nextSibling;
    for (const row of isUp ? [...shown.values()].reverse() : shown.values()) {
      if (row === at) at = at.nextSibling;
      else body.insertBefore(row, at);
    }
    set(node, { 'aria-rowcount': `${items.length + 1}` });
    if (drawn.has(wanted)) {
      drawn.get(wanted).querySelector('a')?.focus({ preventScroll: true });
      wanted = null;
    }
    if (last > items.length - 30) load(true);
  }

  const later = () => {
    pending ||= requestAnimationFrame(draw);
  };

  async function load(isMore = false) {
    if (isMore && (!next || loading)) return;
    const [mine, after] = isMore ? [serial, next] : [++serial, undefined];
    loading = true;
    if (!isMore) wrong.replaceChildren();
    try {
      const page = await ask(after);
      if (mine !== serial) return;
      ({ next, total } = page);
      if (!isMore) {
        items = page.items;
        pages.length = 1;
        tell('');
      } else {
        const known = new Set(items.map(keyOf));
        items.push(...page.items.filter((item) => !known.has(keyOf(item))));
        pages.push(after);
      }
      show(items);
    } catch (failure) {
      if (mine === serial) fill(wrong, fault(failure));
    } finally {
      if (mine === serial) loading = false;
    }
  }

  function show(list) {
    items = list;
    if (!items.length) fill(place, options.empty());
    else if (node.parentNode !== place) fill(place, node, foot);
    const n = items.length;
    say(
      foot.firstChild,
      !next
        ? t('All {n}.', { n })
        : total
          ? t('{n} of {total}. Scroll for more.', { n, total })
          : t('{n} so far. Scroll for more.', { n }),
    );
    if (node.isConnected) draw();
    else later();
    options.drawn?.();
  }

  /** What is new waits behind a line; '' = nothing is new. */
  function tell(text) {
    news.hidden = !text;
    const again = () => {
      scrollTo(0, 0);
      load();
    };
    if (text) fill(news, button(text, { onclick: again }));
  }

  const indexOf = (key) => items.findIndex((item) => keyOf(item) === key);
  const at = () => items[indexOf(current)];

  function move(step) {
    if (!items.length) return;
    const from = indexOf(current);
    const to = Math.max(0, Math.min(items.length - 1, from < 0 ? 0 : from + step));
    current = wanted = keyOf(items[to]);
    const [y, size] = [top() + to * height(), height()];
    if (y < 60) scrollBy(0, y - 60);
    else if (y + size > innerHeight - 90) scrollBy(0, y + size - innerHeight + 90);
    draw();
  }

  node.addEventListener('click', (event) => {
    const row = event.target.closest('tbody tr:not(.pad)');
    if (!row) return;
    current = keyOf(row.item);
    later();
    if (!event.target.closest('a, button, input, label') && !getSelection().toString()) onOpen(row.item);
  });
  addEventListener('scroll', later, { passive: true });
  addEventListener('resize', later);
  drawHeads(options.sorted);

  const onAt = (act) => () => (at() ? act(at()) : false);
  return {
    place,
    wrong,
    news,
    load,
    show,
    tell,
    sort: drawHeads,
    get items() {
      return items;
    },
    get next() {
      return next;
    },
    /** The cursors of the first page and of those in sight. */
    inSight() {
      const from = Math.max(0, -node.getBoundingClientRect().top / HEIGHT);
      const places = [0, from, from + innerHeight / HEIGHT].map((row) => Math.floor(row / PAGE));
      return [...new Set(places)].filter((i) => i < pages.length).map((i) => pages[i]);
    },
    change(key, item) {
      const i = indexOf(key);
      if (i >= 0) items[i] = item;
      later();
    },
    redraw(all) {
      if (all) for (const row of drawn.values()) row.item = null;
      later();
    },
    /** The keys of a list, and those acts that are meant for the row that the keys are at. */
    keys(acts) {
      const arrow = (step) => () => (at() ? move(step) : false);
      const own = Object.fromEntries(Object.entries({ Enter: onOpen, ...acts }).map(([key, act]) => [key, onAt(act)]));
      return { j: () => move(1), k: () => move(-1), ArrowDown: arrow(1), ArrowUp: arrow(-1), ...own };
    },
    close() {
      serial++;
      removeEventListener('scroll', later);
      removeEventListener('resize', later);
      cancelAnimationFrame(pending);
    },
  };
}
