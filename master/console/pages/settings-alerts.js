// Alerts: what is wrong now, who is told of what, what is quiet, and whether the messages arrive.
import { h, fill, other, link, clean } from '../dom.js';
import { t, inSentence } from '../i18n.js';
import { ask, get, path } from '../api.js';
import { when, time, ago } from '../time.js';
import { button, fault, mark, state, question, table, section } from '../parts.js';
import { toast } from '../frame.js';
import { attempt } from '../acts.js';
import { lead, refusedView, input, check, choice, form, openForm } from './settings-parts.js';
import { quoted } from './job.js';
import { told } from './job-runs.js';

const USUAL = ['failing', 'missed', 'lost', 'recovered'];

/** Each event in words, with its mark. */
const events = () => ({
  failing: [t('failing'), 'failed'],
  missed: [t('missed'), 'missed'],
  lost: [t('lost'), 'lost'],
  slow: [t('takes too long'), 'running'],
  noSuccess: [t('no success for too long'), 'timedOut'],
  workerGone: [t('worker gone'), 'lost'],
  ledgerFault: [t('ledger fault'), 'warn'],
  recovered: [t('recovered'), 'ok'],
});
const eventOf = (event) => events()[event] ?? [event, 'warn'];

export async function view() {
  let [page, rules] = [null, []];
  const read = async () => {
    [page, { rules }] = await Promise.all([get('alerts'), get('alerts/rules')]);
  };
  try {
    await read();
  } catch (failure) {
    return refusedView(t('Alerts'), failure);
  }
  const [top, place, lists] = [h('div'), h('div'), h('div')];
  const again = () => read().then(draw);
  const act = (role, what) => attempt(role, () => what().then(again));
  const edit = (rule) => openForm(place, (close) => formOf(rule, page.channels, close, again));
  function draw() {
    const n = page.open.length;
    fill(
      top,
      lead(
        n ? t('{n} {n|thing is|things are} wrong', { n }) : rules.length ? t('No alert is open') : t('Nobody is told'),
        t('One message when something goes wrong, one when it recovers. Never one for each run.'),
        button(t('New rule'), { kind: 'first big', role: 'admin', onclick: () => edit(null) }),
      ),
    );
    fill(lists, openOf(page, act), rulesOf(page, rules, edit, act), channelsOf(page), mutesOf(page, act));
  }
  draw();
  let timer = 0;
  return {
    node: h('div', top, place, lists),
    onLive: ({ kind }) => {
      if (kind !== 'alert' && kind !== 'reset') return;
      clearTimeout(timer);
      timer = setTimeout(() => again().catch(() => {}), 300);
    },
    close: () => clearTimeout(timer),
  };
}

/** A plain button of a row; name says of what, for readers. */
const small = (text, name, role, onclick) => button(text, { kind: 'plain', role, name: clean(name), onclick });

function openOf({ open }, act) {
  const line = (one) => {
    const { jobName, worker, runId } = one;
    const mute = button(t('Quiet…'), { kind: 'plain', role: 'operator', onclick: () => quiet(one, mute, act) });
    return h(
      'li',
      state(eventOf(one.what)[1], eventOf(one.what)[0]),
      jobName ? h('a.link', { href: runId ? link.run(jobName, runId) : link.job(jobName) }, other(jobName)) : other(worker ?? ''),
      h('span.grow.one.dim', other(one.lastLine || told(one.reason), 'span')),
      h('span.faint', time(one.since, ago)),
      one.isMuted ? h('span.faint', t('quiet')) : mute,
    );
  };
  return open.length > 0 && section(t('Wrong now'), null, h('ul.list', open.map(line)));
}

async function quiet({ jobName, worker }, from, act) {
  const given = await question(from, {
    title: t('Quiet until it recovers?'),
    text: t('No messages until then. It stays in this list, and leaves Now.'),
    yes: t('Quiet'),
    fields: [{ name: 'reason', label: t('Why? (may be empty)') }],
  });
  const filter = jobName ? `job:${quoted(jobName)}` : `worker:${quoted(worker)}`;
  if (given) await act('operator', () => ask('POST', 'alerts/mutes', { body: { filter, reason: given.reason } }));
}

function terms({ on, after, slowFactor, noSuccessSeconds }) {
  const more = {
    failing: after > 1 && t('failing {n} times in a row', { n: after }),
    slow: t('longer than {n} × p95', { n: slowFactor }),
    noSuccess: t('no success for {n} s', { n: noSuccessSeconds }),
  };
  return on.map((event) => more[event] || eventOf(event)[0]).join(', ');
}

function rulesOf({ recent }, rules, edit, act) {
  const remove = ({ name, ...body }) =>
    act('admin', async () => {
      await ask('DELETE', path`alerts/rules/${name}`);
      toast(t('Deleted {name}.', { name }), {
        undo: () => act('admin', () => ask('PUT', path`alerts/rules/${name}`, { body })),
      });
    });
  const row = (rule) => {
    const { name } = rule;
    return h(
      'tr',
      h('td.name', h('b', other(name)), !rule.enabled && h('span.sub', t('off'))),
      h('td', terms(rule)),
      h('td.mono.dim.full', rule.filter ? other(rule.filter) : t('every job')),
      h('td.dim.off', other(rule.channel)),
      h('td.off', sent(recent.find((message) => message.rule === name))),
      h(
        'td.act',
        small(t('Edit'), t('Edit {name}', { name }), 'admin', () => edit(rule)),
        small(t('Delete'), t('Delete {name}', { name }), 'admin', () => remove(rule)),
      ),
    );
  };
  const heads = [t('Name'), t('When'), t('For'), t('By'), t('Last message'), h('span.sr', t('acts'))];
  return section(
    t('Rules'),
    null,
    rules.length
      ? table(t('Rules'), 'people', heads.map((head) => ({ head })), h('tbody', rules.map(row)))
      : h('p.faint', t('No rules yet: nobody is told. A job can also name a channel itself, in its member alert.')),
  );
}

function sent(message) {
  if (!message) return h('span.faint', t('none in a day'));
  return message.deliveredAt
    ? state('ok', `${t('delivered')} ${when(message.deliveredAt)}`)
    : state('failed', clean(message.answer || t('on its way')));
}

function formOf(rule, channels, close, again) {
  const number = (name, label, value) => input(name, label, { value: rule?.[name] ?? value, inputmode: 'decimal' });
  const parts = [
    input('name', t('Name'), { value: rule?.name ?? '', required: true, readOnly: Boolean(rule) }),
    h('label', h('span.lab', t('By the channel')),
      choice(channels.map(({ name, type }) => [name, `${name} · ${type}`]), rule?.channel, { name: 'channel' })),
    input('filter', t('For jobs that match (empty: all)'), { value: rule?.filter ?? '', placeholder: 'label:team=data' }),
    h(
      'fieldset.wide.events',
      h('legend.lab', t('When')),
      Object.entries(events()).map(([event, [text]]) => check('on', text, (rule?.on ?? USUAL).includes(event), event)),
    ),
    number('after', t('Failing: runs in a row'), 1),
    number('slowFactor', t('Too long: times p95'), 3),
    number('noSuccessSeconds', t('No success: seconds'), 0),
    number('quietSeconds', t('Quiet after a message: seconds'), 0),
    h('div.wide', input('text', t('Text (empty: the usual sentence)'), { value: rule?.text ?? '', placeholder: '{job}: {reason} {url}' })),
    check('enabled', t('It is on'), rule?.enabled ?? true),
    channels.length === 0 &&
      h('p.note.wide', mark('warn'), h('span', t('The masters have no channel yet: an operator adds one to the file alertChannels.'))),
  ];
  return form('new-form', t('rule'), parts, t('Save'), async (given) => {
    const { name, ...texts } = Object.fromEntries(given);
    const numbers = ['after', 'slowFactor', 'noSuccessSeconds', 'quietSeconds'].map((member) => [member, Number(texts[member])]);
    const body = { channel: '', ...texts, ...Object.fromEntries(numbers), on: given.getAll('on'), enabled: given.has('enabled') };
    await ask('PUT', path`alerts/rules/${name}`, { body });
    close();
    toast(t('Saved {name}.', { name }));
    await again();
  }, close);
}

function channelsOf({ channels }) {
  const line = ({ name, type, to }) => {
    const answer = h('span.grow.dim', { 'aria-live': 'polite' });
    const test = async () => {
      fill(answer, t('sending …'));
      try {
        const { data } = await ask('POST', path`alerts/channels/${name}/test`);
        const said = inSentence(clean(data.answer));
        fill(answer, data.delivered ? state('ok', t('delivered: {answer}', { answer: said })) : state('failed', said));
      } catch (failure) {
        fill(answer, fault(failure));
      }
    };
    return h('li', h('b', other(name)), h('span.dim', `${type} · `, other(to)), answer,
      small(t('Test'), t('Test {name}', { name }), 'admin', test));
  };
  return section(
    t('Channels'),
    t('from the masters’ file alertChannels; their secrets are never shown'),
    channels.length ? h('ul.list', channels.map(line)) : h('p.faint', t('None yet.')),
  );
}

function mutesOf({ mutes }, act) {
  const line = (mute) =>
    h(
      'li',
      mark('paused'),
      h('span.grow', h('span.mono', other(mute.filter)), ', ',
        mute.until ? t('until {time}', { time: when(mute.until) }) : t('until it recovers')),
      h('span.faint', t('by {who}, {time}', { who: clean(mute.by), time: when(mute.at) }),
        mute.reason && [': ', other(`“${mute.reason}”`)]),
      small(t('End'), t('End the quiet of {what}', { what: mute.filter }), 'operator', () =>
        act('operator', () => ask('DELETE', path`alerts/mutes/${mute.id}`))),
    );
  return mutes.length > 0 && section(t('Quiet'), t('no messages until then; the job leaves Now'), h('ul.list', mutes.map(line)));
}
