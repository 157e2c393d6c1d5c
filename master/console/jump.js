// The jump box: pages, jobs and workers by any part of the name.
import { h, fill, other, link, quote } from './dom.js';
import { t, inWords } from './i18n.js';
import { get } from './api.js';
import { places } from './frame.js';
import { icon, mark, dialog } from './parts.js';

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
  const none = h('p', { hidden: true }, t('No name contains this.'));
  let found = [],
    at = 0,
    serial = 0,
    wait = 0,
    searched = null; // A promise: the list shows what was asked for.

  const row = (one, i) =>
    h(
      'li',
      { id: `jump-${i}`, role: 'option', 'aria-selected': String(i === at), onclick: () => take(i), onpointermove: () => choose(i) },
      one.mark,
      h('span.one', one.text),
      h('span.faint', one.kind),
    );
  const draw = (all) => {
    [found, at] = [all, 0];
    fill(list, found.map(row));
    none.hidden = found.length > 0;
    input.setAttribute('aria-activedescendant', found.length ? 'jump-0' : '');
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
    const wanted = text.toLowerCase();
    const has = (name) => name.toLowerCase().includes(wanted);
    const pages = [...places(), { path: '/new', text: t('New job'), name: 'jobs' }]
      .filter((place) => has(place.text))
      .map((place) => ({ mark: icon(place.name), text: place.text, kind: t('page'), path: place.path }));
    draw(text ? pages.slice(0, 3) : pages);
    if (!text) return;
    const [{ jobs }, { workers }] = await Promise.all([
      get('jobs', { filter: `"${text.replaceAll('"', ' ')}"`, limit: 12, sort: 'name' }).catch(() => ({ jobs: [] })),
      get('workers').catch(() => ({ workers: [] })),
    ]);
    if (mine !== serial) return;
    const rank = ({ name }) => (name.toLowerCase().startsWith(wanted) ? 0 : has(name) ? 1 : 2);
    const runsOn = (id) => link.runs({ filter: `worker:${quote(id)}` });
    const jobOf = (job) => ({ mark: mark(job.state), text: other(job.name), kind: inWords(job.words), path: link.job(job.name) });
    const workerOf = ({ id }) => ({ mark: icon('workers'), text: other(id), kind: t('worker'), path: runsOn(id) });
    draw([
      ...jobs.toSorted((a, b) => rank(a) - rank(b)).map(jobOf),
      ...workers.filter(({ id }) => has(id)).slice(0, 4).map(workerOf),
      ...pages.slice(0, 3),
    ]);
  };
  input.addEventListener('input', () => {
    clearTimeout(wait);
    searched = new Promise((done) => {
      wait = setTimeout(() => search().then(done), 60);
    });
  });
  const keys = (event) => {
    if (event.key === 'ArrowDown') choose(at + 1);
    else if (event.key === 'ArrowUp') choose(at - 1 < 0 ? found.length - 1 : at - 1);
    else if (event.key === 'Enter' && !event.isComposing) Promise.resolve(searched).then(() => take(at));
    else return;
    event.preventDefault();
  };
  const back = () => from?.focus?.({ preventScroll: true });
  const box = dialog('jumpbox', { 'aria-label': t('Jump'), onkeydown: keys }, [input, list, none], back);
  search();
}
