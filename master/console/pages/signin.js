// Signing in: with name and password, or with a token. Then the page that was asked for.
import { h, s, fill } from '../dom.js';
import { t, languages, language } from '../i18n.js';
import { post } from '../api.js';
import { fault, segments } from '../parts.js';

/** Only a path of this console: an address of somebody else is no place to go on to. */
const placeOf = (to) => (/^\/(?![/\\])[^\u0000-\u001f]*$/.test(to ?? '') && !to.startsWith('/signin') ? to : '/');

export function render(params, frame) {
  let how = localStorage.getItem('dts.signin') === 'token' ? 'token' : 'password';
  const [fields, said] = [h('div'), h('div', { 'aria-live': 'assertive' })];
  const input = (name, label, type, autocomplete) =>
    h(
      'label.lab-field',
      h('span.lab', label),
      h('input.field', { name, type, autocomplete, required: true, spellcheck: false, autocapitalize: 'off' }),
    );
  const help = h('div.no-account');
  const draw = () => {
    fill(
      fields,
      how === 'token'
        ? input('token', t('Token'), 'password', 'off')
        : [input('name', t('Name'), 'text', 'username'), input('password', t('Password'), 'password', 'current-password')],
    );
    fill(
      help,
      h('p', how === 'token' ? t('No token? An admin makes one with:') : t('No account? An admin makes one with:')),
      h('code', how === 'token' ? 'dts-master token create --name NAME --role operator' : 'dts-master user add NAME --role operator'),
    );
  };
  const submit = h('button.b.first.big', { type: 'submit' }, t('Sign in'));
  const form = h(
    'form',
    { 'aria-label': t('Sign in') },
    segments(
      t('Sign in with'),
      [
        ['password', t('Password')],
        ['token', t('Token')],
      ],
      how,
      (chosen) => {
        how = chosen;
        localStorage.setItem('dts.signin', how);
        draw();
        fill(said);
        fields.querySelector('input').focus();
      },
    ),
    fields,
    said,
    submit,
    help,
  );
  draw();
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    fill(said);
    submit.disabled = true;
    try {
      await post('session', Object.fromEntries(new FormData(form)));
      location.replace(placeOf(frame.query.to));
    } catch (failure) {
      fill(
        said,
        fault(
          failure.status === 404
            ? t('This master has no sign-in.')
            : failure.status === 401 && how !== 'token'
              ? t('Name or password are wrong.')
              : failure,
        ),
      );
      submit.disabled = false;
      fields.querySelector('label:last-child input').select();
    }
  });
  return {
    title: t('Sign in'),
    node: h(
      'div.login',
      h('div.mark', s('svg.logo', { 'aria-hidden': 'true' }, s('use', { href: '#logo' })), h('h1', 'DTS'), h('p', location.host)),
      form,
      h(
        'footer',
        segments(t('Language'), Object.entries(languages), language, (chosen) => frame.choose('language', chosen)),
      ),
    ),
    shown: () => fields.querySelector('input').focus(),
  };
}
