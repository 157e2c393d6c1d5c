// The versions of a job: who saved what, how it differs from what is in force, and a way back.
import { h, fill, other, clean } from '../dom.js';
import { t } from '../i18n.js';
import { ask, get, path } from '../api.js';
import { time, when, ago } from '../time.js';
import { button, question, fault, empty, download } from '../parts.js';
import { diffLines } from '../logic/diff.js';

export const shown = (value) => (value === undefined || value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value));

/** Changes as lines: each member, then what it was and what it is. Texts of several lines are compared line by line. */
export function diffNode(changes, { was = 'del', is = 'add' } = {}) {
  return h(
    'div.diff',
    changes.map(({ member, was: before, is: after }) => [
      h('div.gap', clean(member)),
      typeof before === 'string' && typeof after === 'string' && (before + after).includes('\n')
        ? diffLines(before, after).map(({ kind, text }) => line(kind === 'del' ? was : kind === 'add' ? is : kind, text))
        : [
            before !== undefined && before !== null && line(was, shown(before)),
            after !== undefined && after !== null && line(is, shown(after)),
          ],
    ]),
  );
}

const line = (kind, text) =>
  h(`div.${kind}`, h('span.sr', kind === 'del' ? t('removed:') : kind === 'add' ? t('added:') : ''), other(text, 'span'));

export const whats = () => ({
  created: t('created'),
  changed: t('changed'),
  paused: t('paused'),
  resumed: t('resumed'),
  deleted: t('deleted'),
  saved: t('saved'),
});

function wordsOf(version) {
  const what = whats()[version.what] ?? version.what;
  return version.what === 'changed' && version.changed?.length ? version.changed.join(', ') : what;
}

export async function view(state, frame) {
  const { name } = state;
  let page;
  try {
    page = await get(path`jobs/${name}/versions`, { limit: 100 });
  } catch (failure) {
    return {
      node: failure.status === 404 ? empty(t('No version is known'), t('This job was put into etcd without a master.')) : fault(failure),
    };
  }
  const model = {
    state,
    frame,
    versions: page.versions,
    chosen: null,
    list: h('ol.vers', { 'aria-label': t('versions') }),
    side: h('div'),
  };
  drawList(model);
  const asked = Number(frame.query.version);
  const first = page.versions.find((version) => version.revision === asked) ?? page.versions[1] ?? page.versions[0];
  if (first) await choose(model, first, true);
  return {
    node: h('div.hist', model.list, model.side),
    keys: { j: () => step(model, 1), k: () => step(model, -1) },
    async refresh() {
      model.versions = (await get(path`jobs/${name}/versions`, { limit: 100 })).versions;
      drawList(model);
    },
  };
}

function step(model, by) {
  const i = model.versions.findIndex((version) => version.revision === model.chosen?.revision) + by;
  if (model.versions[i]) choose(model, model.versions[i]).then(() => model.list.querySelector('[aria-pressed=true]')?.focus());
}

function drawList(model) {
  const total = model.versions.length;
  fill(
    model.list,
    model.versions.map((version, i) =>
      h(
        'li',
        h(
          'button',
          { type: 'button', 'aria-pressed': String(version.revision === model.chosen?.revision), onclick: () => choose(model, version) },
          h('span.no', String(total - i)),
          h(
            'span.grow',
            h('b.one', other(wordsOf(version), 'span')),
            h(
              'small',
              other(whoOf(version)),
              version.at && [', ', time(version.at, Date.now() - Date.parse(version.at) < 43_200_000 ? ago : when)],
            ),
          ),
          i === 0 && model.state.job && h('span.faint', t('now')),
        ),
      ),
    ),
  );
}

const whoOf = ({ by, from }) =>
  by === 'unknown'
    ? t('not by a master')
    : by === 'local'
      ? t('from {address}', { address: from })
      : by === 'token'
        ? t('apiToken, {address}', { address: from })
        : by;

async function choose(model, version, isFirst = false) {
  model.chosen = version;
  if (!isFirst) model.frame.setQuery({ version: String(version.revision) });
  drawList(model);
  const { name, job } = model.state;
  const isNow = job && version.revision === model.versions[0]?.revision;
  try {
    const [full, diff] = await Promise.all([
      get(path`jobs/${name}/versions/${version.revision}`),
      version.what === 'deleted'
        ? { changes: [] }
        : get(
            path`jobs/${name}/versions/${version.revision}/diff`,
            isNow && model.versions[1] ? { to: model.versions[1].revision } : {},
          ).catch(() => ({ changes: [] })),
    ]);
    if (model.chosen === version) drawVersion(model, version, full, diff.changes, isNow);
  } catch (failure) {
    fill(model.side, fault(failure));
  }
}

function drawVersion(model, version, full, changes, isNow) {
  const { state, frame, versions } = model;
  const number = versions.length - versions.indexOf(version);
  const json = h('pre.field.mono.json', { hidden: true, tabindex: '0' }, JSON.stringify(full.job, null, 2));
  const look = button('JSON', {
    onclick: () => {
      json.hidden = !json.hidden;
      look.setAttribute('aria-pressed', String(!json.hidden));
    },
  });
  // The diff of a version is from it to what is in force; of the one in force, from it to the one before.
  const drawn = isNow ? diffNode(changes, { was: 'add', is: 'del' }) : diffNode(changes);
  const back = button(t('Restore {n}…', { n: number }), { role: 'editor', onclick: () => restore(model, version, number, back) });
  fill(
    model.side,
    h(
      'div.box',
      h(
        'div.box-h',
        h('b', t('Version {n}', { n: number })),
        h(
          'span.faint',
          !state.job
            ? t('the job is deleted')
            : isNow
              ? versions.length > 1
                ? t('in force; beside the one before')
                : t('in force')
              : t('beside {n}, which is in force', { n: versions.length }),
        ),
        h('span.acts', full.job && look, full.job && !isNow && back),
      ),
      changes.length
        ? drawn
        : h(
            'p.pad',
            full.job
              ? t('It does not differ.')
              : version.what === 'deleted'
                ? t('The job was deleted here.')
                : t('Its definition is not kept any more.'),
          ),
    ),
    json,
    h(
      'p.faint.after',
      changes.length > 0 &&
        state.job &&
        (isNow ? t('Green is what this version brought.') : t('Red is what version {n} has, green is what is in force.', { n: number })),
      ' ',
      version.at && t('Saved {when}, {who}.', { when: when(version.at), who: clean(whoOf(version)) }),
    ),
  );
}

async function restore({ state, frame, versions }, version, number, from) {
  const yes = await question(from, {
    title: t('Restore version {n}?', { n: number }),
    text: state.job
      ? t('It becomes version {n} and is in force at once. Version {old} stays in this list.', {
          n: versions.length + 1,
          old: versions.length,
        })
      : t('The job is there again, as it was then.'),
    yes: t('Restore as {n}', { n: versions.length + 1 }),
    no: state.job ? t('Keep {n}', { n: versions.length }) : t('Cancel'),
  });
  if (!yes) return;
  try {
    await ask('POST', path`jobs/${state.name}/versions/${version.revision}/restore`, state.etag ? { etag: state.etag } : {});
    frame.toast(
      t('Version {n} is in force again.', { n: number }),
      state.job
        ? { undo: () => ask('POST', path`jobs/${state.name}/versions/${versions[0].revision}/restore`).then(() => frame.reload()) }
        : {},
    );
    frame.reload();
  } catch (failure) {
    frame.toast(failure.message, { isFault: true });
  }
}

/** The definition of a job as it is stored. */
export function viewJson(state, frame) {
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
        button(t('Copy'), { onclick: () => navigator.clipboard.writeText(text()).then(() => frame.toast(t('Copied.'))) }),
        button(t('Download'), { onclick: () => download(text(), `${state.name}.json`, 'application/json') }),
      ),
      pre,
      h('p.faint.after', t('Save it again with: {command}', { command: 'dts-master apply FILE' })),
    ),
    refresh: draw,
  };
}
