// The versions of a job: who saved what, how it differs from what is in force, and a way back.
import { h, fill, other, clean } from '../dom.js';
import { t } from '../i18n.js';
import { ask, get, path } from '../api.js';
import { time, when, ago } from '../time.js';
import { button, question, fault, empty, download } from '../parts.js';
import { toast } from '../frame.js';
import { attempt, copy } from '../acts.js';
import { diffLines } from '../logic/diff.js';

export const shown = (value) => (value === undefined || value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value));

/** Changes as lines: each member, then what it was and what it is. Texts of several lines are compared line by line. */
export function diffNode(changes, { was = 'del', is = 'add' } = {}) {
  const kinds = { del: was, add: is };
  const line = (kind, text) =>
    h(`div.${kind}`, h('span.sr', { del: t('removed:'), add: t('added:') }[kind] ?? ''), other(text, 'span'));
  const lines = (before, after) =>
    typeof before === 'string' && typeof after === 'string' && (before + after).includes('\n')
      ? diffLines(before, after).map(({ kind, text }) => line(kinds[kind] ?? kind, text))
      : [[was, before], [is, after]].map(([kind, value]) => (value ?? null) !== null && line(kind, shown(value) || t('(empty)')));
  return h('div.diff', changes.map((change) => [h('div.gap', clean(change.member)), lines(change.was, change.is)]));
}

export const whats = () => ({
  created: t('created'),
  changed: t('changed'),
  paused: t('paused'),
  resumed: t('resumed'),
  deleted: t('deleted'),
  saved: t('saved'),
});

export async function view(state, frame) {
  const read = async () => (await get(path`jobs/${state.name}/versions`, { limit: 100 })).versions;
  const model = { state, frame, versions: [], chosen: null, list: h('ol.vers', { 'aria-label': t('versions') }), side: h('div') };
  try {
    model.versions = await read();
  } catch (failure) {
    const none = () => empty(t('No version is known'), t('This job was put into etcd without a master.'));
    return { node: failure.status === 404 ? none() : fault(failure) };
  }
  drawList(model);
  const asked = model.versions.find((version) => version.revision === Number(frame.query.version));
  const first = asked ?? model.versions[1] ?? model.versions[0];
  if (first) await choose(model, first, true);
  return {
    node: h('div.hist', model.list, model.side),
    keys: { j: () => step(model, 1), k: () => step(model, -1) },
    async refresh() {
      model.versions = await read();
      drawList(model);
    },
  };
}

function step(model, by) {
  const i = model.versions.findIndex((version) => version.revision === model.chosen?.revision) + by;
  if (model.versions[i]) choose(model, model.versions[i]).then(() => model.list.querySelector('[aria-pressed=true]')?.focus());
}

function drawList(model) {
  const { versions, chosen, state, list } = model;
  const row = (version, i) => {
    const { what, changed, at, revision } = version;
    const text = what === 'changed' && changed?.length ? changed.join(', ') : (whats()[what] ?? what);
    const isNew = at && Date.now() - Date.parse(at) < 43_200_000;
    return h(
      'li',
      h(
        'button',
        { type: 'button', 'aria-pressed': String(revision === chosen?.revision), onclick: () => choose(model, version) },
        h('span.no', String(versions.length - i)),
        h('span.grow', h('b.one', other(text, 'span')), h('small', other(whoOf(version)), at && [', ', time(at, isNew ? ago : when)])),
        i === 0 && state.job && h('span.faint', t('now')),
      ),
    );
  };
  fill(list, versions.map(row));
}

function whoOf({ by, from }) {
  if (by === 'unknown') return t('not by a master');
  return by === 'local' ? t('from {address}', { address: from }) : by === 'token' ? t('apiToken, {address}', { address: from }) : by;
}

async function choose(model, version, isFirst = false) {
  model.chosen = version;
  if (!isFirst) model.frame.setQuery({ version: String(version.revision) });
  drawList(model);
  const { state: { name, job }, versions } = model;
  const isNow = job && version.revision === versions[0]?.revision;
  const to = isNow && versions[1]?.what !== 'deleted' ? versions[1]?.revision : undefined;
  // A version is compared with what is in force; what is in force, with the one before; one of a deleted job with nothing.
  const comparable = version.what !== 'deleted' && job && (!isNow || to);
  try {
    const [full, { changes }] = await Promise.all([
      get(path`jobs/${name}/versions/${version.revision}`),
      comparable ? get(path`jobs/${name}/versions/${version.revision}/diff`, { to }).catch(() => ({ changes: [] })) : { changes: [] },
    ]);
    if (model.chosen === version) drawVersion(model, version, full, changes, isNow, comparable);
  } catch (failure) {
    fill(model.side, fault(failure));
  }
}

function drawVersion(model, version, full, changes, isNow, comparable) {
  const { state, versions } = model;
  const n = versions.length - versions.indexOf(version);
  const json = h('pre.field.mono.json', { hidden: Boolean(comparable) || !full.job, tabindex: '0' }, JSON.stringify(full.job, null, 2));
  const look = button('JSON', {
    onclick: () => {
      json.hidden = !json.hidden;
      look.setAttribute('aria-pressed', String(!json.hidden));
    },
  });
  const back = button(t('Restore {n}…', { n }), { role: 'editor', onclick: () => restore(model, version, n, back) });
  const place = !state.job
    ? t('the job is deleted')
    : !isNow
      ? t('compared with {n}, which is in force', { n: versions.length })
      : comparable
        ? t('in force; compared with the one before')
        : t('in force');
  const none = !full.job
    ? version.what === 'deleted'
      ? t('The job was deleted here.')
      : t('Its definition is no longer kept.')
    : comparable && t('No difference.');
  const colours = () =>
    isNow ? t('Green is what this version added.') : t('Red is what version {n} has, green is what is in force.', { n });
  fill(
    model.side,
    h(
      'div.box',
      h(
        'div.box-h',
        h('b', t('Version {n}', { n })),
        h('span.faint', place),
        h('span.acts', full.job && comparable && look, full.job && !isNow && back),
      ),
      changes.length ? diffNode(changes, isNow ? { was: 'add', is: 'del' } : {}) : none && h('p.pad', none),
    ),
    json,
    h(
      'p.faint.after',
      changes.length > 0 && [colours(), ' '],
      version.at && t('Saved {when}, {who}.', { when: when(version.at), who: clean(whoOf(version)) }),
    ),
  );
}

async function restore({ state, frame, versions }, version, n, from) {
  const [old, next] = [versions.length, versions.length + 1];
  const isThere = Boolean(state.job);
  const yes = await question(from, {
    title: t('Restore version {n}?', { n }),
    text: isThere
      ? t('It becomes version {n} and is in force at once. Version {old} stays in this list.', { n: next, old })
      : t('The job is back, as it was then.'),
    yes: t('Restore as {n}', { n: next }),
    no: isThere ? t('Keep {n}', { n: old }) : t('Cancel'),
  });
  if (!yes) return;
  const put = ({ revision }, etag) => ask('POST', path`jobs/${state.name}/versions/${revision}/restore`, etag ? { etag } : {});
  await attempt('editor', async () => {
    await put(version, state.etag);
    const undo = () => put(versions[0]).then(() => frame.reload());
    toast(t('Version {n} is in force again.', { n }), isThere ? { undo } : {});
    frame.reload();
  });
}

/** The definition of a job as it is stored. */
export function viewJson(state) {
  const pre = h('pre.field.mono.json', { tabindex: '0', 'aria-label': t('definition') });
  const text = () => `${JSON.stringify(state.job, null, 2)}\n`;
  const draw = () => {
    pre.textContent = state.job ? text() : '';
  };
  draw();
  return {
    node: h(
      'div',
      h(
        'div.tools.end',
        button(t('Copy'), { onclick: () => copy(text(), t('Copied.')) }),
        button(t('Download'), { onclick: () => download(text(), `${state.name}.json`, 'application/json') }),
      ),
      pre,
      h('p.faint.after', t('Save it again with: {command}', { command: 'dts-master apply FILE' })),
    ),
    refresh: draw,
  };
}
