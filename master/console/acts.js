// What can be done with a job or a run, with the words that say what was done and the way back.
import { ask, get, post, path } from './api.js';
import { link, clean, quote } from './dom.js';
import { t } from './i18n.js';
import { toast, refusal } from './frame.js';
import { button, question, badEndings } from './parts.js';
import { clock, zoneOf } from './time.js';
import { askSoon } from './live.js';

const short = (name) => (clean(name).length > 60 ? `${clean(name).slice(0, 59)}…` : clean(name));

/** Does an act, if it may be done, and says what went wrong. Returns what the act returned, or undefined. */
export async function attempt(role, act) {
  const why = refusal(role);
  if (why) return void toast(why, { isFault: true });
  try {
    return await act();
  } catch (failure) {
    toast(failure.message, { isFault: true });
  } finally {
    askSoon(300);
  }
}

export function runNow(job, body = {}) {
  return attempt('operator', async () => {
    const run = await post(path`jobs/${job}/run`, body, undefined, { key: crypto.randomUUID?.() ?? String(Math.random()) });
    toast(t('{job} was asked to run.', { job: short(job) }), { href: link.run(job, run.runId), go: t('Watch') });
    return run;
  });
}

/** The button of a run that makes up for a planned time: its command finds that time in DTS_PLAN_TIME. */
export function runFor({ name, timeZone }, at) {
  const onclick = () => runNow(name, { planTime: new Date(at).toISOString() });
  return button(t('Run for {time}', { time: clock(at, zoneOf(timeZone)) }), { role: 'operator', onclick, title: 'DTS_PLAN_TIME' });
}

/** Does one of two acts, which the other takes back. */
const turn = (job, act, back, said) =>
  attempt('operator', async () => {
    const changed = await post(path`jobs/${job}/${act}`);
    toast(said, { undo: () => post(path`jobs/${job}/${back}`).then(() => askSoon(0)) });
    return changed;
  });

export const pause = (job) => turn(job, 'pause', 'resume', t('{job} is paused. Its running commands continue.', { job: short(job) }));
export const resume = (job) => turn(job, 'resume', 'pause', t('{job} is resumed.', { job: short(job) }));

/** What is wrong with a job now makes no message, and Now leaves the job out, until it has recovered. */
export function quiet(job) {
  return attempt('operator', async () => {
    const mute = await post('alerts/mutes', { filter: `job:${quote(job)}`, reason: '' }).catch((failure) => {
      if (failure.status !== 409) throw failure;
      throw new Error(t('Nothing is wrong with {job} now.', { job: short(job) }));
    });
    toast(t('{job} is quiet until it recovers.', { job: short(job) }), { undo: () => ask('DELETE', path`alerts/mutes/${mute.id}`) });
  });
}

/** Asks in place, then ends one run, or all of a job. A run that waits in the queue is taken out of it. grace: asked for if not given. */
export async function kill(from, job, runId = '', { isQueued = false, grace } = {}) {
  if (refusal('operator')) return undefined;
  grace ??= (await get(path`jobs/${job}`).catch(() => null))?.killGraceSeconds ?? 5;
  const answer = await question(from, {
    title: runId ? t('Kill this run of {job}?', { job: short(job) }) : t('Kill all runs of {job}?', { job: short(job) }),
    text: isQueued
      ? t('It has not started: it is taken out of the queue and recorded as cancelled.')
      : t('It gets SIGTERM now, and SIGKILL after {n} s. It is recorded as killed and does not run again by itself.', { n: grace }),
    yes: t('Kill it'),
    no: t('Let it run'),
    danger: true,
    fields: [{ name: 'reason', label: t('Reason (kept in its record)'), placeholder: '' }],
  });
  if (!answer) return undefined;
  return attempt('operator', async () => {
    const body = answer.reason ? { reason: answer.reason } : undefined;
    const effect = await post(runId ? path`runs/${job}/${runId}/kill` : path`jobs/${job}/kill`, body);
    toast(t('{job} is being killed; it ends within {n} s.', { job: short(job), n: grace }));
    return effect;
  });
}

/** Deletes a job; for ten seconds it can be had back. back: what is done then. */
export function remove(job, done, back) {
  return attempt('editor', async () => {
    const { data: gone } = await ask('DELETE', path`jobs/${job}`);
    toast(t('{job} is deleted. Its running commands continue; its log stays.', { job: short(job) }), {
      undo: async () => {
        await ask('PUT', path`jobs/${job}`, { body: gone, isNew: true, query: { lenient: 'true' } });
        if (back) back();
        else toast(t('{job} is back.', { job: short(job) }), { href: link.job(job) });
        askSoon(0);
      },
    });
    done?.();
    return gone;
  });
}

/** Copies a text, such as the address of this view. */
export async function copy(text = location.href, said = t('The link is copied.')) {
  try {
    await navigator.clipboard.writeText(text);
    toast(said);
  } catch {
    toast(t('The browser does not let this page copy.'), { isFault: true });
  }
}

/** The entries of a job's ··· menu. */
export function jobMenu(job, after = () => {}) {
  const { name } = job;
  const act = (text, role, run, more) => ({ text, role, onclick: (from) => run(from).then(after), ...more });
  const isTroubled = badEndings.includes(job.last?.ending) || job.state === 'broken';
  return [
    act(t('Run now'), 'operator', () => runNow(name)),
    job.enabled === false ? act(t('Resume'), 'operator', () => resume(name)) : act(t('Pause'), 'operator', () => pause(name)),
    isTroubled && act(t('Quiet until it recovers'), 'operator', () => quiet(name)),
    { text: t('Edit'), href: link.edit(name) },
    { text: t('Calendar'), href: link.job(name, 'calendar') },
    job.running > 0 && act(t('Kill…'), 'operator', (from) => kill(from, name), { danger: true }),
    act(t('Delete'), 'editor', () => remove(name), { danger: true }),
  ];
}
