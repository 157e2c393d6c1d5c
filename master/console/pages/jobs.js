// All jobs: filter, order, the rows in sight, and acts on many.
import { h, fill, say, other, link, clean } from '../dom.js';
import { t, number } from '../i18n.js';
import { duration, time, when, coming, ms, lively, zoneOf, rough } from '../time.js';
import { state, words, spark, button, more, segments, empty, fault, labels, schedule, download, question } from '../parts.js';
import { rows } from '../rows.js';
import { filterBox, filterKeys } from '../filter.js';
import { get, post } from '../api.js';
import * as acts from '../acts.js';

const PAGE = 100;
const BULK_CHARACTERS = 1800; // The API's filters have at most 2,000.
const VIEWS = () => [
  ['', t('All'), 'jobs'],
  ['state:failing|broken', t('Need you'), null],
  ['state:running', t('Running'), null],
  ['state:paused', t('Paused'), 'paused'],
];

export async function render(_, frame) {
  let { filter = '', sort = 'state' } = frame.query;
  let items = [],
    after = null,
    total = 0,
    pages = [],
    loading = null,
    serial = 0,
    refreshed = 0;
  const chosen = new Map(); // From a job's name to its row.
  const labelsSeen = new Set();
  const count = h('span.faint');
  const clear = h(
    'button.link',
    {
      type: 'button',
      onclick: () => {
        box.set('');
        change('');
        box.focus();
      },
    },
    t('Clear'),
  );
  const end = h('span', count, ' ', clear);
  const box = filterBox({
    text: filter,
    label: t('Filter jobs'),
    placeholder: t('Name, command, label:team=data, next:<1h …'),
    keys: keysOf(),
    onchange: change,
    end,
  });
  const views = h('span');
  const news = h('div.news', { hidden: true });
  const wrong = h('div');
  const foot = h('div.foot', h('span'), h('span.end.wide-only', t('J K to move · Enter to open · X to choose · R to run')));
  const all = h('input', {
    type: 'checkbox',
    'aria-label': t('Choose all rows that are here'),
    onchange: () => {
      for (const job of items) {
        if (all.checked) chosen.set(job.name, job);
        else chosen.delete(job.name);
      }
      drawBar();
      table.redraw(true);
    },
  });
  const table = rows(
    [
      { head: all, width: 34, class: 'off' },
      { head: t('Job'), sort: 'name' },
      { head: t('State'), width: 178, sort: 'state' },
      { head: t('Last 20'), width: 116 },
      { head: t('Usually'), width: 92, class: 'num off' },
      { head: t('Schedule'), width: 216 },
      { head: t('Next time'), width: 128, sort: 'next' },
      { head: null, width: 144, class: 'off' },
    ],
    cells,
    (job) => job.name,
    {
      label: t('Jobs'),
      kind: 'joblist',
      sorted: sort,
      headless: t('Acts'),
      needMore: more_,
      onOpen: (job) => frame.go(link.job(job.name)),
      onSort: (next) => {
        sort = next;
        frame.setQuery({ sort: sort === 'state' ? '' : sort });
        table.sort(sort);
        load();
      },
    },
  );
  const body = h('div');
  const bar = h('div.chosenbar', { role: 'region', 'aria-label': t('Chosen jobs'), hidden: true });
  const node = h(
    'div',
    h('h1.sr', t('Jobs')),
    h('div.tools', views, box.node, h('a.b.big.first', { href: '/new' }, t('New job'), ' ', h('kbd', 'N'))),
    wrong,
    news,
    body,
    bar,
  );

  function cells(job) {
    const tick = h('input', {
      type: 'checkbox',
      checked: chosen.has(job.name),
      'aria-label': t('Choose {name}', { name: clean(job.name) }),
    });
    tick.addEventListener('change', () => {
      choose(job, tick.checked);
      tick.closest('tr').classList.toggle('on', tick.checked);
    });
    const row = [
      h('td.tick.off', h('label', tick)),
      h('td.name', h('div', h('a', { href: link.job(job.name) }, other(job.name)), h('span.sub.wide-only', labels(job.labels)))),
      h('td.one', standing(job)),
      h('td', spark(job.endings, job.running > 0)),
      h('td.num.dim.off', job.usualMs === null ? '' : duration(job.usualMs)),
      h('td.dim.one.off', schedule(job, zoneOf(job.timeZone))),
      h('td.one', job.next ? time(job.next, coming, job.timeZone) : h('span.faint', job.enabled ? t('none') : '–')),
      h(
        'td.act.off',
        h(
          'span.rowacts',
          button(t('Run'), { role: 'operator', name: t('Run {name}', { name: clean(job.name) }), onclick: () => acts.runNow(job.name) }),
          job.enabled
            ? button(t('Pause'), {
                role: 'operator',
                name: t('Pause {name}', { name: clean(job.name) }),
                onclick: () => acts.pause(job.name).then(refresh),
              })
            : button(t('Resume'), {
                role: 'operator',
                name: t('Resume {name}', { name: clean(job.name) }),
                onclick: () => acts.resume(job.name).then(refresh),
              }),
          more(job.name, () => acts.jobMenu(job, refresh)),
        ),
      ),
    ];
    if (chosen.has(job.name)) queueMicrotask(() => row[0].closest('tr')?.classList.add('on'));
    return row;
  }

  async function load() {
    const mine = ++serial;
    wrong.replaceChildren();
    try {
      const page = await get('jobs', { filter, sort, limit: PAGE });
      if (mine !== serial) return;
      ({ total } = page);
      [items, after, pages] = [page.jobs, page.next, [undefined]];
      news.hidden = true;
      noteLabels(page.jobs);
      draw();
    } catch (failure) {
      if (mine === serial) fill(wrong, fault(failure));
    }
  }

  async function more_() {
    if (!after || loading) return;
    const mine = serial;
    loading = get('jobs', { filter, sort, limit: PAGE, after });
    try {
      const page = await loading;
      if (mine !== serial) return;
      const known = new Set(items.map((job) => job.name));
      pages.push(after);
      after = page.next;
      items.push(...page.jobs.filter((job) => !known.has(job.name)));
      noteLabels(page.jobs);
      draw();
    } catch (failure) {
      if (mine === serial) fill(wrong, fault(failure));
    } finally {
      loading = null;
    }
  }

  /** Asks again for the rows in sight. They change in place; what is new waits behind a line. */
  async function refresh() {
    const mine = serial;
    refreshed = Date.now();
    if (!items.length) return load();
    const top = Math.max(0, -table.node.getBoundingClientRect().top / 36);
    const wanted = [...new Set([0, Math.floor(top / PAGE), Math.floor((top + innerHeight / 36) / PAGE)])].filter((i) => i < pages.length);
    try {
      const answers = await Promise.all(wanted.map((i) => get('jobs', { filter, sort, limit: PAGE, after: pages[i] })));
      if (mine !== serial) return;
      take(
        answers.flatMap((answer) => answer.jobs),
        answers[0].total,
      );
    } catch {
      /* The frame says what does not answer; the rows stay. */
    }
  }

  /** An event changes the row that it tells of, where it is. */
  function hear(data) {
    const before = items.find((job) => job.name === data?.jobName);
    if (!before) return;
    const { job, row, ended, ending } = data;
    const endings = ending && before.endings ? [...before.endings, ending].slice(-20) : before.endings;
    table.change(before.name, job ?? { ...before, endings, ...(ended ? { last: ended } : {}), ...row });
  }

  function take(fresh, totalNow) {
    const byName = new Map(fresh.map((job) => [job.name, job]));
    let added = byName.size;
    items.forEach((job, i) => {
      const now = byName.get(job.name);
      if (!now) return;
      added--;
      if (JSON.stringify(now) !== JSON.stringify(job)) items[i] = now;
    });
    const changed = Math.max(Math.abs(totalNow - total), after ? 0 : added);
    news.hidden = changed === 0;
    if (changed)
      fill(
        news,
        button(t('{n} {n|change|changes}: show', { n: changed }), {
          onclick: () => {
            scrollTo(0, 0);
            load();
          },
        }),
      );
    table.redraw();
    drawViews();
  }

  function draw() {
    const isEmpty = items.length === 0 && filter === '';
    node.querySelector('.tools').hidden = isEmpty;
    if (isEmpty) fill(body, nothing(frame));
    else if (items.length === 0) fill(body, empty(t('No job matches'), t('Words must all match. Take one away, or clear the filter.')));
    else if (!table.node.isConnected) fill(body, table.node, foot);
    say(count, filter ? t('{n} {n|job|jobs}', { n: total }) : '');
    clear.hidden = !filter;
    say(
      foot.firstChild,
      after ? t('{n} of {total}. The rest follows as you scroll.', { n: items.length, total }) : t('All {n}.', { n: total }),
    );
    table.show(items);
    frame.head({ title: t('Jobs'), count: total });
    drawViews();
  }

  function drawViews() {
    const counts = frame.live.now?.counts;
    const numbers = counts && { '': counts.jobs, 'state:failing|broken': counts.failing + counts.broken, 'state:paused': counts.paused };
    const text = JSON.stringify([numbers, filter]);
    if (views.said === text) return;
    views.said = text;
    fill(
      views,
      segments(
        t('Which jobs'),
        VIEWS().map(([value, name]) => [value, name, numbers?.[value]]),
        filter,
        (value) => {
          box.set(value);
          change(value);
        },
      ),
    );
  }

  function change(text) {
    if (text === filter) return;
    filter = text;
    frame.setQuery({ filter });
    load();
  }

  function noteLabels(jobs) {
    for (const job of jobs)
      for (const [name, value] of Object.entries(job.labels)) if (labelsSeen.size < 500) labelsSeen.add(`${name}=${value}`);
  }

  function keysOf() {
    const { trigger, from, to, ...keys } = filterKeys(get, () => [...labelsSeen], words());
    return keys;
  }

  // ---------- acts on many ----------

  function choose(job, isOn) {
    if (isOn) chosen.set(job.name, job);
    else chosen.delete(job.name);
    drawBar();
  }

  function drawBar() {
    bar.hidden = chosen.size === 0;
    all.checked = chosen.size > 0 && chosen.size === items.length;
    all.indeterminate = chosen.size > 0 && chosen.size < items.length;
    const act = (text, role, run, danger) =>
      h(
        'button',
        {
          type: 'button',
          class: danger ? 'danger' : '',
          data: { role },
          onclick: (event) => event.currentTarget.getAttribute('aria-disabled') !== 'true' && run(event.currentTarget),
        },
        text,
      );
    fill(
      bar,
      h('b', t('{n} {n|job|jobs} chosen', { n: chosen.size })),
      chosen.size === items.length &&
        total > items.length &&
        filter !== '' &&
        total <= 1000 &&
        act(t('Choose all {n}', { n: total }), 'viewer', chooseAll),
      act(t('Run now'), 'operator', (from) => bulk(from, 'run', t('Run {n} {n|job|jobs} now?', { n: chosen.size }), t('Run them'))),
      act(t('Pause'), 'operator', () => perform('pause', 'resume')),
      act(t('Resume'), 'operator', () => perform('resume', 'pause')),
      act(
        t('Kill…'),
        'operator',
        (from) => bulk(from, 'kill', t('Kill all runs of {n} {n|job|jobs}?', { n: chosen.size }), t('Kill them'), true),
        true,
      ),
      act(t('Export'), 'viewer', exportChosen),
      act(
        t('Delete…'),
        'editor',
        (from) => bulk(from, 'delete', t('Delete {n} {n|job|jobs}?', { n: chosen.size }), t('Delete {n}', { n: chosen.size }), true),
        true,
      ),
      h('button.x', { type: 'button', onclick: none }, 'Esc'),
    );
  }

  function none() {
    chosen.clear();
    drawBar();
    table.redraw(true);
  }

  async function chooseAll() {
    const page = await get('jobs', { filter, limit: 1000, sort: 'name' });
    for (const job of page.jobs) chosen.set(job.name, job);
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

  async function ask(act, dryRun, list = filters()) {
    const done = [];
    for (const one of list) done.push(...(await post(`jobs/${act}`, undefined, { filter: one, dryRun: dryRun ? 'true' : '' })).jobs);
    return done;
  }

  /** Asks the API what would be done, says it in place, and does it. */
  async function bulk(from, act, title, yes, danger = false) {
    const list = filters();
    const trial = await acts.attempt('viewer', () => ask(act, true, list));
    if (!trial) return;
    const names = trial.slice(0, 8).map((one) => h('li.one', other(one.name)));
    const text = [
      act === 'delete'
        ? t('What runs goes on, and the log stays.')
        : act === 'kill'
          ? t('Each run gets SIGTERM, then SIGKILL.')
          : t('They run once, besides their schedule.'),
      h('ul', names, trial.length > 8 && h('li.faint', t('and {n} more', { n: trial.length - 8 }))),
    ];
    if (await question(from, { title, text, yes, danger })) await perform(act, null, list);
  }

  async function perform(act, back, list = filters()) {
    await acts.attempt(act === 'delete' ? 'editor' : 'operator', async () => {
      const done = await ask(act, false, list);
      const failed = done.filter((one) => one.error);
      const n = done.length - failed.length;
      const text = {
        run: t('{n} {n|job was|jobs were} asked to run.', { n }),
        pause: t('{n} {n|job is|jobs are} paused.', { n }),
        resume: t('{n} {n|job is|jobs are} resumed.', { n }),
        kill: t('The end of all runs of {n} {n|job|jobs} was asked for.', { n }),
        delete: t('{n} {n|job is|jobs are} deleted.', { n }),
      }[act];
      const { toast } = await import('../frame.js');
      toast(text, {
        undo: back && (() => ask(back, false, list).then(refresh)),
        href: act === 'run' ? link.runs({ filter: 'state:running|queued' }) : null,
      });
      if (failed.length)
        toast(`${t('{n} not done', { n: failed.length })}: ${clean(failed[0].name)}: ${failed[0].error}`, { isFault: true });
      none();
      await (act === 'delete' ? load() : refresh());
    });
  }

  async function exportChosen() {
    const jobs = await Promise.all([...chosen.keys()].slice(0, 200).map((name) => get(`jobs/${encodeURIComponent(name)}`)));
    download(`${JSON.stringify(jobs, null, 2)}\n`, 'jobs.json', 'application/json');
  }

  const onAt = (act) => () => {
    const job = table.at();
    return job ? act(job) : false;
  };
  await load();
  return {
    title: t('Jobs'),
    count: total,
    node,
    shown: () => table.redraw(),
    keys: {
      f: () => box.focus(),
      j: () => table.move(1),
      k: () => table.move(-1),
      ArrowDown: () => (table.at() ? table.move(1) : false),
      ArrowUp: () => (table.at() ? table.move(-1) : false),
      Enter: onAt((job) => frame.go(link.job(job.name))),
      x: onAt((job) => {
        choose(job, !chosen.has(job.name));
        table.redraw(true);
      }),
      r: onAt((job) => acts.runNow(job.name)),
      p: onAt((job) => (job.enabled ? acts.pause : acts.resume)(job.name).then(refresh)),
      e: onAt((job) => frame.go(link.edit(job.name))),
      y: onAt((job) => acts.copy(location.origin + link.job(job.name))),
      Escape: () => (chosen.size ? none() : false),
    },
    onLive(event) {
      if (event.kind === 'job' || event.kind === 'run') hear(event.data);
      else if (event.kind === 'reset' || (event.kind === 'now' && (!frame.live.hasEvents || Date.now() - refreshed > 15_000))) refresh();
      else if (event.kind === 'now') drawViews();
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
  if (job.state === 'paused' || job.state === 'broken') return h('span', { title: job.why ?? '' }, state(job.state));
  if (!job.last) return state(job.state);
  const { ending, startedAt } = job.last;
  const word = job.streak > 1 ? `${words()[ending]} ×${number(job.streak)}` : words()[ending];
  return [
    state(ending, word),
    lively(h('span.sub', { title: when(startedAt) }), () => t('{span} ago', { span: rough(Date.now() - ms(startedAt)) })),
  ];
}

function nothing(frame) {
  const workers = frame.live.now?.counts.workers ?? 0;
  const curl = `curl -X PUT ${location.origin}/api/v1/jobs/hello \\\n  -H 'Content-Type: application/json' \\\n  -d '{"command":"echo hello","cronExpr":"@minutely"}'`;
  return [
    empty(
      t('No jobs yet'),
      workers
        ? t('A job is a command and a time. {n} {n|worker is|workers are} here and {n|has|have} nothing to do.', { n: workers })
        : t('A job is a command and a time. No worker is here yet: start dts-worker on a host.'),
      h('a.b.big.first', { href: '/new' }, t('New job'), ' ', h('kbd', 'N')),
      h('a.b.big', { href: '/settings/import' }, t('Import a crontab')),
    ),
    h('div.empty.shell', h('p', t('Or from a shell:')), h('pre.field', curl)),
  ];
}
