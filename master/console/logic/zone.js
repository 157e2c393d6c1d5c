// Wall times of a zone. A wall time is a number of milliseconds, as if the wall clock were UTC.

const MINUTE = 60_000;
const formats = new Map();
const known = new Map();

function formatOf(zone) {
  let format = formats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    formats.set(zone, format);
  }
  return format;
}

/** Milliseconds that the zone's wall clock is ahead of UTC. Offsets change on a quarter of an hour. */
export function offsetAt(zone, at) {
  const quarter = Math.floor(at / (15 * MINUTE));
  const key = `${zone} ${quarter}`;
  let offset = known.get(key);
  if (offset === undefined) {
    const start = quarter * 15 * MINUTE;
    const part = Object.fromEntries(
      formatOf(zone)
        .formatToParts(start)
        .map(({ type, value }) => [type, Number(value)]),
    );
    offset = Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute, part.second) - start;
    if (known.size > 20_000) known.clear();
    known.set(key, offset);
  }
  return offset;
}

export const wallOf = (zone, at) => at + offsetAt(zone, at);

/** The instants at which the zone's clock shows a wall time: none in the gap of a clock change, two in a doubled hour. */
export function instantsOf(zone, wall) {
  const day = 24 * 60 * MINUTE;
  const offsets = new Set([offsetAt(zone, wall - day), offsetAt(zone, wall + day)]);
  return [...offsets]
    .map((offset) => wall - offset)
    .filter((at) => wallOf(zone, at) === wall)
    .sort((a, b) => a - b);
}

/** The instant at which a day of the zone begins. */
export function dayStart(zone, at) {
  const wall = wallOf(zone, at);
  const midnight = wall - (((wall % 86_400_000) + 86_400_000) % 86_400_000);
  return instantOf(zone, midnight);
}

/** The first instant of a wall time; in a gap the instant at which the gap begins. */
export function instantOf(zone, wall) {
  const [first] = instantsOf(zone, wall);
  return first ?? wall - offsetAt(zone, wall + 86_400_000);
}

export function isZone(zone) {
  try {
    formatOf(zone);
    return true;
  } catch {
    return false;
  }
}
