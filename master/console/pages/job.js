// One job: how it is, what can be done with it, and its tabs.
import { h, fill, other, link } from '../dom.js';
import { t, inWords, inSentence } from '../i18n.js';
import { ask, get, path, Refused } from '../api.js';
import { time, coming } from '../time.js';
import { mark, words, button, anchor, menu, question, labels } from '../parts.js';
import { runNow, pause, resume, kill, remove, copy } from '../acts.js';

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
async function readJob(name) {
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
  const view = await (await TABS[tab][1]()).view(state, frame);
  const top = h('div.head');
  const drawTop = () => fill(top, headOf(state), state.job && actsOf(state, frame, refresh));
  drawTop();
  let waits = 0;

  async function refresh() {
    try {
      const next = await readJob(name);
      const changed = JSON.stringify([next.etag, next.row]) !== JSON.stringify([state.etag, state.row]);
      Object.assign(state, next);
      if (!changed) return;
      drawTop();
      await view.refresh?.();
    } catch {
      /* The line of the outage says so; what is shown stays. */
    }
  }

  function soon(delay) {
    waits ||= setTimeout(() => {
      waits = 0;
      refresh();
    }, delay);
  }

  const tabs = Object.entries(TABS).map(([one, [text]]) =>
    h('a', { href: link.job(name, one === 'runs' ? '' : one), 'aria-current': one === tab ? 'page' : null }, text()),
  );
  return {
    ...view,
    title: name,
    crumbs: [[t('Jobs'), '/jobs']],
    node: h('div', top, h('nav.tabs', { 'aria-label': t('job') }, tabs), view.node),
    keys: {
      e: () => frame.go(link.edit(name)),
      r: () => {
        runNow(name).then(() => soon(500));
      },
      p: () => {
        pauseOrResume(state).then(refresh);
      },
      y: () => copy(),
      Escape: () => frame.go('/jobs'),
      ...view.keys,
    },
    onLive: ({ kind, data }) => {
      if ((kind === 'job' || kind === 'run') && (data?.jobName ?? data?.name ?? data?.job?.name) === name) soon(300);
      else if (kind === 'reset' || (kind === 'now' && !frame.live.hasEvents)) soon(0);
    },
    close: () => {
      clearTimeout(waits);
      view.close?.();
    },
  };
}

const pauseOrResume = ({ name, job }) => (job.enabled ? pause(name) : resume(name));

function headOf({ name, job, row }) {
  if (!job)
    return h(
      'div.grow',
      h('h1', mark('lost', 'l'), other(name, 'span')),
      h('p.say', t('This job was deleted. Its history and its log are still here.')),
    );
  const shown = row?.state ?? (job.enabled ? 'unknown' : 'paused');
  const say = [row && inWords(row.words) + t('. ')];
  if (row?.state === 'broken') say.push(h('span.s-failed', t('No worker can run it: {why}', { why: inSentence(row.why) })));
  else if (!job.enabled) say.push(t('Paused: no planned fires.'));
  else if (row?.next) say.push(t('Next'), ' ', time(row.next, coming, job.timeZone), t('. '));
  else if (row) say.push(t('Nothing more is planned.'));
  return h(
    'div.grow',
    h('h1', mark(shown, 'l'), h('span.sr', words()[shown] ?? shown), other(name, 'span')),
    h('p.say.cap', say, ' ', h('span.wide-only', labels(job.labels), targetTag(job))),
    job.description && h('p.say.clamp', other(job.description, 'span')),
  );
}

function targetTag({ target, mode }) {
  const pairs = Object.entries(target?.labels ?? {}).map((pair) => pair.join('='));
  const what = [...(target?.workers ?? []), ...pairs].join(' ');
  if (mode === 'all') return h('span.tag', what ? t('every worker with {what}', { what }) : t('every worker'));
  return what && h('span.tag', t('any worker with {what}', { what }));
}

function actsOf(state, frame, refresh) {
  const { name, job, row } = state;
  const more = button('···', { kind: 'plain more', name: t('more actions for {name}', { name }), onclick: () => menu(more, moreActs()) });
  const goTo = (place) => () => frame.go(place);
  const end = () => kill(more, name, '', { grace: job.killGraceSeconds });
  const moreActs = () => [
    { text: t('Run on…'), role: 'operator', onclick: () => runWith(name, more) },
    (row?.running || row?.queued) && { text: t('Kill…'), role: 'operator', danger: true, onclick: end },
    { text: t('Copy as a new job'), href: `/new?from=${encodeURIComponent(name)}` },
    { text: t('Delete'), role: 'editor', danger: true, onclick: () => remove(name, goTo('/jobs'), goTo(link.job(name))) },
  ];
  return h(
    'div.acts',
    button(t('Run now'), { role: 'operator', title: 'R', onclick: () => runNow(name) }),
    button(job.enabled ? t('Pause') : t('Resume'), { role: 'operator', title: 'P', onclick: () => pauseOrResume(state).then(refresh) }),
    anchor(t('Edit'), link.edit(name), { title: 'E' }),
    more,
  );
}

async function runWith(name, from) {
  const given = await question(from, {
    title: t('Run {name} once', { name }),
    yes: t('Run it'),
    fields: [
      { name: 'worker', label: t('On the worker (empty: any that may run it)'), placeholder: 'eu-1' },
      { name: 'env', label: t('With these variables'), placeholder: 'FULL=yes DAY=2026-11-25' },
    ],
  });
  if (!given) return;
  const [worker, pairs] = [given.worker.trim(), given.env.matchAll(/([A-Za-z_]\w*)=("([^"]*)"|\S*)/g)];
  const env = Object.fromEntries([...pairs].map(([, key, value, inner]) => [key, inner ?? value]));
  await runNow(name, { ...(worker && { worker }), ...(Object.keys(env).length && { env }) });
}
