// The workers: who is here, how full, how punctual; who left, and with what.
import { h, fill, say, sync, other, link, clean, quote } from '../dom.js';
import { t, tn, number } from '../i18n.js';
import { time, when, rough, ms, lively, duration } from '../time.js';
import { state, words, meter, labels, empty, more, table, question } from '../parts.js';
import { get, post, path } from '../api.js';
import { toast } from '../frame.js';
import * as acts from '../acts.js';

const CLOCK_LIMIT = 100; // Beyond it a clock is worth a look.

export async function render(_, frame) {
  const [title, lead, place, body] = [h('h1'), h('p'), h('div'), h('tbody')];
  const columns = [
    { head: t('Worker'), width: 130 },
    { head: t('State'), width: 172 },
    { head: t('Slots'), width: 142 },
    { head: t('Clock'), width: 76, class: 'num' },
    { head: t('Lag'), width: 104, class: 'num' },
    { head: t('Spool'), width: 64, class: 'num' },
    { head: t('Here since'), width: 84 },
    { head: t('Host'), width: 132 },
    { head: t('Version'), width: 64 },
    { head: t('Labels') },
    { head: h('span.sr', t('Acts')), width: 48 },
  ];
  const list = table(t('Workers'), 'workers', columns, body);

  async function load() {
    const { workers } = await get('workers');
    const here = workers.filter((worker) => worker.state !== 'left');
    const [n, gone] = [here.length, workers.length - here.length];
    const count = (...states) => here.filter((worker) => states.includes(worker.state)).length;
    const sum = (of) => here.reduce((all, worker) => all + of(worker), 0);
    const [taken, slots] = [sum((one) => one.running), sum((one) => one.slots)];
    say(title, n ? t('{n} of {slots} slots are taken', { n: taken, slots }) : t('No worker is here'));
    const said = [
      n && t('{n} {n|worker is|workers are} here', { n }),
      count('refusing') && t('{n} {n|claims|claim} nothing', { n: count('refusing') }),
      count('drained', 'draining') && t('{n} {n|is|are} drained', { n: count('drained', 'draining') }),
      gone && t('{n} left in the last day', { n: gone }),
    ];
    say(lead, said.filter(Boolean).join(t(', ')) + (workers.length ? t('.') : ''));
    if (!workers.length) fill(place, nobody());
    else if (place.firstChild !== list) fill(place, list);
    sync(body, workers, (worker) => worker.id, (worker) => row(worker, load));
    frame.head({ title: t('Workers'), count: gone ? t('{n} of {all}', { n, all: workers.length }) : n });
  }

  function move(step) {
    const all = [...body.querySelectorAll('td.name a')];
    all[Math.max(0, Math.min(all.length - 1, all.indexOf(document.activeElement) + step))]?.focus();
  }

  await load();
  return {
    title: t('Workers'),
    node: h('div', h('div.lead', h('div', title, lead)), place),
    keys: { j: () => move(1), k: () => move(-1), y: () => acts.copy() },
    onLive: ({ kind }) => ['now', 'worker', 'reset'].includes(kind) && load().catch(() => {}),
  };
}

const nobody = () => [
  empty(
    t('Jobs wait for a worker'),
    t('A worker is a host with dts-worker, which finds this cluster by its etcd. Nothing runs until one is here.'),
  ),
  h('div.empty.shell', h('pre.field', 'dts-worker --etcdEndpoints etcd.example:2379')),
];

function row(worker, again) {
  const isHere = worker.state !== 'left';
  const { id, running, slots } = worker;
  const runs = (filter, more) => link.runs({ filter: `${filter}worker:${quote(id)}`, ...more });
  const going = runs('state:running ');
  const why = clean(worker.drain || worker.refuses); // "by mara at 2026-11-26T07:00:00Z", or why it claims nothing.
  const taken = () => [meter(running, slots, 'quiet'), h('a.dim', { href: going }, t('{n} of {slots}', { n: running, slots }))];
  const lost = () => [
    running > 0 && h('span.faint', t('{n} {n|run|runs} to be declared lost', { n: running })),
    running === 0 && h('a.faint', { href: runs('ending:lost ') }, t('its lost runs')),
  ];
  const cell = (kind, ...parts) => h(`td.dim.one.off${kind}`, isHere && parts);
  return h(
    'tr',
    h('td.name.one', h('a', { href: runs('') }, other(id))),
    h(
      'td.one',
      { title: why },
      isHere ? state(worker.state) : state('left', tn('gone since {time}', { time: time(worker.leftAt, when) })),
      isHere && why && h('span.sub', why.split(' at ')[0]),
    ),
    h('td.slots-cell', h('span.slots', isHere ? taken() : lost(), isHere && running >= slots && h('span.faint', t('full')))),
    cell('.num', clockOf(worker.clockAheadMs)),
    cell('.num', worker.lag && h('span', { title: `p50 ≤ ${duration(worker.lag.p50Ms)}` }, `p99 ≤ ${duration(worker.lag.p99Ms)}`)),
    cell('.num', spoolOf(worker)),
    cell('', h('span', { title: when(worker.started) }, lively(h('span'), () => rough(Date.now() - ms(worker.started))))),
    h(
      'td.dim.one.off',
      { title: `${clean(worker.host)} ${worker.address}, pid ${number(worker.process.pid)}` },
      other(worker.host),
      h('span.sub', worker.address),
    ),
    h('td.dim.one.off', other(worker.version, 'code')),
    h('td.dim.one.off', labels(worker.labels)),
    h(
      'td.act',
      more(id, () => [
        { text: t('Its runs'), href: runs('') },
        { text: t('Running on it'), href: going },
        { text: t('Jobs that ran on it'), href: link.jobs(`worker:${quote(id)}`) },
        { text: t('Its time line'), href: runs('', { view: 'worker' }) },
        worker.drain
          ? { text: t('Undrain'), role: 'operator', onclick: () => undrain(id, again) }
          : isHere && { text: t('Drain…'), role: 'operator', onclick: (from) => drain(from, worker, again) },
      ]),
    ),
  );
}

function clockOf(ahead) {
  if (ahead === null || ahead === undefined) return '';
  const [span, isOff] = [duration(Math.abs(ahead)), Math.abs(ahead) > CLOCK_LIMIT];
  return h('span', { class: isOff ? 's-timedOut' : '' }, `${ahead < 0 ? '−' : '+'}${span}`);
}

function spoolOf({ spool, refusedRecords: n }) {
  if (spool === null || spool === undefined) return '';
  const title = n > 0 && t('{n} {n|record|records} refused by the log store', { n });
  return h('span', { title, class: n > 0 ? 's-failed' : '' }, number(spool), n > 0 && ` + ${number(n)}`);
}

async function drain(from, { id }, again) {
  const text = [
    t('Its running commands continue. It claims nothing new, not even after a restart, until it is undrained. '),
    t('Other workers take over its jobs; jobs that only it may run are missed.'),
  ];
  if (!(await question(from, { title: t('Drain {id}?', { id: clean(id) }), text, yes: t('Drain it') }))) return;
  await acts.attempt('operator', async () => {
    await post(path`workers/${id}/drain`);
    toast(t('{id} is drained.', { id: clean(id) }), { undo: () => undrain(id, again) });
  });
  again();
}

async function undrain(id, again) {
  await acts.attempt('operator', async () => {
    await post(path`workers/${id}/undrain`);
    toast(t('{id} claims runs again.', { id: clean(id) }));
  });
  again();
}
