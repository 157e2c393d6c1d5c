// One job: how it is, what can be done with it, and its tabs.
import { h, fill, other, link } from '../dom.js';
import { t, inWords } from '../i18n.js';
import { ask, get, post, path, Refused } from '../api.js';
import { time, coming, zoneName } from '../time.js';
import { mark, words, button, anchor, menu, question, labels } from '../parts.js';

const TABS = {
  runs: [() => t('Runs'), () => import('./job-runs.js')],
  calendar: [() => t('Calendar'), () => import('./job-calendar.js')],
  statistics: [() => t('Statistics'), () => import('./job-statistics.js')],
  history: [() => t('History'), () => import('./job-history.js')],
  json: [() => 'JSON', () => import('./job-history.js').then((module) => ({ view: module.viewJson }))],
};

/** A value for the filter language, with quotes where it needs them. */
export const quoted = (text) => `"${text.replace(/["\\]/g, '\\$&')}"`;

/** A job's definition and its row of the list: { job, etag, row }; job is null for one that is deleted. */
export async function readJob(name) {
  const [stored, list] = await Promise.all([
    ask('GET', path`jobs/${name}`).catch((failure) => {
      if (failure.status === 404) return { data: null };
      throw failure;
    }),
    get('jobs', { filter: `job:${quoted(name)}`, limit: 1 }).catch((failure) => {
      if (failure instanceof Refused) return { jobs: [] };
      throw failure;
    }),
  ]);
  return { job: stored.data, etag: stored.etag, row: list.jobs[0] ?? null };
}

export async function render({ name, tab = 'runs' }, frame) {
  if (!TABS[tab]) tab = 'runs';
  const state = { name, ...(await readJob(name)) };
  if (!state.job && tab !== 'calendar') tab = 'history';
  const module = await TABS[tab][1]();
  const view = await module.view(state, frame);
  const top = h('div.head');
  const drawTop = () => fill(top, headOf(state), actsOf(state, frame, refresh));
  drawTop();
  let waits = 0;

  async function refresh() {
    const next = await readJob(name);
    const changed = JSON.stringify([next.etag, next.row]) !== JSON.stringify([state.etag, state.row]);
    Object.assign(state, next);
    if (changed) {
      drawTop();
      view.refresh?.();
    }
  }

  function soon(delay) {
    if (waits) return;
    waits = setTimeout(() => {
      waits = 0;
      refresh().catch(() => {});
    }, delay);
  }

  return {
    title: name,
    crumbs: [[t('Jobs'), '/jobs']],
    node: h('div', top, tabsOf(name, tab), view.node),
    keys: {
      e: () => frame.go(link.edit(name)),
      r: () => {
        runNow(name, frame).then(() => soon(500));
      },
      p: () => {
        pauseOrResume(state, frame).then(refresh);
      },
      Escape: () => frame.go('/jobs'),
      ...view.keys,
    },
    onLive: (event) => {
      if (event.kind === 'job' || event.kind === 'run') {
        if ((event.data?.jobName ?? event.data?.name ?? event.data?.job?.name) === name) soon(300);
      } else if (event.kind === 'reset' || (event.kind === 'now' && !frame.live.hasEvents)) soon(0);
      view.onLive?.(event);
    },
    shown: () => view.shown?.(),
    close: () => {
      clearTimeout(waits);
      view.close?.();
    },
  };
}

function headOf({ name, job, row }) {
  if (!job)
    return h(
      'div',
      h('h1', mark('lost', 'l'), other(name, 'span')),
      h('p.say', t('This job was deleted. Its history and its log are still here.')),
    );
  const shown = row?.state ?? (job.enabled ? 'unknown' : 'paused');
  const say = [];
  if (row) say.push(inWords(row.words) + t('. '));
  if (row?.state === 'broken') say.push(h('span.s-failed', t('No worker can run it: {why}', { why: row.why })), ' ');
  else if (!job.enabled) say.push(t('Paused: no planned fires.'), ' ');
  else if (row?.next) say.push(t('Next'), ' ', time(row.next, coming, job.timeZone), t('. '));
  else if (row) say.push(t('Nothing more is planned.'), ' ');
  return h(
    'div.grow',
    h('h1', mark(shown, 'l'), h('span.sr', words()[shown] ?? shown), other(name, 'span')),
    h('p.say.cap', say, h('span.wide-only', labels(job.labels), targetTag(job))),
    job.description && h('p.say', other(job.description, 'span')),
  );
}

function targetTag({ target, mode }) {
  const parts = [...(target?.workers ?? []), ...Object.entries(target?.labels ?? {}).map(([key, value]) => `${key}=${value}`)];
  if (mode === 'all') return h('span.tag', parts.length ? t('every worker with {what}', { what: parts.join(' ') }) : t('every worker'));
  return parts.length ? h('span.tag', t('any worker with {what}', { what: parts.join(' ') })) : null;
}

function actsOf(state, frame, refresh) {
  const { name, job } = state;
  if (!job) return null;
  const more = button('···', {
    kind: 'plain more',
    name: t('more acts for {name}', { name }),
    onclick: () => menu(more, moreActs(state, frame, refresh, more)),
  });
  return h(
    'div.acts',
    button(t('Run now'), { role: 'operator', title: 'R', onclick: () => runNow(name, frame) }),
    button(job.enabled ? t('Pause') : t('Resume'), {
      role: 'operator',
      title: 'P',
      onclick: () => pauseOrResume(state, frame).then(refresh),
    }),
    anchor(t('Edit'), link.edit(name), { title: 'E' }),
    more,
  );
}

function moreActs(state, frame, refresh, from) {
  const { name, job, row } = state;
  return [
    { text: t('Run on…'), role: 'operator', onclick: () => runWith(name, frame, from) },
    row?.running || row?.queued
      ? { text: t('Kill its runs…'), role: 'operator', danger: true, onclick: () => killAll(name, frame, from) }
      : null,
    { text: t('Copy as a new job'), href: `/new?from=${encodeURIComponent(name)}` },
    { text: t('Delete'), role: 'editor', danger: true, onclick: () => remove(state, frame) },
  ];
}

/** Does what a button asks for, and says what went wrong beside it. */
async function attempt(frame, act) {
  try {
    return await act();
  } catch (failure) {
    frame.toast(failure.message, { isFault: true });
    return null;
  }
}

export function runNow(name, frame, body = {}) {
  return attempt(frame, async () => {
    const asked = await post(path`jobs/${name}/run`, body, {}, { key: crypto.randomUUID?.() ?? String(Math.random()) });
    frame.toast(t('Asked to run.'), { href: link.run(asked.jobName, asked.runId), go: t('Watch it') });
  });
}

async function runWith(name, frame, from) {
  const given = await question(from, {
    title: t('Run {name} once', { name }),
    yes: t('Run it'),
    fields: [
      { name: 'worker', label: t('On the worker (empty: any that may)'), placeholder: 'eu-1' },
      { name: 'env', label: t('With these variables'), placeholder: 'FULL=yes DAY=2026-11-25' },
    ],
  });
  if (!given) return;
  const env = Object.fromEntries(
    [...given.env.matchAll(/([A-Za-z_]\w*)=("([^"]*)"|\S*)/g)].map(([, key, value, inner]) => [key, inner ?? value]),
  );
  await runNow(name, frame, {
    ...(given.worker.trim() ? { worker: given.worker.trim() } : {}),
    ...(Object.keys(env).length ? { env } : {}),
  });
}

async function killAll(name, frame, from) {
  const given = await question(from, {
    title: t('End all runs of this job?'),
    text: t('SIGTERM to them and all that they started; SIGKILL after the grace. Those in the queue are cancelled. None is retried.'),
    yes: t('Kill them'),
    no: t('Let them run'),
    danger: true,
    fields: [{ name: 'reason', label: t('Why? Kept in the log (may be empty)') }],
  });
  if (!given) return;
  await attempt(frame, async () => {
    const effect = await post(path`jobs/${name}/kill`, given.reason ? { reason: given.reason } : {});
    frame.toast(t('{n} asked to end, {m} taken from the queue.', { n: effect.running.length, m: effect.cancelled.length }));
  });
}

export function pauseOrResume({ name, job }, frame) {
  return attempt(frame, async () => {
    const [act, back] = job.enabled ? ['pause', 'resume'] : ['resume', 'pause'];
    await post(`${path`jobs/${name}`}/${act}`);
    frame.toast(job.enabled ? t('Paused.') : t('Resumed.'), {
      undo: () => post(`${path`jobs/${name}`}/${back}`).then(() => frame.reload()),
    });
  });
}

function remove({ name, job, etag }, frame) {
  return attempt(frame, async () => {
    await ask('DELETE', path`jobs/${name}`, { etag });
    frame.toast(t('Deleted {name}. What runs goes on; its log stays.', { name }), {
      undo: async () => {
        await ask('PUT', path`jobs/${name}`, { body: job, isNew: true, query: { lenient: 'true' } });
        frame.go(link.job(name));
      },
    });
    frame.go('/jobs');
  });
}

function tabsOf(name, chosen) {
  return h(
    'nav.tabs',
    { 'aria-label': t('job') },
    Object.entries(TABS).map(([tab, [text]]) =>
      h('a', { href: link.job(name, tab === 'runs' ? '' : tab), 'aria-current': tab === chosen ? 'page' : null }, text()),
    ),
  );
}

export const zoneOfJob = (job) => zoneName(job?.timeZone || 'UTC');
