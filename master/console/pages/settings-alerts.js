// Alerts: what is wrong now, who is told of what, what is quiet, and whether the messages arrive.
import { h, fill, other, link, clean } from '../dom.js';
import { t } from '../i18n.js';
import { ask, get, path } from '../api.js';
import { when, time, ago } from '../time.js';
import { button, fault, mark, state as chip, question } from '../parts.js';
import { lead } from './settings.js';
import { refusedView } from './settings-people.js';
import { quoted } from './job.js';

const EVENTS = ['failing', 'missed', 'lost', 'slow', 'noSuccess', 'workerGone', 'ledgerFault', 'recovered'];
const USUAL = ['failing', 'missed', 'lost', 'recovered'];

const eventWords = () => ({
  failing: t('failing'),
  missed: t('missed'),
  lost: t('lost'),
  slow: t('takes too long'),
  noSuccess: t('no success for long'),
  workerGone: t('worker gone'),
  ledgerFault: t('ledger fault'),
  recovered: t('recovered'),
});
const MARKS = {
  failing: 'failed',
  missed: 'missed',
  lost: 'lost',
  slow: 'running',
  noSuccess: 'timedOut',
  workerGone: 'lost',
  ledgerFault: 'warn',
  recovered: 'ok',
};
const what = (event) => chip(MARKS[event] ?? 'warn', eventWords()[event] ?? event);

export async function view(frame) {
  let [page, rules] = [null, []];
  const read = async () => {
    [page, { rules }] = await Promise.all([get('alerts'), get('alerts/rules')]);
  };
  try {
    await read();
  } catch (failure) {
    return refusedView(t('Alerts'), failure);
  }
  const [top, form, lists] = [h('div'), h('div'), h('div')];
  const again = async () => {
    await read();
    draw();
  };
  const edit = (rule) => {
    fill(
      form,
      formOf(rule, page.channels, {
        close: () => fill(form),
        done: async () => {
          fill(form);
          frame.toast(t('Saved {name}.', { name: rule?.name ?? t('the rule') }));
          await again();
        },
      }),
    );
    form.querySelector('input, select').focus();
  };
  const title = () => (page.open.length ? t('{n} {n|thing is|things are} wrong', { n: page.open.length }) : t('Nothing is wrong'));
  const draw = () => {
    fill(
      top,
      lead(
        title(),
        t('One message when something turns bad, one when it is well again. Never one for each run.'),
        button(t('New rule'), { kind: 'first big', role: 'admin', onclick: () => edit(null) }),
      ),
    );
    fill(
      lists,
      openOf(page, frame, again),
      rulesOf(page, rules, frame, edit, again),
      channelsOf(page, frame),
      mutesOf(page, frame, again),
    );
  };
  draw();
  let timer = 0;
  return {
    node: h('div', top, form, lists),
    onLive: (event) => {
      if (['alert', 'reset'].includes(event.kind)) {
        clearTimeout(timer);
        timer = setTimeout(() => again().catch(() => {}), 300);
      }
    },
    close: () => clearTimeout(timer),
  };
}

const about = ({ jobName, worker, runId }) =>
  jobName ? h('a.link', { href: runId ? link.run(jobName, runId) : link.job(jobName) }, other(jobName)) : other(worker ?? '');

function openOf(page, frame, again) {
  if (page.open.length === 0) return null;
  return h(
    'section',
    h('div.sec', h('h2', t('Wrong now'))),
    h(
      'ul.list',
      page.open.map((one) => {
        const mute = button(t('Quiet…'), { kind: 'plain', role: 'operator', onclick: () => quiet(one, mute, frame, again) });
        return h(
          'li',
          what(one.what),
          about(one),
          h('span.grow.one.dim', other(one.lastLine || one.reason, 'span')),
          h('span.faint', time(one.since, ago)),
          one.isMuted ? h('span.faint', t('quiet')) : mute,
        );
      }),
    ),
  );
}

async function quiet(one, from, frame, again) {
  const given = await question(from, {
    title: t('Quiet until it is well again?'),
    text: t('No message is made until then. It stays in this list.'),
    yes: t('Quiet'),
    fields: [{ name: 'reason', label: t('Why? (may be empty)') }],
  });
  if (!given) return;
  try {
    await ask('POST', 'alerts/mutes', {
      body: { filter: one.jobName ? `job:${quoted(one.jobName)}` : `worker:${quoted(one.worker)}`, reason: given.reason },
    });
    frame.toast(t('Quiet until it is well again.'));
    await again();
  } catch (failure) {
    frame.toast(failure.message, { isFault: true });
  }
}

function terms(rule) {
  return rule.on
    .map((event) =>
      event === 'failing' && rule.after > 1
        ? t('failing {n} times in a row', { n: rule.after })
        : event === 'slow'
          ? t('longer than {n} × p95', { n: rule.slowFactor })
          : event === 'noSuccess'
            ? t('no success for {n} s', { n: rule.noSuccessSeconds })
            : (eventWords()[event] ?? event),
    )
    .join(', ');
}

function rulesOf(page, rules, frame, edit, again) {
  const last = (name) => page.recent.find((message) => message.rule === name);
  return h(
    'section',
    h('div.sec', h('h2', t('Rules'))),
    rules.length === 0
      ? h('p.faint', t('No rule yet: nobody is told. A job can also name a channel itself, in its member alert.'))
      : h(
          'table.cards.people',
          h('caption.sr', t('Rules')),
          h(
            'thead',
            h(
              'tr',
              [t('Name'), t('When'), t('For'), t('By'), t('Last message'), ''].map((text) =>
                h('th', { scope: 'col' }, text || h('span.sr', t('acts'))),
              ),
            ),
          ),
          h(
            'tbody',
            rules.map((rule) =>
              h(
                'tr',
                h('td.name', h('b', other(rule.name)), !rule.enabled && h('span.sub', t('off'))),
                h('td', terms(rule)),
                h('td.mono.dim.full', rule.filter ? other(rule.filter) : t('every job')),
                h('td.dim.off', other(rule.channel)),
                h('td.off', sent(last(rule.name))),
                h(
                  'td.act',
                  button(t('Edit'), {
                    kind: 'plain',
                    role: 'admin',
                    name: t('Edit {name}', { name: clean(rule.name) }),
                    onclick: () => edit(rule),
                  }),
                  button(t('Delete'), {
                    kind: 'plain',
                    role: 'admin',
                    name: t('Delete {name}', { name: clean(rule.name) }),
                    onclick: () => removeRule(rule, frame, again),
                  }),
                ),
              ),
            ),
          ),
        ),
  );
}

async function removeRule(rule, frame, again) {
  const { name, ...body } = rule;
  try {
    await ask('DELETE', path`alerts/rules/${name}`);
    frame.toast(t('Deleted {name}.', { name }), { undo: () => ask('PUT', path`alerts/rules/${name}`, { body }).then(again) });
    await again();
  } catch (failure) {
    frame.toast(failure.message, { isFault: true });
  }
}

function sent(message) {
  if (!message) return h('span.faint', t('none in a day'));
  return message.deliveredAt
    ? h('span.st.s-ok', mark('ok'), h('span', t('delivered'), ' ', time(message.deliveredAt, when)))
    : h('span.st.s-failed', mark('failed'), h('span', clean(message.answer || t('on its way'))));
}

function formOf(rule, channels, { close, done }) {
  const said = h('div', { 'aria-live': 'assertive' });
  const field = (name, label, value, more = {}) =>
    h('label', h('span.lab', label), h('input.field', { name, value: value ?? '', spellcheck: false, autocomplete: 'off', ...more }));
  const on = rule?.on ?? USUAL;
  const form = h(
    'form.new-form',
    { 'aria-label': t('rule') },
    field('name', t('Name'), rule?.name, { required: true, readOnly: Boolean(rule) }),
    h(
      'label',
      h('span.lab', t('By the channel')),
      h(
        'select.field',
        { name: 'channel' },
        channels.map((one) => h('option', { value: one.name, selected: one.name === rule?.channel }, `${one.name} · ${one.type}`)),
      ),
    ),
    field('filter', t('For jobs that match (empty: all)'), rule?.filter, { placeholder: 'label:team=data' }),
    h(
      'fieldset.wide.events',
      h('legend.lab', t('When')),
      EVENTS.map((event) =>
        h('label.check', h('input', { type: 'checkbox', name: 'on', value: event, checked: on.includes(event) }), eventWords()[event]),
      ),
    ),
    field('after', t('Failing: so many runs in a row'), rule?.after ?? 1, { inputmode: 'numeric' }),
    field('slowFactor', t('Too long: times p95'), rule?.slowFactor ?? 3, { inputmode: 'decimal' }),
    field('noSuccessSeconds', t('No success for so many seconds'), rule?.noSuccessSeconds ?? 0, { inputmode: 'numeric' }),
    field('quietSeconds', t('After a message, quiet for so many seconds'), rule?.quietSeconds ?? 0, { inputmode: 'numeric' }),
    h(
      'label.wide',
      h('span.lab', t('Text (empty: the usual sentence)')),
      h('input.field', { name: 'text', value: rule?.text ?? '', placeholder: '{job}: {reason} {url}' }),
    ),
    h('label.check', h('input', { type: 'checkbox', name: 'enabled', checked: rule?.enabled ?? true }), t('It is on')),
    h(
      'div.wide',
      channels.length === 0 &&
        h('p.note', mark('warn'), h('span', t('The masters have no channel yet: an operator adds one to the file alertChannels.'))),
      said,
    ),
    h('div.acts', h('button.b.first', { type: 'submit' }, t('Save')), button(t('Cancel'), { onclick: close })),
  );
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const given = new FormData(form);
    const numbers = Object.fromEntries(
      ['after', 'slowFactor', 'noSuccessSeconds', 'quietSeconds'].map((name) => [name, Number(given.get(name))]),
    );
    try {
      await ask('PUT', path`alerts/rules/${given.get('name')}`, {
        body: {
          channel: given.get('channel') ?? '',
          filter: given.get('filter'),
          on: given.getAll('on'),
          text: given.get('text'),
          enabled: given.has('enabled'),
          ...numbers,
        },
      });
      await done();
    } catch (failure) {
      fill(said, fault(failure));
    }
  });
  return form;
}

function channelsOf(page, frame) {
  return h(
    'section',
    h('div.sec', h('h2', t('Channels')), h('span.faint', t('from the masters’ file alertChannels; their secrets are never shown'))),
    page.channels.length === 0
      ? h('p.faint', t('None yet.'))
      : h(
          'ul.list',
          page.channels.map((channel) => {
            const answer = h('span.grow.dim', { 'aria-live': 'polite' });
            const test = button(t('Test'), {
              kind: 'plain',
              role: 'admin',
              name: t('Test {name}', { name: clean(channel.name) }),
              onclick: async () => {
                fill(answer, t('sending …'));
                try {
                  const { data } = await ask('POST', path`alerts/channels/${channel.name}/test`);
                  fill(
                    answer,
                    data.delivered
                      ? h('span.st.s-ok', mark('ok'), h('span', t('delivered: {answer}', { answer: clean(data.answer) })))
                      : h('span.st.s-failed', mark('failed'), h('span', clean(data.answer))),
                  );
                } catch (failure) {
                  fill(answer, fault(failure));
                }
              },
            });
            return h('li', h('b', other(channel.name)), h('span.dim', `${channel.type} · `, other(channel.to)), answer, test);
          }),
        ),
  );
}

function mutesOf(page, frame, again) {
  if (page.mutes.length === 0) return null;
  return h(
    'section',
    h('div.sec', h('h2', t('Quiet')), h('span.faint', t('no message until then; nothing is hidden here'))),
    h(
      'ul.list',
      page.mutes.map((mute) =>
        h(
          'li',
          mark('paused'),
          h(
            'span.grow',
            h('span.mono', other(mute.filter)),
            ', ',
            mute.until ? t('until {time}', { time: when(mute.until) }) : t('until it is well again'),
          ),
          h(
            'span.faint',
            t('by {who}, {time}', { who: clean(mute.by), time: when(mute.at) }),
            mute.reason && [': ', other(`“${mute.reason}”`)],
          ),
          button(t('End'), {
            kind: 'plain',
            role: 'operator',
            name: t('End the quiet of {what}', { what: clean(mute.filter) }),
            onclick: async () => {
              try {
                await ask('DELETE', path`alerts/mutes/${mute.id}`);
                await again();
              } catch (failure) {
                frame.toast(failure.message, { isFault: true });
              }
            },
          }),
        ),
      ),
    ),
  );
}
