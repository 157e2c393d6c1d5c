// Keeps the console current: one stream of events, or, where the master has none, a question every few seconds.
//
// Scheme: /now is asked for at intervals and after events; each answer is heard by all as { kind: 'now', data }. Events of the stream
// are passed on as they come: { kind: 'job' | 'run' | 'worker' | 'alert', data }. After a gap ('reset', 'dropped', a new connection) all
// hear { kind: 'reset' } and ask again. Nothing heard for five seconds, or a master that cannot follow etcd: live.broken says so.
import { get, Refused } from './api.js';

const KINDS = ['job', 'run', 'worker', 'alert'];
const ASK_MS = 3000; // Without a stream.
const CHECK_MS = 5000; // With one.
const AFTER_EVENT_MS = 1500;
const STREAM_AGAIN_MS = 60_000;
const OLD_MS = 5000;

export const live = {
  now: null, // The latest answer of /now.
  heard: 0, // When: by our clock, in ms.
  broken: null, // { what: 'master' | 'etcd', since, detail }; null = all is well.
  hasEvents: false, // The stream is open: changes come by themselves.
  nextTry: 0,
};

const listeners = new Set();
let timer = 0;
let stream = null;
let asking = null;

/** Returns a function that ends the listening. */
export function listen(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function start() {
  openStream();
  document.addEventListener('visibilitychange', () => document.hidden || askSoon(0));
  addEventListener('online', () => askSoon(0));
  return askNow();
}

function tell(event) {
  for (const listener of listeners) {
    try {
      listener(event);
    } catch (bug) {
      console.error(bug);
    }
  }
}

export function askSoon(delay = AFTER_EVENT_MS) {
  const at = Date.now() + delay;
  if (live.nextTry > Date.now() && live.nextTry <= at) return;
  clearTimeout(timer);
  live.nextTry = at;
  timer = setTimeout(askNow, delay);
}

export function askNow() {
  clearTimeout(timer);
  asking ??= askOnce().finally(() => {
    asking = null;
    live.nextTry = 0;
    askSoon(document.hidden ? 30_000 : live.hasEvents ? CHECK_MS : ASK_MS);
  });
  return asking;
}

async function askOnce() {
  try {
    const data = await get('now', undefined, AbortSignal.timeout(8000));
    const lag = Date.parse(data.at) - Date.parse(data.asOf);
    live.now = data;
    live.heard = Date.now() - lag;
    note(lag > OLD_MS ? { what: 'etcd', since: live.broken?.since ?? live.heard, detail: '' } : null);
    tell({ kind: 'now', data });
  } catch (failure) {
    if (failure instanceof Refused && failure.status === 401) return;
    const isEtcd = failure instanceof Refused && failure.status === 503;
    note({ what: isEtcd ? 'etcd' : 'master', since: live.broken?.since ?? (live.heard || Date.now()), detail: failure.message });
  }
}

function note(broken) {
  const was = live.broken;
  live.broken = broken;
  if (Boolean(was) !== Boolean(broken) || was?.what !== broken?.what) tell({ kind: broken ? 'broken' : 'well' });
}

function openStream() {
  stream?.close();
  let isFirst = true;
  stream = new EventSource('/api/v1/events');
  stream.onopen = () => {
    live.hasEvents = true;
    if (!isFirst) tell({ kind: 'reset' });
    isFirst = false;
    askSoon(0);
  };
  stream.onerror = () => {
    live.hasEvents = false;
    askSoon();
    if (stream.readyState === EventSource.CLOSED) setTimeout(openStream, STREAM_AGAIN_MS); // This master has no stream, or refuses it.
  };
  for (const kind of KINDS) {
    stream.addEventListener(kind, (event) => {
      live.heard = Math.max(live.heard, live.broken ? 0 : Date.now());
      tell({ kind, data: parse(event.data) });
      askSoon();
    });
  }
  stream.addEventListener('health', (event) => {
    if (parse(event.data)?.follows === false) askSoon(0);
  });
  for (const kind of ['reset', 'dropped']) {
    stream.addEventListener(kind, () => {
      tell({ kind: 'reset' });
      askSoon(0);
    });
  }
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
