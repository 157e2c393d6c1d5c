// How two texts, or two definitions of a job, differ. Pure.

const LINES_MAX = 400; // Beyond it a text is shown as removed and added: the table of the comparison grows with the square.

/** Lines that are the same, removed or added: [{ kind: 'same' | 'del' | 'add', text }]. */
export function diffLines(was, is) {
  const a = was.split('\n');
  const b = is.split('\n');
  if (a.length > LINES_MAX || b.length > LINES_MAX) {
    return [...a.map((text) => ({ kind: 'del', text })), ...b.map((text) => ({ kind: 'add', text }))];
  }
  const common = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      common[i][j] = a[i] === b[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
    }
  }
  const lines = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push({ kind: 'same', text: a[i++] });
      j++;
    } else if (j >= b.length || (i < a.length && common[i + 1][j] >= common[i][j + 1])) lines.push({ kind: 'del', text: a[i++] });
    else lines.push({ kind: 'add', text: b[j++] });
  }
  return lines;
}

/** Members with their values; a member of a member is named with a dot, as the API names it. */
export function flatten(job, nested = ['retry', 'target', 'labels', 'env', 'alert']) {
  const members = new Map();
  for (const [name, value] of Object.entries(job ?? {})) {
    if (value === undefined) continue;
    if (nested.includes(name) && value !== null && typeof value === 'object' && !Array.isArray(value)) {
      for (const [part, inner] of Object.entries(value)) members.set(`${name}.${part}`, inner);
    } else {
      members.set(name, value);
    }
  }
  return members;
}

const text = (value) => JSON.stringify(sorted(value));

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  );
}

/** The members in which two definitions differ: [{ member, was, is }]; undefined = it has none. */
export function diffJobs(was, is) {
  const before = flatten(was);
  const after = flatten(is);
  return [...new Set([...before.keys(), ...after.keys()])]
    .map((member) => ({ member, was: before.get(member), is: after.get(member) }))
    .filter((change) => text(change.was) !== text(change.is));
}

export const same = (a, b) => text(a) === text(b);

/** My changes on top of theirs. Members that both have changed differently are clashes, and keep theirs until one chooses. */
export function merge(base, mine, theirs) {
  const ours = diffJobs(base, mine);
  const others = new Map(diffJobs(base, theirs).map((change) => [change.member, change]));
  const clashes = ours.filter(({ member, is }) =>
    [...others].some(([other, change]) => touches(member, other) && text(change.is) !== text(is)),
  );
  return { mine: ours, theirs: [...others.values()], clashes: clashes.map((change) => change.member) };
}

const touches = (a, b) => a === b || a.startsWith(`${b}.`) || b.startsWith(`${a}.`);

/** A definition with some members set; undefined removes one, so that it has its default. */
export function withMembers(job, changes) {
  const next = structuredClone(job);
  for (const { member, is } of changes) {
    const dot = member.indexOf('.');
    const [owner, key] = dot < 0 ? [next, member] : [(next[member.slice(0, dot)] ??= {}), member.slice(dot + 1)];
    if (is === undefined) delete owner[key];
    else Object.defineProperty(owner, key, { value: structuredClone(is), enumerable: true, configurable: true, writable: true });
  }
  return next;
}
