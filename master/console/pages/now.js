// The present moment: who needs somebody and why, today, what runs, what comes.
import { h, s, fill, say, set, sync, other, link, clean } from '../dom.js';
import { t, tn, number } from '../i18n.js';
import { duration, time, coming, when, clock, zoneOf, midnight, ms, lively, ago } from '../time.js';
import { mark, spark, meter, button, anchor, more, state, words, endings, badEndings, fault } from '../parts.js';
import { get } from '../api.js';
import * as acts from '../acts.js';

const QUARTER = 900_000;
const SHOWN = 8;
const GROUP = 4; // So many jobs with one cause are one card.

export async function render(_, frame) {
  const title = h('h1', t('Now'));
  const lead = h('p');
  const needs = h('ul.needs', { 'aria-label': t('Jobs that need you') });
  const again = h('ul.list.again', { 'aria-label': t('Jobs that are well again'), hidden: true });
  const today = h('section');
  const running = h('ul.list', { 'aria-label': t('Running') });
  const next = h('ul.list', { 'aria-label': t('Next') });
  const [runningNote, nextNote] = [h('span.faint'), h('span.faint')];
  const open = new Set(); // Groups that are shown one by one.
  const section = (name, note, ...end) => h('div.sec', h('h2', name), note, h('span.end', end));
  const node = h(
    'div.now',
    h('div.lead', h('div', title, lead)),
    needs,
    again,
    today,
    h(
      'div.cols',
      h(
        'section',
        section(
          t('Running'),
          runningNote,
          h('span.wide-only', t('so far, of the usual')),
          anchor(t('All'), link.runs({ filter: 'state:running|queued' }), { kind: '', name: t('All runs that go on') }),
        ),
        running,
      ),
      h('section', section(t('Next'), nextNote, anchor(t('All'), '/jobs?sort=next', { kind: '', name: t('All that come') })), next),
    ),
  );

  function draw(now, isAsked = false) {
    const { counts } = now;
    const cards = group(now.needsYou, open);
    const gone = now.workers ?? [];
    say(title, sentence(counts));
    const wellCount = counts.jobs - counts.needsYou - counts.paused - counts.unknown;
    say(
      lead,
      counts.jobs === 0
        ? t('There are no jobs yet.')
        : [
            t('{n} {n|is|are} well', { n: wellCount }),
            counts.paused && t('{n} {n|is|are} paused', { n: counts.paused }),
            counts.unknown && t('{n} {n|is|are} not read yet', { n: counts.unknown }),
          ]
            .filter(Boolean)
            .join(t(', ')) + t('.'),
    );
    const rest = counts.needsYou - now.needsYou.length;
    if (isAsked || !needs.matches(':hover') || needs.childElementCount === 0) {
      sync(needs, [...cards, ...gone.map((worker) => ({ worker })), ...(rest > 0 ? [{ key: 'rest', rest }] : [])], keyOf, (card) =>
        card.worker
          ? workerCard(card.worker)
          : card.rest
            ? restCard(card.rest)
            : card.all
              ? groupCard(card, () => {
                  open.add(card.key);
                  draw(now, true);
                })
              : jobCard(card.need),
      );
    }
    needs.hidden = needs.childElementCount === 0;
    sync(running, now.running.slice(0, SHOWN), (run) => `${run.jobName} ${run.runId}`, runRow);
    if (now.running.length === 0) fill(running, h('li.none', t('Nothing runs now.')));
    for (const bar of running.querySelectorAll('[data-since]')) set(bar.firstChild, { style: { width: `${part(bar.dataset)}%` } });
    const workers = new Set(now.running.map((run) => run.worker)).size;
    say(
      runningNote,
      counts.running
        ? t('{n}, on {m} of {all} {all|worker|workers}', { n: counts.running, m: workers, all: counts.workers })
        : t('{n} {n|worker|workers} with {slots} slots', { n: counts.workers, slots: counts.slots }),
    );
    sync(next, now.next.slice(0, SHOWN), (fire) => fire.jobName, nextRow);
    if (now.next.length === 0) fill(next, h('li.none', t('Nothing is planned within the hour.')));
    say(
      nextNote,
      now.next.length >= 100 ? t('100 jobs and more within the hour') : t('{n} {n|job|jobs} within the hour', { n: now.next.length }),
    );
    document.title = `${sentence(counts)} · DTS`;
  }

  draw(frame.live.now ?? (await get('now')));
  wellAgain(again);
  const day = todayPart(today, frame);
  return {
    title: t('Now'),
    node,
    onLive(event) {
      if (event.kind === 'now') {
        draw(event.data);
        day.refresh(event.data);
      }
      if (event.kind === 'reset') day.refresh(null, true);
    },
  };
}

function sentence(counts) {
  return counts.jobs === 0
    ? t('No jobs yet')
    : counts.needsYou > 0
      ? t('{n} {n|job needs|jobs need} you', { n: counts.needsYou })
      : counts.unknown > 0
        ? t('Endings are being read')
        : t('Nothing needs you');
}

/** What had trouble since somebody last looked, and has none now. */
async function wellAgain(list) {
  const now = Date.now();
  const since = Math.max(Number(localStorage.getItem('dts.looked') ?? now), now - 7 * 86_400_000);
  const looked = () => localStorage.setItem('dts.looked', String(now));
  if (now - since < 600_000) {
    if (since === now) looked();
    return;
  }
  const from = new Date(since).toISOString();
  const found = await Promise.all(
    badEndings.map((ending) => get('runs', { filter: `ending:${ending}`, from, limit: 50 }).catch(() => ({ runs: [] }))),
  );
  const latest = new Map(
    found
      .flatMap(({ runs }) => runs)
      .toSorted((a, b) => a.startTime - b.startTime)
      .map((run) => [run.jobName, run]),
  );
  const names = [...latest.keys()].slice(-20);
  if (names.length) {
    const { jobs } = await get('jobs', {
      filter: `job:${names.map((name) => `"${name.replace(/[\\"]/g, '\\$&')}"`).join('|')}`.slice(0, 1900),
    }).catch(() => ({ jobs: [] }));
    const well = jobs.filter((job) => ['well', 'running', 'queued'].includes(job.state) && job.last?.ending === 'succeeded').slice(0, 5);
    fill(
      list,
      well.map((job) => {
        const bad = latest.get(job.name);
        return h(
          'li',
          mark('ok'),
          h(
            'span.grow.one',
            h('a', { href: link.job(job.name) }, h('b', other(job.name))),
            ' ',
            tn('is well again since {time}', { time: time(job.last.startedAt, when, job.timeZone) }),
            ' ',
            h(
              'a.faint',
              { href: link.run(job.name, bad._id.slice(job.name.length + 1)) },
              t('{word} {time}', { word: words()[bad.status], time: when(bad.planTime, zoneOf(job.timeZone)) }),
            ),
          ),
          h('span.faint', time(job.last.startedAt, ago)),
        );
      }),
    );
    list.hidden = well.length === 0;
  }
  looked();
}

const keyOf = (card) => (card.worker ? `worker ${card.worker.id}` : card.key);

/** Jobs with one cause are one card, unless it has been opened. */
function group(needs, open) {
  const causes = new Map();
  for (const need of needs) {
    const cause = `${need.reason} ${(need.job.last?.lastLine || need.job.last?.err || need.job.why || '').replace(/\d+/g, '#')}`;
    const known = causes.get(cause);
    if (known && need.reason !== 'slow') known.push(need);
    else causes.set(need.reason === 'slow' ? `slow ${need.job.name}` : cause, [need]);
  }
  return [...causes].flatMap(([key, all]) =>
    all.length >= GROUP && !open.has(key)
      ? [{ key, all: all.map((one) => one.job.name), need: all[0] }]
      : all.map((need) => ({ key: `job ${need.job.name}`, need })),
  );
}

/** Why a job needs somebody, in words. */
function why({ reason, slow, job }) {
  if (reason === 'slow') {
    return lively(h('span.why.s-timedOut'), () =>
      t('running for {span}, usually {usual}', { span: duration(Date.now() - ms(slow.startedAt)), usual: duration(slow.usualMs ?? 0) }),
    );
  }
  if (reason === 'broken') return h('span.why.s-timedOut', t('no worker can run it'));
  const times = job.streak ?? 1;
  const first = (job.endings ?? []).filter((one) => !['skipped', 'cancelled'].includes(one.ending)).at(-times);
  const word = words()[reason] ?? reason;
  return h(
    `span.why.s-${reason}`,
    times > 1 && first
      ? tn('{word} {n} times in a row, since {time}', {
          word,
          n: times >= 20 ? '20+' : times,
          time: time(first.startedAt, when, job.timeZone),
        })
      : tn('{word} {time}', { word, time: time(reason === 'missed' ? job.last.planTime : job.last.startedAt, when, job.timeZone) }),
  );
}

function said({ reason, slow, job }) {
  if (reason === 'slow')
    return [t('On {worker}, since {time}', { worker: clean(slow.worker), time: when(slow.startedAt, zoneOf(job.timeZone)) })];
  if (reason === 'broken') return [clean(job.why ?? '')];
  const { err, lastLine, durationMs, worker } = job.last;
  const took = durationMs === null ? '' : t(' after {span}', { span: duration(durationMs) });
  const on = durationMs === null || !worker ? '' : t(' on {worker}', { worker: clean(worker) });
  return [h('span', `${capital(clean(err) || words()[job.last.ending])}${took}${on}`), lastLine ? [': ', other(lastLine, 'code')] : ''];
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function jobCard(need) {
  const { reason, slow, job } = need;
  const buttons =
    reason === 'slow'
      ? [
          anchor(t('Watch'), link.run(job.name, slow.runId)),
          button(t('Kill'), { kind: 'danger', role: 'operator', onclick: (_, from) => acts.kill(from, job.name, slow.runId) }),
        ]
      : reason === 'broken'
        ? [anchor(t('Edit'), link.edit(job.name))]
        : [
            reason === 'missed'
              ? anchor(t('Why'), link.job(job.name, `calendar?at=${encodeURIComponent(job.last.planTime)}`))
              : anchor(t('Last run'), link.run(job.name, job.last.runId)),
            button(t('Run now'), { role: 'operator', onclick: () => acts.runNow(job.name) }),
          ];
  return h(
    'li',
    mark(reason === 'slow' ? 'running' : reason),
    h('div', h('h2', h('a', { href: link.job(job.name) }, other(job.name)), why(need)), h('p.last.one', said(need))),
    spark(job.endings, job.running > 0),
    h(
      'div.nxt',
      job.next ? [time(job.next, (at, zone) => t('next {coming}', { coming: coming(at, zone) }), job.timeZone)] : t('no next time'),
      job.next && h('small', time(job.next, when, job.timeZone)),
    ),
    h(
      'div.acts',
      buttons,
      more(job.name, () => acts.jobMenu(job)),
    ),
  );
}

function groupCard({ all, need }, show) {
  const word = words()[need.reason] ?? need.reason;
  return h(
    'li',
    mark(need.reason === 'slow' ? 'running' : need.reason),
    h(
      'div',
      h(
        'h2',
        h('b', t('{n} jobs', { n: all.length })),
        h(
          `span.why.s-${need.reason === 'broken' ? 'timedOut' : need.reason}`,
          need.reason === 'broken' ? t('no worker can run them') : t('{word} for one reason', { word }),
        ),
      ),
      h('p.last.one', said(need)),
      h(
        'p.last.one.faint',
        all.slice(0, 12).map((name, i) => [i > 0 && t(', '), h('a', { href: link.job(name) }, other(name))]),
        all.length > 12 && ' …',
      ),
    ),
    h('span'),
    h('span'),
    h('div.acts', button(t('Show each'), { onclick: show })),
  );
}

function restCard(n) {
  return h(
    'li',
    mark('info'),
    h('div', anchor(t('and {n} {n|job|jobs} more that need you', { n }), link.jobs('state:failing|broken'), { kind: '' })),
  );
}

function workerCard(worker) {
  const isGone = worker.state === 'left';
  return h(
    'li',
    mark(isGone ? 'lost' : 'warn'),
    h(
      'div',
      h(
        'h2',
        h('a', { href: '/workers' }, other(worker.id)),
        h(`span.why.s-${isGone ? 'lost' : 'timedOut'}`, isGone ? tn('left {time}', { time: time(worker.leftAt) }) : t('claims nothing')),
      ),
      h(
        'p.last.one',
        isGone
          ? tn('It was on {host}; it had been there since {time}.', { host: other(worker.host), time: time(worker.started) })
          : clean(worker.refuses),
      ),
    ),
    h('span'),
    h('span'),
    h('div.acts', anchor(t('Its runs'), link.runs({ filter: `worker:"${worker.id}"` }))),
  );
}

const part = ({ since, usual }) => Math.round(Math.min(1, (Date.now() - since) / Math.max(1, usual)) * 100);

function runRow(run) {
  const bar = meter(0, 1);
  const isLong = run.usualMs !== null && Date.now() - ms(run.startedAt) > run.usualMs * 1.5 && Date.now() - ms(run.startedAt) > 10_000;
  set(bar, { class: isLong ? 'over' : '', data: { since: ms(run.startedAt), usual: run.usualMs ?? 0 } });
  if (run.usualMs === null) bar.classList.add('quiet');
  return h(
    'li',
    mark('running'),
    h('a.grow.one', { href: link.run(run.jobName, run.runId) }, other(run.jobName)),
    h('span.faint.one.wide-only.on', other(run.worker)),
    h('span.far', bar),
    h(
      'span.num.so',
      lively(h('span'), () => duration(Math.max(0, Date.now() - ms(run.startedAt)))),
      run.usualMs === null ? '' : h('span.faint', t(' of {span}', { span: duration(run.usualMs) })),
    ),
  );
}

function nextRow(fire) {
  return h(
    'li',
    h(
      'span.at',
      time(fire.planTime, (at, zone) => clock(at, zone, true)),
    ),
    h('a.grow.one', { href: link.job(fire.jobName) }, other(fire.jobName)),
    h('span.faint', time(fire.planTime, coming)),
  );
}

/** Planned fires by quarter hour: what succeeded rises, what did not hangs below, hollow what is to come. */
function todayPart(node, frame) {
  let asked = 0;
  let seen = '';
  const note = h('span.faint');
  const key = h('span.end.key');
  const chart = h('div.chart');
  const tip = h('div.tip', { hidden: true });
  fill(node, h('div.sec', h('h2', t('Today')), note, key), chart);

  async function refresh(now, force = false) {
    const ended = now && `${now.needsYou.length} ${now.counts.running}`;
    if (!force && Date.now() - asked < (ended === seen ? 60_000 : 15_000)) return;
    [asked, seen] = [Date.now(), ended ?? seen];
    const zone = zoneOf();
    const start = midnight(Date.now(), zone);
    const end = midnight(start + 26 * 3600_000, zone);
    const here = Math.floor(Date.now() / QUARTER) * QUARTER;
    const iso = (at) => new Date(at).toISOString();
    try {
      const [runs, plan] = await Promise.all([
        get('runs', { limit: '0', counts: 'quarter', from: iso(start), to: iso(Math.min(end, Date.now() + 60_000)) }),
        get('schedule', { step: 'quarter', from: iso(here), to: iso(Math.max(end, here + QUARTER)) }),
      ]);
      draw(start, end, here, runs.counts, plan);
    } catch (failure) {
      if (!chart.firstChild) fill(chart, fault(failure));
    }
  }

  function draw(start, end, here, counts, plan) {
    const slots = Math.round((end - start) / QUARTER);
    const width = 1168 / slots;
    const ended = new Map(counts.times.map(({ at, endings: of }) => [Math.round((ms(at) - start) / QUARTER), of]));
    const total = {};
    for (const of of ended.values()) for (const [ending, n] of Object.entries(of)) total[ending] = (total[ending] ?? 0) + n;
    const first = Math.round((here - start) / QUARTER);
    const planned = (i) => (i >= first ? (plan.fires[i - first] ?? 0) : 0);
    const top = Math.max(1, ...Array.from({ length: slots }, (_, i) => Math.max(ended.get(i)?.succeeded ?? 0, planned(i))));
    const paths = {};
    const box = (kind, x, y, w, tall) => {
      paths[kind] = `${paths[kind] ?? ''}M${x.toFixed(1)} ${y.toFixed(1)}h${w.toFixed(1)}v${tall.toFixed(1)}h-${w.toFixed(1)}z`;
    };
    for (let i = 0; i < slots; i++) {
      const of = ended.get(i) ?? {};
      const x = i * width + 1;
      if (of.succeeded) {
        const tall = Math.max(2, (74 * of.succeeded) / top);
        box('ok', x, 80 - tall, width - 2, tall);
      }
      if (i > first && planned(i)) {
        const tall = Math.max(2, (74 * planned(i)) / top);
        box('plan', x + 0.5, 79.5 - tall, width - 3, tall);
      }
      endings
        .slice(1)
        .filter((ending) => of[ending])
        .slice(0, 3)
        .forEach((ending, n) => box(ending, x + 0.5, 84 + n * 6, width - 3, 4));
    }
    const left = Math.min(1168, ((Date.now() - start) / QUARTER) * width);
    const zone = zoneOf();
    const drawing = s(
      'svg.day',
      { viewBox: '0 0 1168 102', preserveAspectRatio: 'none', role: 'img', 'aria-label': t('Runs of today by quarter hour') },
      s('path.base', { d: 'M0 80.5h1168' }),
      Object.entries(paths).map(([kind, d]) => s(`path.f-${kind}`, { d })),
      s('path.now-l', { d: `M${left} 2v88` }),
    );
    const hours = Array.from({ length: 8 }, (_, i) => start + i * 3 * 3600_000).map((at) =>
      h('span', { style: { left: `${((at - start) / (end - start)) * 100}%` } }, clock(at, zone).slice(0, 2)),
    );
    fill(chart, drawing, h('div.axis', { 'aria-hidden': 'true' }, hours), tip);
    drawing.addEventListener('pointermove', (event) => {
      const i = Math.min(slots - 1, Math.floor((event.offsetX / drawing.clientWidth) * slots));
      const of = ended.get(i) ?? {};
      const list = endings.filter((ending) => of[ending]).map((ending) => `${number(of[ending])} ${words()[ending]}`);
      if (i >= first && planned(i)) list.push(t('{n} planned', { n: planned(i) }));
      fill(
        tip,
        h('b', `${clock(start + i * QUARTER, zone)}–${clock(start + (i + 1) * QUARTER, zone)}`),
        list.join(t(', ')) || t('nothing'),
      );
      tip.hidden = false;
      set(tip, { style: { left: `${Math.min(Math.max(0, event.offsetX - 40), drawing.clientWidth - 160)}px` } });
    });
    drawing.addEventListener('pointerleave', () => {
      tip.hidden = true;
    });
    drawing.addEventListener('click', (event) => {
      const i = Math.min(slots - 1, Math.floor((event.offsetX / drawing.clientWidth) * slots));
      if (i <= first)
        frame.go(link.runs({ from: new Date(start + i * QUARTER).toISOString(), to: new Date(start + (i + 1) * QUARTER).toISOString() }));
    });
    const from = new Date(start).toISOString();
    say(
      note,
      t('{n} {n|run|runs} since {time}, {m} planned until midnight', {
        n: counts.total,
        time: clock(start, zone),
        m: plan.fires.slice(1).reduce((sum, n) => sum + n, 0),
      }),
    );
    fill(
      key,
      endings
        .filter((ending) => total[ending])
        .map((ending) =>
          h('a', { href: link.runs({ filter: `ending:${ending}`, from }) }, state(ending, `${number(total[ending])} ${words()[ending]}`)),
        ),
    );
  }

  refresh(null, true);
  return { refresh };
}
