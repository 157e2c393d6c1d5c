// The workers: who is here, how full, since when; who left.
import { h, fill, say, sync, other, link, clean } from '../dom.js';
import { t, tn, number } from '../i18n.js';
import { time, when, rough, ms, lively } from '../time.js';
import { state, words, meter, labels, empty, more } from '../parts.js';
import { get } from '../api.js';
import * as acts from '../acts.js';

export async function render(_, frame) {
  const title = h('h1'),
    lead = h('p');
  const body = h('tbody');
  const columns = [
    [t('Worker'), 170],
    [t('State'), 210],
    [t('Slots'), 230],
    [t('Here since'), 120],
    [t('Host'), 210],
    [t('Version'), 90],
    [t('Labels')],
    [h('span.sr', t('Acts')), 48],
  ];
  const table = h(
    'table.cards.workers',
    { 'aria-label': t('Workers') },
    h(
      'colgroup',
      columns.map(([, width]) => h('col', { style: width ? { width: `${width}px` } : {} })),
    ),
    h(
      'thead',
      h(
        'tr',
        columns.map(([text]) => h('th', { scope: 'col' }, text)),
      ),
    ),
    body,
  );
  const place = h('div');
  const node = h('div', h('div.lead', h('div', title, lead)), place);
  let workers = [];

  async function load() {
    ({ workers } = await get('workers'));
    const here = workers.filter((worker) => worker.state !== 'left');
    const gone = workers.length - here.length;
    const refusing = here.filter((worker) => worker.state === 'refusing').length;
    const slots = here.reduce((sum, worker) => sum + worker.slots, 0);
    say(
      title,
      here.length
        ? t('{n} of {slots} slots are taken', { n: here.reduce((sum, worker) => sum + worker.running, 0), slots })
        : t('No worker is here'),
    );
    say(
      lead,
      [
        here.length && t('{n} {n|worker is|workers are} here', { n: here.length }),
        refusing && t('{n} {n|claims|claim} nothing', { n: refusing }),
        gone && t('{n} left within a day', { n: gone }),
      ]
        .filter(Boolean)
        .join(t(', ')) + (workers.length ? t('.') : ''),
    );
    if (!workers.length)
      fill(
        place,
        empty(
          t('Jobs wait for a worker'),
          t('A worker is a host with dts-worker, which finds this cluster by its etcd. Nothing runs until one is here.'),
        ),
        h('div.empty.shell', h('pre.field', 'dts-worker --etcdEndpoints etcd.example:2379')),
      );
    else if (place.firstChild !== table) fill(place, table);
    sync(body, workers, (worker) => worker.id, row);
    frame.head({ title: t('Workers'), count: gone ? t('{n} of {all}', { n: here.length, all: workers.length }) : here.length });
  }

  await load();
  return {
    title: t('Workers'),
    node,
    shown: () => load().catch(() => {}),
    keys: { j: () => move(1), k: () => move(-1), y: () => acts.copy() },
    onLive(event) {
      if (['now', 'worker', 'reset'].includes(event.kind)) load().catch(() => {});
    },
  };

  function move(step) {
    const all = [...body.querySelectorAll('td.name a')];
    all[Math.max(0, Math.min(all.length - 1, all.indexOf(document.activeElement) + step))]?.focus();
  }
}

function row(worker) {
  const isHere = worker.state !== 'left';
  const runs = link.runs({ filter: `worker:"${worker.id.replace(/[\\"]/g, '\\$&')}"` });
  const going = link.runs({ filter: `state:running worker:"${worker.id.replace(/[\\"]/g, '\\$&')}"` });
  return h(
    'tr',
    h('td.name.one', h('a', { href: runs }, other(worker.id))),
    h(
      'td.one',
      { title: clean(worker.refuses) },
      worker.state === 'left'
        ? h('span.st.s-left', state('left', t('gone')).firstChild, h('span', tn('gone since {time}', { time: time(worker.leftAt, when) })))
        : state(worker.state, words()[worker.state]),
      worker.refuses ? h('span.sub', clean(worker.refuses)) : null,
    ),
    h(
      'td.slots-cell',
      isHere
        ? h(
            'span.slots',
            meter(worker.running, worker.slots, 'quiet'),
            h('a.dim', { href: going }, t('{n} of {slots}', { n: worker.running, slots: worker.slots })),
            worker.running >= worker.slots ? h('span.faint', t('full')) : null,
          )
        : h('span.faint', worker.running ? t('{n} {n|run|runs} to be declared lost', { n: worker.running }) : ''),
    ),
    h(
      'td.dim.off',
      isHere
        ? h(
            'span',
            { title: when(worker.started) },
            lively(h('span'), () => rough(Date.now() - ms(worker.started))),
          )
        : '',
    ),
    h(
      'td.dim.one.off',
      { title: `${clean(worker.host)} ${worker.address}, pid ${number(worker.process.pid)}` },
      other(worker.host),
      h('span.sub', worker.address),
    ),
    h('td.dim.one.off', other(worker.version, 'code')),
    h('td.dim.one.off', labels(worker.labels)),
    h(
      'td.act.off',
      more(worker.id, () => [
        { text: t('Its runs'), href: runs },
        { text: t('What runs on it'), href: going },
        { text: t('Jobs that ran on it'), href: link.jobs(`worker:"${worker.id}"`) },
        { text: t('Its time line'), href: link.runs({ filter: `worker:"${worker.id}"`, view: 'worker' }) },
      ]),
    ),
  );
}
