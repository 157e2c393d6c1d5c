// Runs of all jobs: those that ended, those that go on; as a list, or over time by job or by worker.
import { h, s, fill, set, say, other, link, clean } from '../dom.js';
import { t, number } from '../i18n.js';
import { duration, time, when, exact, clock, zoneOf, ms, lively, full } from '../time.js';
import { state, words, button, segments, empty, fault, endings } from '../parts.js';
import { rows } from '../rows.js';
import { filterBox, filterKeys, split } from '../filter.js';
import { get } from '../api.js';
import * as acts from '../acts.js';

const PAGE = 100;
const HOUR = 3600_000;
const LANES = 80;
const DRAWN = 3000; // The most runs that lanes show.

export async function render(_, frame) {
  let { filter = '', from = '', to = '', view = '' } = frame.query;
  let items = [],
    next = null,
    loading = null,
    serial = 0,
    newest = '';
  const goesOn = () => split(filter).some((word) => /^state:/.test(word));
  const count = h('span.faint');
  const span = h('span');
  const { state: byState, label, next: _next, user, ...keys } = filterKeys(get, () => [], words());
  const running = async () => [
    ['running', words().running],
    ['queued', words().queued],
  ];
  const box = filterBox({
    text: filter,
    label: t('Filter runs'),
    placeholder: t('Job, worker, trigger, words of command or error …'),
    keys: { ...keys, state: { note: t('runs that have not ended'), values: running } },
    onchange: (text) => {
      if (text !== filter) {
        filter = text;
        frame.setQuery({ filter });
        load();
      }
    },
    end: [span, count],
  });
  const which = h('span'),
    wrong = h('div'),
    body = h('div'),
    chart = h('div.over-time'),
    news = h('div.news', { hidden: true });
  const views = segments(
    t('Shown as'),
    [
      ['', t('List')],
      ['job', t('By job')],
      ['worker', t('By worker')],
    ],
    view,
    (value) => {
      view = value;
      frame.setQuery({ view });
      load();
    },
  );
  const foot = h('div.foot', h('span'), h('span.end.wide-only', t('J K to move · Enter to open · Y to copy a link')));
  const node = h(
    'div',
    h('h1.sr', t('Runs')),
    h('div.tools', which, box.node, views, button(t('Copy as curl'), { kind: 'big wide-only', onclick: curl })),
    wrong,
    chart,
    news,
    body,
  );

  const idOf = (run) => (run._id ? run._id.slice(run.jobName.length + 1) : run.runId);
  const open = (run) => frame.go(link.run(run.jobName, idOf(run)));
  const options = { label: t('Runs'), kind: 'runlist', phoneHeight: 84, needMore: () => more(), onOpen: open, onSort() {} };
  const ended = rows(
    [
      { head: t('Ending'), width: 124 },
      { head: t('Planned'), width: 132 },
      { head: t('Job'), width: 240 },
      { head: t('Took'), width: 104, class: 'num' },
      { head: t('Exit'), width: 56, class: 'num off' },
      { head: t('Worker'), width: 100, class: 'off' },
      { head: t('Last line, or why') },
    ],
    endedCells,
    (run) => run._id,
    options,
  );
  const unended = rows(
    [
      { head: t('State'), width: 124 },
      { head: t('Planned'), width: 132 },
      { head: t('Job'), width: 300 },
      { head: t('So far'), width: 120, class: 'num' },
      { head: t('Attempt'), width: 76, class: 'num off' },
      { head: t('Worker'), width: 100, class: 'off' },
      { head: t('Trigger') },
    ],
    unendedCells,
    (run) => `${run.jobName} ${run.runId}`,
    options,
  );
  const table = () => (goesOn() ? unended : ended);

  const query = () => ({ filter, ...(goesOn() ? {} : { from, to }) });

  async function load() {
    const mine = ++serial;
    drawTools();
    wrong.replaceChildren();
    news.hidden = true;
    try {
      if (view) {
        await drawLanes(mine);
        return;
      }
      const page = await get('runs', { ...query(), limit: PAGE });
      if (mine !== serial) return;
      [items, next] = [goesOn() ? page.unended : page.runs, page.next];
      newest = items[0]?._id ?? '';
      draw();
      if (!goesOn()) drawCounts(mine).catch(() => {});
      else {
        chart.replaceChildren();
        say(count, t('{n} {n|run|runs}', { n: items.length }));
      }
    } catch (failure) {
      if (mine === serial) fill(wrong, fault(failure));
    }
  }

  async function more() {
    if (!next || loading) return;
    const mine = serial;
    loading = true;
    try {
      const page = await get('runs', { ...query(), limit: PAGE, after: next });
      if (mine !== serial) return;
      next = page.next;
      items.push(...(goesOn() ? page.unended : page.runs));
      draw();
    } catch (failure) {
      if (mine === serial) fill(wrong, fault(failure));
    } finally {
      loading = false;
    }
  }

  function draw() {
    if (items.length === 0) {
      fill(
        body,
        goesOn()
          ? empty(t('Nothing runs now'), t('Runs that go on or wait in the queue stand here.'))
          : empty(
              t('No run is here'),
              filter || from
                ? t('No run matches. Take a word away, or look at a longer time.')
                : t('What runs, and how it ended, stands here.'),
            ),
      );
    } else if (body.firstChild !== table().node) {
      fill(body, table().node, foot);
    }
    say(foot.firstChild, next ? t('{n} so far. The rest follows as you scroll.', { n: items.length }) : t('All {n}.', { n: items.length }));
    table().show(items);
  }

  function drawTools() {
    const running = frame.live.now?.counts;
    fill(
      which,
      segments(
        t('Which runs'),
        [
          ['', t('Ended')],
          ['state:running|queued', t('Not ended'), running && running.running + running.queued],
        ],
        goesOn() ? 'state:running|queued' : '',
        (value) => {
          filter = [...(value ? [value] : []), ...split(filter).filter((word) => !/^-?(state|ending|from|to):/.test(word))].join(' ');
          box.set(filter);
          frame.setQuery({ filter });
          load();
        },
      ),
    );
    const zone = zoneOf();
    fill(
      span,
      from || to
        ? h(
            'span.chip',
            h('span.v', `${from ? when(from, zone) : '…'} – ${to ? when(to, zone) : t('now')}`),
            h('button', { type: 'button', 'aria-label': t('Any time'), onclick: () => narrow('', '') }, '×'),
          )
        : null,
    );
  }

  function narrow(newFrom, newTo) {
    [from, to] = [newFrom, newTo];
    frame.setQuery({ from, to });
    load();
  }

  // ---------- list ----------

  function endedCells(run) {
    const job = other(run.jobName);
    const started = run.exitCode !== null || run.signal !== null;
    const reason = run.lastLine && run.status !== 'killed' ? other(run.lastLine, 'code') : h('span', clean(run.err));
    return [
      h('td', state(run.status)),
      h('td.dim', time(run.planTime, exact)),
      h(
        'td.name.one',
        h('a', { href: link.run(run.jobName, idOf(run)) }, job),
        run.attempt > 1 ? h('span.sub', t('attempt {n}', { n: run.attempt })) : null,
      ),
      h('td.num.dim', started ? duration(run.endTime - run.startTime) : ''),
      h(
        'td.num.off',
        started
          ? h(
              'span',
              { class: run.status === 'succeeded' ? 'dim' : 'exit' },
              run.exitCode ?? (run.signal && t('signal {n}', { n: run.signal })),
            )
          : '',
      ),
      h('td.dim.one.off', run.worker && started ? other(run.worker) : ''),
      h('td.one.full.why', { title: clean(run.err) }, reason),
    ];
  }

  function unendedCells(run) {
    return [
      h('td', state(run.state)),
      h('td.dim', time(run.planTime, exact)),
      h('td.name.one', h('a', { href: link.run(run.jobName, run.runId) }, other(run.jobName))),
      h(
        'td.num.dim',
        run.claimedAt
          ? lively(h('span'), () => duration(Date.now() - Math.max(ms(run.claimedAt), ms(run.notBefore ?? run.claimedAt))))
          : '',
      ),
      h('td.num.dim.off', number(run.attempt)),
      h('td.dim.one.off', other(run.worker)),
      h('td.one.full.why', run.isKillAsked ? t('its end was asked for') : triggerWord(run.trigger)),
    ];
  }

  // ---------- over time ----------

  /** The span in question, in ms. */
  function asked() {
    const end = to ? ms(to) : Date.now();
    const word = split(filter).find((one) => /^from:\d+[smhd]$/.test(one));
    const since = word ? Date.now() - Number(/\d+/.exec(word)[0]) * { s: 1000, m: 60_000, h: HOUR, d: 24 * HOUR }[word.at(-1)] : null;
    return [from ? ms(from) : (since ?? end - (view ? 6 : 24) * HOUR), end];
  }

  async function drawCounts(mine) {
    const [start, end] = asked();
    const hours = (end - start) / HOUR;
    const [step, length] =
      hours <= 3 ? ['minute', 60_000] : hours <= 60 ? ['quarter', 900_000] : hours <= 24 * 20 ? ['hour', HOUR] : ['day', 24 * HOUR];
    const { counts } = await get('runs', {
      filter,
      limit: '0',
      counts: step,
      from: new Date(start).toISOString(),
      to: to && new Date(end).toISOString(),
    });
    if (mine !== serial) return;
    say(count, t('{n} {n|run|runs}', { n: counts.total }));
    const slots = Math.max(1, Math.ceil((end - start) / length));
    const width = 1168 / slots;
    const most = Math.max(1, ...counts.times.map(({ endings: of }) => of.succeeded ?? 0));
    const paths = {};
    const add = (kind, x, y, tall) => {
      paths[kind] =
        `${paths[kind] ?? ''}M${x.toFixed(1)} ${y.toFixed(1)}h${Math.max(1, width - 1).toFixed(1)}v${tall}h-${Math.max(1, width - 1).toFixed(1)}z`;
    };
    for (const { at, endings: of } of counts.times) {
      const x = ((ms(at) - start) / length) * width;
      if (of.succeeded) {
        const tall = Math.max(1, Math.round((24 * of.succeeded) / most));
        add('ok', x, 26 - tall, tall);
      }
      endings
        .slice(1)
        .filter((ending) => of[ending])
        .slice(0, 3)
        .forEach((ending, n) => add(ending, x, 28 + n * 5, 4));
    }
    const pick = h('div.pick', { hidden: true });
    const drawing = s(
      'svg.mini',
      { viewBox: '0 0 1168 44', preserveAspectRatio: 'none', role: 'img', 'aria-label': t('Runs over time; drag to narrow') },
      s('path.base', { d: 'M0 26.5h1168' }),
      Object.entries(paths).map(([kind, d]) => s(`path.f-${kind}`, { d })),
    );
    fill(chart, drawing, axis(start, end), pick);
    drag(drawing, pick, (a, b) =>
      narrow(new Date(start + (end - start) * a).toISOString(), new Date(start + (end - start) * b).toISOString()),
    );
  }

  function drag(drawing, pick, done) {
    let begun = null;
    const at = (event) => Math.max(0, Math.min(1, event.offsetX / drawing.clientWidth));
    drawing.addEventListener('pointerdown', (event) => {
      begun = at(event);
      drawing.setPointerCapture(event.pointerId);
    });
    drawing.addEventListener('pointermove', (event) => {
      if (begun === null) return;
      const [a, b] = [begun, at(event)].sort((x, y) => x - y);
      pick.hidden = false;
      set(pick, { style: { left: `${a * 100}%`, width: `${(b - a) * 100}%` } });
    });
    drawing.addEventListener('pointerup', (event) => {
      const [a, b] = [begun ?? 0, at(event)].sort((x, y) => x - y);
      begun = null;
      pick.hidden = true;
      if (b - a > 0.004) done(a, b);
    });
  }

  function axis(start, end) {
    const zone = zoneOf();
    const step =
      [900_000, HOUR / 2, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR, 7 * 24 * HOUR].find((one) => (end - start) / one <= 10) ??
      30 * 24 * HOUR;
    const list = [];
    for (let at = Math.ceil(start / step) * step; at < end - (end - start) * (innerWidth < 700 ? 0.2 : 0.05); at += step)
      list.push(
        h(
          'span',
          { style: { left: `${((at - start) / (end - start)) * 100}%` } },
          step >= 24 * HOUR ? when(at, zone).slice(0, 6) : clock(at, zone),
        ),
      );
    return h('div.axis', { 'aria-hidden': 'true' }, list, to ? null : h('span.e', t('now')));
  }

  /** Runs as bars over time, a lane a job or a worker: which overlap, when hosts are busy, where there is room. */
  async function drawLanes(mine) {
    const [start, end] = asked();
    chart.replaceChildren();
    const all = [];
    const words_ = split(filter)
      .filter((word) => !/^state:/.test(word))
      .join(' ');
    for (let after; all.length < DRAWN;) {
      const page = await get('runs', {
        filter: words_,
        from: new Date(start - HOUR).toISOString(),
        to: new Date(end).toISOString(),
        limit: 1000,
        after,
      });
      if (mine !== serial) return;
      all.push(...page.runs);
      after = page.next;
      if (!after) break;
    }
    const live =
      to || /ending:/.test(words_)
        ? []
        : (
            await get('runs', {
              filter: ['state:running', ...split(words_).filter((word) => !/^-?(from|to):/.test(word))].join(' '),
              limit: 1000,
            })
          ).unended;
    if (mine !== serial) return;
    const bars = [
      ...all.map((run) => ({
        job: run.jobName,
        runId: idOf(run),
        worker: run.worker,
        kind: run.status,
        from: run.startTime,
        to: Math.max(run.endTime, run.startTime),
      })),
      ...live
        .filter((run) => run.claimedAt)
        .map((run) => ({
          job: run.jobName,
          runId: run.runId,
          worker: run.worker,
          kind: 'running',
          from: Math.max(ms(run.claimedAt), ms(run.notBefore ?? run.claimedAt)),
          to: Date.now(),
        })),
    ].filter((bar) => bar.to >= start && bar.from <= end);
    const lanes = Map.groupBy(bars, (bar) => (view === 'worker' ? bar.worker || t('no worker') : bar.job));
    const sorted = [...lanes].sort(([a], [b]) => a.localeCompare(b, undefined, { numeric: true }));
    say(count, t('{n} {n|run|runs}', { n: bars.length }));
    if (!sorted.length) {
      fill(body, empty(t('No run is here'), t('No run matches. Take a word away, or look at a longer time.')));
      return;
    }
    fill(
      body,
      h(
        'div.lanes',
        axis(start, end),
        sorted.slice(0, LANES).map(([name, of]) => lane(name, of, start, end)),
      ),
      h(
        'div.foot',
        h(
          'span',
          sorted.length > LANES ? t('{n} of {total} lanes. Narrow the filter for the others.', { n: LANES, total: sorted.length }) : '',
        ),
        h('span.end', all.length >= DRAWN ? t('the latest {n} runs', { n: all.length }) : ''),
      ),
    );
  }

  function lane(name, of, start, end) {
    const rowsEnd = [];
    let busy = 0;
    const track = h('div.track');
    for (const bar of of.toSorted((a, b) => a.from - b.from)) {
      const [a, b] = [Math.max(start, bar.from), Math.min(end, bar.to)];
      busy += Math.max(0, b - a);
      let row = rowsEnd.findIndex((free) => free <= bar.from);
      if (row < 0) row = rowsEnd.length < 8 ? rowsEnd.push(0) - 1 : 7;
      rowsEnd[row] = Math.max(bar.to, bar.from + (end - start) / 400);
      const said = `${clean(bar.job)}: ${words()[bar.kind]}, ${duration(bar.to - bar.from)}${bar.worker ? `, ${clean(bar.worker)}` : ''}`;
      track.append(
        h(`a.x-${bar.kind}`, {
          href: link.run(bar.job, bar.runId),
          'aria-label': said,
          title: `${said}\n${full(bar.from)}`,
          tabindex: '-1',
          style: {
            left: `${((a - start) / (end - start)) * 100}%`,
            width: `${((b - a) / (end - start)) * 100}%`,
            top: `${row * 17 + 9}px`,
          },
        }),
      );
    }
    set(track, { style: { height: `${Math.max(1, rowsEnd.length) * 17 + 15}px` } });
    const title =
      view === 'worker'
        ? h('a', { href: link.runs({ filter: `worker:"${name}"` }) }, other(name))
        : h('a', { href: link.job(name) }, other(name));
    return h(
      'div.lane',
      h(
        'div.one',
        h('b', title),
        h('div.busy', t('{n} {n|run|runs}, busy {p} %', { n: of.length, p: Math.min(100, Math.round((busy / (end - start)) * 100)) })),
      ),
      track,
    );
  }

  function curl() {
    const text = new URLSearchParams(Object.entries(query()).filter(([, value]) => value)).toString();
    acts.copy(`curl '${location.origin}/api/v1/runs${text ? `?${text.replaceAll("'", '%27')}` : ''}'`, t('The command is copied.'));
  }

  async function look() {
    if (view || to) return;
    const mine = serial;
    try {
      const page = await get('runs', { ...query(), limit: goesOn() ? PAGE : 50 });
      if (mine !== serial) return;
      if (goesOn()) {
        const before = new Set(items.map((run) => `${run.jobName} ${run.runId}`));
        const now = new Map(page.unended.map((run) => [`${run.jobName} ${run.runId}`, run]));
        items = items
          .filter((run) => now.has(`${run.jobName} ${run.runId}`) || (next && items.length > PAGE))
          .map((run) => {
            const fresh = now.get(`${run.jobName} ${run.runId}`);
            return fresh && JSON.stringify(fresh) !== JSON.stringify(run) ? fresh : run;
          });
        items.push(...page.unended.filter((run) => !before.has(`${run.jobName} ${run.runId}`)));
        draw();
        say(count, t('{n} {n|run|runs}', { n: items.length }));
        return;
      }
      const i = newest ? page.runs.findIndex((run) => run._id === newest) : page.runs.length ? page.runs.length : 0;
      const n = i < 0 ? page.runs.length : i;
      news.hidden = n === 0;
      if (n)
        fill(
          news,
          button(n >= 50 ? t('50 newer and more') : t('{n} newer', { n }), {
            onclick: () => {
              scrollTo(0, 0);
              load();
            },
          }),
        );
    } catch {
      /* The frame says what does not answer; the rows stay. */
    }
  }

  const onAt = (act) => () => {
    const run = table().at();
    return run ? act(run) : false;
  };
  await load();
  return {
    title: t('Runs'),
    node,
    shown: () => table().redraw(),
    keys: {
      f: () => box.focus(),
      j: () => table().move(1),
      k: () => table().move(-1),
      Enter: onAt(open),
      y: onAt((run) => acts.copy(location.origin + link.run(run.jobName, idOf(run)))),
    },
    onLive(event) {
      if (event.kind === 'now' || event.kind === 'reset') look();
    },
    close: () => {
      ended.close();
      unended.close();
      serial++;
    },
  };
}

export function triggerWord(trigger) {
  return (
    {
      schedule: t('schedule'),
      manual: t('by hand'),
      retry: t('retry'),
      rerun: t('run again'),
      dependent: t('after another job'),
      misfire: t('made up for'),
    }[trigger] ?? trigger
  );
}
