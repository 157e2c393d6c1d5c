// All jobs: filter, order, the rows in sight, and acts on many.
import { h, fill, say, other, link, clean } from '../dom.js';
import { t, number, inSentence } from '../i18n.js';
import { duration, time, when, coming, ms, lively, zoneOf, rough } from '../time.js';
import { state, words, spark, button, more, segments, empty, labels, schedule, download, question } from '../parts.js';
import { rows, PAGE } from '../rows.js';
import { filterBox, filterKeys } from '../filter.js';
import { get, post } from '../api.js';
import { toast } from '../frame.js';
import * as acts from '../acts.js';

const BULK_CHARACTERS = 1800; // The API's filters have at most 2,000.
const VIEWS = () => [
  ['', t('All')],
  ['state:failing|broken', t('Need you')],
  ['state:running', t('Running')],
  ['state:paused', t('Paused')],
];

export async function render(_, frame) {
  let { filter = '', sort = 'state' } = frame.query;
  let total = 0,
    serial = 0,
    refreshed = 0;
  const chosen = new Map(); // From a job's name to its row.
  const labelsSeen = new Set();
  const count = h('span.faint');
  const clearAll = () => {
    box.set('');
    change('');
    box.focus();
  };
  const clear = h('button.link', { type: 'button', onclick: clearAll }, t('Clear'));
  const { trigger, from, to, ...keys } = filterKeys(get, () => [...labelsSeen], words());
  const box = filterBox({
    text: filter,
    label: t('Filter jobs'),
    placeholder: t('Name, command, label:team=data, next:<1h …'),
    keys,
    onchange: change,
    end: h('span', count, ' ', clear),
  });
  const views = h('span');
  const all = h('input', {
    type: 'checkbox',
    'aria-label': t('Choose all rows shown'),
    onchange: () => {
      for (const job of table.items) mark(job, all.checked);
      drawBar();
      table.redraw(true);
    },
  });
  const table = rows({
    label: t('Jobs'),
    kind: 'joblist',
    phoneHeight: 71,
    headless: t('Acts'),
    hint: t('J K to move · Enter to open · X to choose · R to run'),
    columns: [
      { head: all, width: 34, class: 'off' },
      { head: t('Job'), sort: 'name' },
      { head: t('State'), width: 178, sort: 'state' },
      { head: t('Last 20'), width: 116 },
      { head: t('Usually'), width: 92, class: 'num off' },
      { head: t('Schedule'), width: 216, class: 'off' },
      { head: t('Next time'), width: 152, sort: 'next' },
      { width: 160, class: 'off' },
    ],
    cells,
    keyOf: (job) => job.name,
    ask,
    empty: () => (filter ? empty(t('No job matches'), t('All words must match. Remove one, or clear the filter.')) : nothing(frame)),
    drawn,
    onOpen: (job) => frame.go(link.job(job.name)),
    sorted: sort,
    onSort: (by) => {
      sort = by;
      frame.setQuery({ sort: sort === 'state' ? '' : sort });
      table.sort(sort);
      table.load();
    },
  });
  const bar = h('div.chosenbar', { role: 'region', 'aria-label': t('Chosen jobs'), hidden: true });
  const tools = h('div.tools', views, box.node, newJob());
  const node = h('div', h('h1.sr', t('Jobs')), tools, table.wrong, table.news, table.place, bar);

  function cells(job) {
    const name = clean(job.name);
    const tick = h('input', { type: 'checkbox', checked: chosen.has(job.name), 'aria-label': t('Choose {name}', { name }) });
    const row = h('td.tick.off', h('label', tick));
    const show = () => row.closest('tr')?.classList.toggle('on', tick.checked);
    tick.addEventListener('change', () => {
      choose(job, tick.checked);
      show();
    });
    if (tick.checked) queueMicrotask(show);
    const act = (text, said, onclick) => button(text, { role: 'operator', name: said, onclick });
    const turn = job.enabled
      ? act(t('Pause'), t('Pause {name}', { name }), () => acts.pause(job.name).then(refresh))
      : act(t('Resume'), t('Resume {name}', { name }), () => acts.resume(job.name).then(refresh));
    return [
      row,
      h('td.name', h('div', h('a', { href: link.job(job.name) }, other(job.name)), h('span.sub.wide-only', labels(job.labels)))),
      h('td.one', standing(job)),
      h('td', spark(job.endings, job.running > 0)),
      h('td.num.dim.off', job.usualMs !== null && duration(job.usualMs)),
      h('td.dim.one.off', schedule(job, zoneOf(job.timeZone))),
      h('td.one', job.next ? time(job.next, coming, job.timeZone) : h('span.faint', job.enabled ? t('none') : t('not while paused'))),
      h(
        'td.act.off',
        h(
          'span.rowacts',
          act(t('Run'), t('Run {name}', { name }), () => acts.runNow(job.name)),
          turn,
          more(job.name, () => acts.jobMenu(job, refresh)),
        ),
      ),
    ];
  }

  async function ask(after) {
    if (!after) serial++;
    const page = await get('jobs', { filter, sort, limit: PAGE, after });
    ({ total } = page);
    for (const job of page.jobs)
      for (const [name, value] of Object.entries(job.labels)) if (labelsSeen.size < 500) labelsSeen.add(`${name}=${value}`);
    return { items: page.jobs, next: page.next, total };
  }

  /** Asks again for the rows in sight. They change in place; what is new waits behind a line. */
  async function refresh() {
    const mine = serial;
    refreshed = Date.now();
    if (!table.items.length) return table.load();
    try {
      const answers = await Promise.all(table.inSight().map((after) => get('jobs', { filter, sort, limit: PAGE, after })));
      if (mine !== serial) return;
      const fresh = new Map(answers.flatMap((answer) => answer.jobs).map((job) => [job.name, job]));
      let added = fresh.size;
      table.items.forEach((job, i) => {
        const now = fresh.get(job.name);
        if (!now) return;
        added--;
        if (JSON.stringify(now) !== JSON.stringify(job)) table.items[i] = now;
      });
      const n = Math.max(Math.abs(answers[0].total - total), table.next ? 0 : added);
      table.tell(n ? t('{n} {n|change|changes}: show', { n }) : '');
      table.redraw();
      drawViews();
    } catch {
      /* The frame says what does not answer; the rows stay. */
    }
  }

  /** An event changes the row that it tells of, where it is. */
  function hear(data) {
    const before = table.items.find((job) => job.name === data?.jobName);
    if (!before) return;
    const { job, row, ended, ending } = data;
    const endings = ending && before.endings ? [...before.endings, ending].slice(-20) : before.endings;
    table.change(before.name, job ?? { ...before, endings, ...(ended ? { last: ended } : {}), ...row });
  }

  function drawn() {
    tools.hidden = !table.items.length && !filter;
    say(count, filter ? t('{n} {n|job|jobs}', { n: total }) : '');
    clear.hidden = !filter;
    frame.head({ title: t('Jobs'), count: total });
    drawViews();
  }

  function drawViews() {
    const counts = frame.live.now?.counts;
    const numbers = counts && { '': counts.jobs, 'state:failing|broken': counts.failing + counts.broken, 'state:paused': counts.paused };
    const text = JSON.stringify([numbers, filter]);
    if (views.said === text) return;
    views.said = text;
    const list = VIEWS().map(([value, name]) => [value, name, numbers?.[value]]);
    const choose = (value) => {
      box.set(value);
      change(value);
    };
    fill(views, segments(t('Which jobs'), list, filter, choose));
  }

  function change(text) {
    if (text === filter) return;
    filter = text;
    frame.setQuery({ filter });
    table.load();
  }

  // ---------- acts on many ----------

  function mark(job, isOn) {
    if (isOn) chosen.set(job.name, job);
    else chosen.delete(job.name);
  }

  function choose(job, isOn) {
    mark(job, isOn);
    drawBar();
  }

  function drawBar() {
    const [n, here] = [chosen.size, table.items.length];
    bar.hidden = n === 0;
    all.checked = n > 0 && n === here;
    all.indeterminate = n > 0 && n < here;
    const act = (text, role, run, kind = '') => {
      const press = ({ currentTarget: from }) => from.getAttribute('aria-disabled') !== 'true' && run(from);
      return h('button', { type: 'button', class: kind, data: { role }, onclick: press }, text);
    };
    const ask = (what, title, yes, isDanger) => (from) => bulk(from, what, title, yes, isDanger);
    const kill = ask('kill', t('Kill all runs of {n} {n|job|jobs}?', { n }), t('Kill them'), true);
    const remove = ask('delete', t('Delete {n} {n|job|jobs}?', { n }), t('Delete {n}', { n }), true);
    const isMore = n === here && total > here && filter !== '' && total <= 1000;
    fill(
      bar,
      h('b', t('{n} {n|job|jobs} chosen', { n })),
      isMore && act(t('Choose all {n}', { n: total }), 'viewer', chooseAll),
      act(t('Run now'), 'operator', ask('run', t('Run {n} {n|job|jobs} now?', { n }), t('Run them'))),
      act(t('Pause'), 'operator', () => perform('pause', 'resume')),
      act(t('Resume'), 'operator', () => perform('resume', 'pause')),
      act(t('Kill…'), 'operator', kill, 'danger'),
      act(t('Export'), 'viewer', exportChosen),
      act(t('Delete…'), 'editor', remove, 'danger'),
      h('button.x', { type: 'button', onclick: none }, 'Esc'),
    );
  }

  function none() {
    chosen.clear();
    drawBar();
    table.redraw(true);
  }

  async function chooseAll() {
    for (const job of (await get('jobs', { filter, limit: 1000, sort: 'name' })).jobs) mark(job, true);
    drawBar();
    table.redraw(true);
  }

  /** The chosen jobs as filters, each short enough for one request. */
  function filters() {
    const list = [];
    let text = '';
    for (const name of chosen.keys()) {
      const word = `"${name.replace(/[\\"]/g, '\\$&')}"`;
      if (text && text.length + word.length > BULK_CHARACTERS) {
        list.push(text);
        text = '';
      }
      text += text ? `|${word}` : `job:${word}`;
    }
    return text ? [...list, text] : list;
  }

  async function askMany(act, dryRun, list) {
    const done = [];
    for (const one of list) done.push(...(await post(`jobs/${act}`, undefined, { filter: one, dryRun: dryRun ? 'true' : '' })).jobs);
    return done;
  }

  /** Asks the API what would be done, says it in place, and does it. */
  async function bulk(from, act, title, yes, danger = false) {
    const list = filters();
    const trial = await acts.attempt('viewer', () => askMany(act, true, list));
    if (!trial) return;
    const names = trial.slice(0, 8).map((one) => h('li.one', other(one.name)));
    const text = [
      act === 'delete'
        ? t('Running commands continue, and the log stays.')
        : act === 'kill'
          ? t('Each run gets SIGTERM, then SIGKILL.')
          : t('They run once, in addition to their schedule.'),
      h('ul', names, trial.length > 8 && h('li.faint', t('and {n} more', { n: trial.length - 8 }))),
    ];
    if (await question(from, { title, text, yes, danger })) await perform(act, null, list);
  }

  async function perform(act, back, list = filters()) {
    await acts.attempt(act === 'delete' ? 'editor' : 'operator', async () => {
      const done = await askMany(act, false, list);
      const failed = done.filter((one) => one.error);
      const n = done.length - failed.length;
      const text = {
        run: t('{n} {n|job was|jobs were} asked to run.', { n }),
        pause: t('{n} {n|job is|jobs are} paused.', { n }),
        resume: t('{n} {n|job is|jobs are} resumed.', { n }),
        kill: t('All runs of {n} {n|job|jobs} are being killed.', { n }),
        delete: t('{n} {n|job is|jobs are} deleted.', { n }),
      }[act];
      toast(text, {
        undo: back && (() => askMany(back, false, list).then(refresh)),
        href: act === 'run' ? link.runs({ filter: 'state:running|queued' }) : null,
      });
      if (failed.length)
        toast(`${t('{n} not done', { n: failed.length })}: ${clean(failed[0].name)}: ${inSentence(failed[0].error)}`, { isFault: true });
      none();
      await (act === 'delete' ? table.load() : refresh());
    });
  }

  async function exportChosen() {
    const jobs = await Promise.all([...chosen.keys()].slice(0, 200).map((name) => get(`jobs/${encodeURIComponent(name)}`)));
    download(`${JSON.stringify(jobs, null, 2)}\n`, 'jobs.json', 'application/json');
  }

  await table.load();
  return {
    title: t('Jobs'),
    count: total,
    node,
    shown: () => table.redraw(),
    keys: {
      f: () => box.focus(),
      Escape: () => (chosen.size ? none() : false),
      ...table.keys({
        x: (job) => {
          choose(job, !chosen.has(job.name));
          table.redraw(true);
        },
        r: (job) => acts.runNow(job.name),
        p: (job) => (job.enabled ? acts.pause : acts.resume)(job.name).then(refresh),
        e: (job) => frame.go(link.edit(job.name)),
        y: (job) => acts.copy(location.origin + link.job(job.name)),
      }),
    },
    onLive({ kind, data }) {
      if (kind === 'job' || kind === 'run') hear(data);
      else if (kind === 'reset' || (kind === 'now' && (!frame.live.hasEvents || Date.now() - refreshed > 15_000))) refresh();
      else if (kind === 'now') drawViews();
    },
    close: () => {
      table.close();
      serial++;
    },
  };
}

/** How a job stands: its state if that says most, else its latest ending. */
function standing(job) {
  if (job.state === 'running') return [state('running'), h('span.sub', job.running > 1 ? `×${job.running}` : '')];
  if (job.state === 'paused' || job.state === 'broken')
    return h('span', { title: inSentence(job.why ?? '') }, state(job.state), quietOf(job));
  if (!job.last) return state(job.state);
  const { ending, startedAt } = job.last;
  const word = job.streak > 1 ? `${words()[ending]} ×${number(job.streak)}` : words()[ending];
  return [
    state(ending, word),
    quietOf(job) || lively(h('span.sub', { title: when(startedAt) }), () => t('{span} ago', { span: rough(Date.now() - ms(startedAt)) })),
  ];
}

const quietOf = (job) => job.isMuted && h('span.sub', t('quiet'));

const newJob = () => h('a.b.big.first', { href: '/new' }, t('New job'), ' ', h('kbd', 'N'));

function nothing(frame) {
  const n = frame.live.now?.counts.workers ?? 0;
  const curl = [
    `curl -X PUT ${location.origin}/api/v1/jobs/hello`,
    "-H 'Content-Type: application/json'",
    `-d '{"command":"echo hello","cronExpr":"@minutely"}'`,
  ].join(' \\\n  ');
  const text = n
    ? t('A job is a command and a time. {n} {n|worker is|workers are} here and {n|has|have} nothing to do.', { n })
    : t('A job is a command and a time. No worker is here yet: start dts-worker on a host.');
  return [
    empty(t('No jobs yet'), text, newJob(), h('a.b.big', { href: '/settings/import' }, t('Import a crontab'))),
    h('div.empty.shell', h('p', t('Or from a shell:')), h('pre.field', curl)),
  ];
}
