// What the pages of settings and the sign-in are made of.
import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { button, empty, fault } from '../parts.js';

export const roleWords = () => ({ viewer: t('viewer'), operator: t('operator'), editor: t('editor'), admin: t('admin') });
export const roleSays = () => ({
  viewer: t('sees jobs, runs and output, but no values of variables'),
  operator: t('also runs, kills, pauses and resumes'),
  editor: t('also saves and deletes jobs'),
  admin: t('also manages people, tokens and alerts, and reads the audit'),
});

/** The sentence that a page of settings begins with. */
export const lead = (title, text, ...acts) =>
  h('div.lead', h('div', h('h1', title), text && h('p', text)), acts.length > 0 && h('div.acts', acts));

/** What a page for admins shows to others, or on a master that has no such thing. */
export function refusedView(title, failure) {
  const admins = t('Only admins see this.');
  const text = { 401: admins, 403: admins, 404: t('This master does not offer it.') }[failure.status];
  return { node: h('div', lead(title), text ? empty(text) : fault(failure)) };
}

export const input = (name, label, more = {}) =>
  h('label.lab-field', h('span.lab', label), h('input.field', { name, spellcheck: false, autocomplete: 'off', ...more }));

export const check = (name, label, checked, value = 'true') =>
  h('label.check', h('input', { type: 'checkbox', name, checked, value }), label);

/** One of several: options are [value, text]. */
export const choice = (options, chosen, more) =>
  h('select.field', more, options.map(([value, text]) => h('option', { value, selected: value === chosen }, text)));

/** A form that says what is wrong with it in itself. send gets its FormData. */
export function form(kind, label, parts, yes, send, cancel = null) {
  const said = h('div.wide', { 'aria-live': 'assertive' });
  const submit = h('button.b.first', { type: 'submit' }, yes);
  const node = h(`form.${kind}`, { 'aria-label': label }, parts, said,
    h('div.acts', submit, cancel && button(t('Cancel'), { onclick: cancel })));
  node.addEventListener('submit', async (event) => {
    event.preventDefault();
    fill(said);
    submit.disabled = true;
    try {
      await send(new FormData(node));
    } catch (failure) {
      fill(said, fault(failure));
    }
    submit.disabled = false;
  });
  return node;
}

/** Opens a form in its place: made(close) returns it. */
export function openForm(place, made) {
  fill(place, made(() => fill(place)));
  place.querySelector('input').focus();
}
