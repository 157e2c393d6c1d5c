// Every member of a job beyond name, command and schedule: in which group, with which field, and what the group comes to in words.
import { t } from '../i18n.js';
import { duration } from '../time.js';
import { bytes } from './job-statistics.js';

/** The values that a job has without the member. */
export const DEFAULTS = {
  ...{ description: '', enabled: true, labels: {}, timeZone: '' },
  ...{ mode: 'one', 'target.workers': [], 'target.labels': {} },
  ...{ overlap: 'forbid', misfire: 'skip', startDeadlineSeconds: 60, timeoutSeconds: 0, killGraceSeconds: 5 },
  ...{ 'retry.max': 0, 'retry.delaySeconds': 10, 'retry.backoff': 2, 'retry.maxDelaySeconds': 3600, 'retry.elsewhere': false },
  ...{ onWorkerLost: 'record', onDisconnect: 'continue', 'alert.channel': '' },
  ...{ memoryMax: 0, cpuMax: 0, pidsMax: 0, outputLimitBytes: 0, retentionDays: 0 },
  ...{ then: [], onFailure: [], always: [] },
  ...{ user: '', cwd: '', shell: '', env: {}, secrets: [] },
};
const OPTIONAL = new Set(['alert.channel', 'secrets']); // Shown if this master knows them.

const seconds = (n) => duration(n * 1000);
const list = (values) => values.join(', ');
const pairs = (map) => pairLines(map).join(' ');
const pairLines = (map) => Object.entries(map).map(([key, value]) => (value === '' ? key : `${key}=${value}`));
const all = (...parts) => parts.filter(Boolean).join('; ');

/** Where a job runs, in words. */
function whereOf(job) {
  const what = [...job('target.workers'), pairs(job('target.labels'))].filter(Boolean).join(' ');
  if (job('mode') === 'all') return what ? t('every worker with {what}', { what }) : t('every worker');
  return what ? t('any worker with {what}', { what }) : t('any worker');
}

/** A group: its name, what it comes to, its fields: [member, kind, label, options of a choice]. */
const table = (channels) => [
  [
    t('What it is'),
    (job) => {
      const labels = pairs(job('labels'));
      const said = all(!job('enabled') && t('paused'), job('description'), labels && t('labels {list}', { list: labels }));
      return said || t('no description, no labels');
    },
    ['description', 'text', t('Description')],
    ['labels', 'pairs', t('Labels, one a line: name or name=value')],
    ['enabled', 'check', t('It runs by its schedule (else it is paused)')],
  ],
  [
    t('Where it runs'),
    whereOf,
    ['mode', 'choice', t('On'), { one: t('one worker'), all: t('every worker that matches') }],
    ['target.workers', 'names', t('Workers (ids; none: any)')],
    ['target.labels', 'pairs', t('Labels that the worker must have, one a line: name=value')],
  ],
  [
    t('When it is late'),
    (job) => {
      const what = {
        skip: t('what was missed is not made up for'),
        once: t('the latest missed one is made up for'),
        all: t('all missed ones are made up for'),
      };
      return t('may start {span} late; {what}', { span: seconds(job('startDeadlineSeconds')), what: what[job('misfire')] });
    },
    ['startDeadlineSeconds', 'number', t('It may start up to this many seconds late')],
    [
      'misfire',
      'choice',
      t('Fires that came due while no worker was there'),
      { skip: t('are recorded as missed'), once: t('the latest runs'), all: t('the latest hundred run') },
    ],
  ],
  [
    t('When one is still going'),
    (job) =>
      ({ forbid: t('skips: no two at a time'), allow: t('runs beside it'), replace: t('ends the old one first') })[job('overlap')],
    ['overlap', 'choice', t('The next fire'), { forbid: t('is skipped'), allow: t('runs beside it'), replace: t('ends it first') }],
  ],
  [
    t('When it fails'),
    (job) => {
      const [n, span] = [job('retry.max'), seconds(job('retry.delaySeconds'))];
      const tries = n > 0 && t('{n} more {n|try|tries}, the first after {span}', { n, span });
      return all(
        tries ? `${tries}${job('retry.elsewhere') ? t(', elsewhere') : ''}` : t('no further tries'),
        job('onWorkerLost') === 'rerun' && t('runs again when its worker is lost'),
        job('onDisconnect') === 'kill' && t('ends when cut off'),
        job('alert.channel') && t('tells {channel}', { channel: job('alert.channel') }),
      );
    },
    ['retry.max', 'number', t('Further tries')],
    ['retry.delaySeconds', 'number', t('Seconds before the first')],
    ['retry.backoff', 'number', t('Each further wait is longer by this factor')],
    ['retry.maxDelaySeconds', 'number', t('The longest wait, in seconds')],
    ['retry.elsewhere', 'check', t('On another worker')],
    ['onWorkerLost', 'choice', t('When its worker is lost'), { record: t('the run is recorded as lost'), rerun: t('it runs again') }],
    [
      'onDisconnect',
      'choice',
      t('When its worker is cut off from etcd'),
      { continue: t('the command goes on'), kill: t('the command is ended') },
    ],
    ['alert.channel', 'choice', t('Tell this channel, too'), { '': t('none'), ...channels }],
  ],
  [
    t('How long, how much'),
    (job) => {
      const [span, size] = [job('timeoutSeconds'), job('memoryMax')];
      return all(
        span ? t('at most {span}', { span: seconds(span) }) : t('as long as it takes'),
        size && t('{size} of memory', { size: typeof size === 'number' ? bytes(size) : size }),
        job('cpuMax') && t('{n} {n|core|cores}', { n: job('cpuMax') }),
        job('pidsMax') && t('{n} processes', { n: job('pidsMax') }),
      );
    },
    ['timeoutSeconds', 'number', t('Timeout in seconds (0: none)')],
    ['killGraceSeconds', 'number', t('Seconds between SIGTERM and SIGKILL')],
    ['memoryMax', 'size', t('Memory (such as 512M; 0: no limit)')],
    ['cpuMax', 'number', t('Processor cores (such as 1.5; 0: no limit)')],
    ['pidsMax', 'number', t('Processes and threads (0: no limit)')],
  ],
  [
    t('What comes after'),
    (job) => {
      const said = (member, words) => job(member).length > 0 && words({ jobs: list(job(member)) });
      return (
        all(
          said('then', (jobs) => t('after success: {jobs}', jobs)),
          said('onFailure', (jobs) => t('on failure: {jobs}', jobs)),
          said('always', (jobs) => t('in any case: {jobs}', jobs)),
        ) || t('nothing')
      );
    },
    ['then', 'names', t('Jobs to run after success')],
    ['onFailure', 'names', t('Jobs to run after failure')],
    ['always', 'names', t('Jobs to run after either')],
  ],
  [
    t('Who, where, with what'),
    (job) => {
      const names = Object.keys(job('env'));
      return all(
        job('user') || t('the worker’s user'),
        job('cwd') && t('in {folder}', { folder: job('cwd') }),
        job('shell'),
        names.length ? t('variables {list}', { list: names.join(' ') }) : t('no variables'),
        job('secrets').length > 0 && t('secrets {list}', { list: list(job('secrets')) }),
      );
    },
    ['user', 'text', t('User (empty: the worker’s)')],
    ['cwd', 'text', t('Folder (empty: the user’s home)')],
    ['shell', 'text', t('Shell (empty: the worker’s)')],
    ['env', 'pairs', t('Variables, one a line: NAME=value')],
    ['secrets', 'names', t('Secrets, by name')],
  ],
  [
    t('Output and log'),
    (job) => {
      const [size, n] = [job('outputLimitBytes'), job('retentionDays')];
      const kept = size ? t('{size} a record', { size: bytes(size) }) : t('output as the worker keeps it');
      return all(kept, n && t('{n} {n|day|days}', { n }));
    },
    ['outputLimitBytes', 'number', t('Bytes of output in its record (0: the worker’s setting)')],
    ['retentionDays', 'number', t('Days that its records are kept (0: the worker’s setting)')],
  ],
];

/** The groups: { name, say(job), fields: [{ member, kind, label, options, isOptional }] }; job gives the value of a member. */
export const groups = (channels) =>
  table(Object.fromEntries(channels.map((name) => [name, name]))).map(([name, say, ...fields]) => ({
    name,
    say: (job) => say(job) ?? '',
    fields: fields.map(([member, kind, label, options]) => ({ member, kind, label, options, isOptional: OPTIONAL.has(member) })),
  }));

export function valueOf(job, member) {
  const [owner, part] = member.split('.');
  return (part ? job[owner]?.[part] : job[owner]) ?? DEFAULTS[member];
}

/** Members that no field shows; they are kept. */
export function otherMembers(job) {
  const known = new Set(['name', 'command', 'cronExpr', ...Object.keys(DEFAULTS).map((member) => member.split('.')[0])]);
  return Object.fromEntries(Object.entries(job).filter(([member]) => !known.has(member)));
}

/** What a field has as text, and back. */
export const textOf = {
  text: (value) => value,
  number: String,
  size: String,
  names: (value) => value.join('\n'),
  pairs: (value) => pairLines(value).join('\n'),
};

const lines = (text) => text.split('\n').map((line) => line.trim()).filter(Boolean);

function pairFrom(line) {
  const at = line.indexOf('=');
  return at < 0 ? [line, ''] : [line.slice(0, at).trim(), line.slice(at + 1)];
}

export const valueFrom = {
  text: (text) => text,
  number: (text) => (Number.isFinite(Number(text)) ? Number(text) : text.trim()),
  size: (text) => (/^\d*$/.test(text.trim()) ? Number(text) : text.trim()),
  choice: (text) => text,
  names: lines,
  pairs: (text) => Object.fromEntries(lines(text).map(pairFrom)),
};
