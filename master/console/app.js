// The console begins here: choices kept by this browser, the routes, the frame, then who we are and what is new.
import { route, prepare, startFrame, drawShell, frame, places, reload, go } from './frame.js';
import { choose as chooseLanguage, guess } from './i18n.js';
import { zones } from './time.js';
import { get, Refused } from './api.js';
import * as live from './live.js';
import * as keys from './keys.js';
import * as box from './jump.js'; // With the shell: what is typed after its key is typed into it.

const kept = (name, fallback) => localStorage.getItem(`dts.${name}`) ?? fallback;

async function apply() {
  await chooseLanguage(kept('language', guess()));
  zones.chosen = kept('zone', 'mine');
  const theme = kept('theme', 'auto');
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

/** zone: mine, utc, own; language: en, zh; theme: auto, light, dark; keys: on, off. */
async function choose(name, value) {
  localStorage.setItem(`dts.${name}`, value);
  await apply();
  drawShell();
  if (name !== 'theme' && name !== 'keys') reload();
}

let more = null;

/** A page whose looks are in pages-2.css: the first of them brings it. */
function styled(module) {
  return async () => {
    more ??= new Promise((resolve) => {
      const node = Object.assign(document.createElement('link'), {
        rel: 'stylesheet',
        href: new URL('pages-2.css', import.meta.url).href,
        onload: resolve,
        onerror: resolve,
      });
      document.head.append(node);
    });
    return (await Promise.all([import(module), more]))[0];
  };
}

/** A page with long tables. The modules that it imports are fetched together with it. */
function list(module) {
  return async () => (await Promise.all([import(module), import('./rows.js'), import('./filter.js')]))[0];
}

route('/', 'now', () => import('./pages/now.js'));
route('/jobs', 'jobs', list('./pages/jobs.js'));
route('/new', 'jobs', styled('./pages/edit.js'));
route('/jobs/:name/edit', 'jobs', styled('./pages/edit.js'));
route('/jobs/:name/:tab?', 'jobs', styled('./pages/job.js'));
route('/runs', 'runs', list('./pages/runs.js'));
route('/runs/:job/:runId', 'jobs', styled('./pages/run.js'));
route('/workers', 'workers', () => import('./pages/workers.js'));
route('/settings/:tab?', 'settings', styled('./pages/settings.js'));
route('/signin', 'signin', styled('./pages/signin.js'));

/** Who we are. A master without sign-in answers 404: then all may do all, as its guard decides. */
async function whoAmI() {
  try {
    frame.me = await get('me');
  } catch (failure) {
    if (!(failure instanceof Refused)) throw failure;
  }
  dispatchEvent(new CustomEvent('dts:me'));
}

prepare();
const known = whoAmI();
await apply();
keys.startKeys(places(), go);
const jump = () => box.open(frame);
document.getElementById('jump').addEventListener('click', jump);
keys.always({
  '/': jump,
  'ctrl-k': jump,
  n: () => go('/new'),
  '?': keys.showKeys,
});

await known;
await startFrame(choose);
live.start();
