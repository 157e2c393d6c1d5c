// Signing in: with name and password, or with a token. Then the page that was asked for.
import { h, s, fill } from '../dom.js';
import { t, languages, language } from '../i18n.js';
import { post } from '../api.js';
import { segments } from '../parts.js';
import { input, form } from './settings-parts.js';

/** Only a path of this console: an address of somebody else is no place to go on to. */
const placeOf = (to) => (/^\/(?![/\\])[^\u0000-\u001f]*$/.test(to ?? '') && !to.startsWith('/signin') ? to : '/');

export function render(params, frame) {
  let isToken = localStorage.getItem('dts.signin') === 'token';
  const [fields, help] = [h('div'), h('div.no-account')];
  const field = (name, label, type, autocomplete) => input(name, label, { type, autocomplete, required: true, autocapitalize: 'off' });
  const focus = () => fields.querySelector('input').focus();
  function draw() {
    fill(
      fields,
      isToken
        ? field('token', t('Token'), 'password', 'off')
        : [field('name', t('Name'), 'text', 'username'), field('password', t('Password'), 'password', 'current-password')],
    );
    fill(
      help,
      h('p', isToken ? t('No token? An admin makes one with:') : t('No account? An admin makes one with:')),
      h('code', isToken ? 'dts-master token create --name NAME --role operator' : 'dts-master user add NAME --role operator'),
    );
  }
  draw();
  const ways = [['password', t('Password')], ['token', t('Token')]];
  const way = segments(t('Sign in with'), ways, isToken ? 'token' : 'password', (chosen) => {
    isToken = chosen === 'token';
    localStorage.setItem('dts.signin', chosen);
    draw();
    focus();
  });
  async function send(given) {
    try {
      await post('session', Object.fromEntries(given));
      location.replace(placeOf(frame.query.to));
    } catch (failure) {
      fields.querySelector('label:last-child input').select();
      if (failure.status === 404) throw new Error(t('This master has no sign-in.'));
      if (failure.status === 401 && !isToken) throw new Error(t('The name or the password is wrong.'));
      throw failure;
    }
  }
  const box = form('sign', t('Sign in'), [way, fields], t('Sign in'), send);
  box.append(help);
  const logo = s('svg.logo', { 'aria-hidden': 'true' }, s('use', { href: '#logo' }));
  const speak = segments(t('Language'), Object.entries(languages), language, (chosen) => frame.choose('language', chosen));
  return {
    title: t('Sign in'),
    node: h(
      'div.login',
      h('div.mark', logo, h('h1', 'DTS'), h('p', location.host)),
      box,
      h('footer', speak),
    ),
    shown: focus,
  };
}
