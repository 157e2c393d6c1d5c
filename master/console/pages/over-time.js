// Endings over time, for Now and Runs.
import { h, s, set } from '../dom.js';
import { endings } from '../parts.js';
import { when, clock, zoneOf } from '../time.js';

const WIDTH = 1168;
const HOUR = 3600_000;

/** Slot by slot: what succeeded rises from the line, what did not hangs below it, hollow what is to come. of(i): its endings. */
export function bars(kind, label, base, slots, of, planned = () => 0, mark = null) {
  const width = WIDTH / slots;
  const paths = {};
  const box = (name, i, y, height, inset = 0) => {
    const [x, w] = [(i * width + 1 + inset).toFixed(1), Math.max(1, width - 2 - 2 * inset).toFixed(1)];
    paths[name] = `${paths[name] ?? ''}M${x} ${y}h${w}v${height}h-${w}z`;
  };
  const all = Array.from({ length: slots }, (_, i) => [of(i) ?? {}, planned(i)]);
  const most = Math.max(1, ...all.map(([{ succeeded = 0 }, n]) => Math.max(succeeded, n)));
  const tall = (n) => Math.max(2, Math.round(((base - 3) * n) / most));
  all.forEach(([ended, plan], i) => {
    if (ended.succeeded) box('ok', i, base - tall(ended.succeeded), tall(ended.succeeded));
    if (plan) box('plan', i, base - 0.5 - tall(plan), tall(plan), 0.5);
    const bad = endings.slice(1).filter((ending) => ended[ending]);
    bad.slice(0, 3).forEach((ending, n) => box(ending, i, base + 3 + n * 5, 4, 0.5));
  });
  return s(
    `svg.${kind}`,
    { viewBox: `0 0 ${WIDTH} ${base + 20}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label },
    s('path.base', { d: `M0 ${base + 0.5}h${WIDTH}` }),
    Object.entries(paths).map(([name, d]) => s(`path.f-${name}`, { d })),
    mark !== null && s('path.now-l', { d: `M${(WIDTH * mark).toFixed(1)} 2v${base + 8}` }),
  );
}

const STEPS = [HOUR / 4, HOUR / 2, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR, 168 * HOUR, 720 * HOUR];

/** Times below a drawing. end: the word at its right end. */
export function axis(start, end, last) {
  const zone = zoneOf();
  const span = end - start;
  const step = STEPS.find((one) => span / one <= (innerWidth < 700 ? 5 : 10)) ?? STEPS.at(-1);
  const room = last ? (innerWidth < 700 ? 0.2 : 0.05) : 0.03;
  const list = [];
  for (let at = last ? Math.ceil(start / step) * step : start; at < end - span * room; at += step) {
    const text = step >= 24 * HOUR ? when(at, zone).slice(0, 6) : clock(at, zone);
    list.push(h('span', { style: { left: `${((at - start) / span) * 100}%` } }, text));
  }
  return h('div.axis', { 'aria-hidden': 'true' }, list, last && h('span.e', last));
}

/** Calls done(a, b), parts of the width, when somebody has dragged over a drawing. */
export function draggable(drawing, pick, done) {
  let begun = null;
  const sorted = (event) => [begun ?? 0, Math.max(0, Math.min(1, event.offsetX / drawing.clientWidth))].sort((x, y) => x - y);
  drawing.addEventListener('pointerdown', (event) => {
    begun = event.offsetX / drawing.clientWidth;
    drawing.setPointerCapture(event.pointerId);
  });
  drawing.addEventListener('pointermove', (event) => {
    if (begun === null) return;
    const [a, b] = sorted(event);
    pick.hidden = false;
    set(pick, { style: { left: `${a * 100}%`, width: `${(b - a) * 100}%` } });
  });
  drawing.addEventListener('pointerup', (event) => {
    const [a, b] = sorted(event);
    begun = null;
    pick.hidden = true;
    if (b - a > 0.004) done(a, b);
  });
}
