// The jump box: pages, jobs and workers by any part of the name.
import { h, fill, other, link } from './dom.js';
import { t } from './i18n.js';
import { get } from './api.js';
import { places } from './frame.js';
import { icon, mark } from './parts.js';

export function open(frame) {
  if (document.querySelector('dialog[open]')) return;
  const from = document.activeElement;
  const input = h('input', {
    type: 'text',
    role: 'combobox',
    'aria-expanded': 'true',
    'aria-controls': 'jump-list',
    'aria-label': t('Jump to a job, a worker or a page'),
    placeholder: t('Jobs, workers, pages'),
    autocomplete: 'off',
    spellcheck: false,
  });
  const list = h('ul#jump-list', { role: 'listbox', 'aria-label': t('Places') });
  const none = h('p', { hidden: true }, t('Nothing has this in its name.'));
  const box = h('dialog.jumpbox', { 'aria-label': t('Jump') }, input, list, none);
  let found = [],
    at = 0,
    serial = 0,
    wait = 0,
    searched = null; // A promise: the list shows what was asked for.

  const draw = () => {
    fill(
      list,
      found.map((one, i) =>
        h(
          'li',
          { id: `jump-${i}`, role: 'option', 'aria-selected': String(i === at), onclick: () => take(i), onpointermove: () => choose(i) },
          one.mark,
          h('span.one', one.text),
          h('span.faint', one.kind),
        ),
      ),
    );
    none.hidden = found.length > 0;
    input.setAttribute('aria-activedescendant', found.length ? `jump-${at}` : '');
  };
  const choose = (i) => {
    if (i === at || !found.length) return;
    at = (i + found.length) % found.length;
    [...list.children].forEach((row, n) => row.setAttribute('aria-selected', String(n === at)));
    input.setAttribute('aria-activedescendant', `jump-${at}`);
    list.children[at].scrollIntoView({ block: 'nearest' });
  };
  const take = (i) => {
    const one = found[i];
    if (one) {
      box.close();
      frame.go(one.path);
    }
  };
  const search = async () => {
    const mine = ++serial;
    const text = input.value.trim();
    const pages = [...places(), { path: '/new', text: t('New job'), name: 'jobs' }]
      .filter((place) => place.text.toLowerCase().includes(text.toLowerCase()))
      .map((place) => ({ mark: icon(place.name), text: place.text, kind: t('page'), path: place.path }));
    found = text ? pages.slice(0, 3) : pages;
    at = 0;
    draw();
    if (!text) return;
    const quoted = `"${text.replaceAll('"', ' ')}"`;
    const [jobs, workers] = await Promise.all([
      get('jobs', { filter: quoted, limit: 12, sort: 'name' }).catch(() => ({ jobs: [] })),
      get('workers').catch(() => ({ workers: [] })),
    ]);
    if (mine !== serial) return;
    const wanted = text.toLowerCase();
    const rank = (job) => (job.name.toLowerCase().startsWith(wanted) ? 0 : job.name.toLowerCase().includes(wanted) ? 1 : 2);
    found = [
      ...jobs.jobs
        .toSorted((a, b) => rank(a) - rank(b))
        .map((job) => ({ mark: mark(job.state), text: other(job.name), kind: job.words, path: link.job(job.name) })),
      ...workers.workers
        .filter((worker) => worker.id.toLowerCase().includes(wanted))
        .slice(0, 4)
        .map((worker) => ({
          mark: icon('workers'),
          text: other(worker.id),
          kind: t('worker'),
          path: link.runs({ filter: `worker:"${worker.id}"` }),
        })),
      ...pages.slice(0, 3),
    ];
    at = 0;
    draw();
  };
  input.addEventListener('input', () => {
    clearTimeout(wait);
    searched = new Promise((done) => {
      wait = setTimeout(() => search().then(done), 60);
    });
  });
  box.addEventListener('keydown', (event) => {
    if (event.key === 'ArrowDown') choose(at + 1);
    else if (event.key === 'ArrowUp') choose(at - 1 < 0 ? found.length - 1 : at - 1);
    else if (event.key === 'Enter' && !event.isComposing) Promise.resolve(searched).then(() => take(at));
    else return;
    event.preventDefault();
  });
  box.addEventListener('pointerdown', (event) => {
    if (event.target === box) box.close();
  });
  box.addEventListener('close', () => {
    box.remove();
    from?.focus?.({ preventScroll: true });
  });
  document.body.append(box);
  box.showModal();
  search();
}
