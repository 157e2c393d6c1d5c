// Every member of a job beyond name, command and schedule: in which group, with which field, and what the group comes to in words.
import { t } from '../i18n.js';
import { duration } from '../time.js';
import { bytes } from './job-statistics.js';

const seconds = (n) => duration(n * 1000);
const list = (values) => values.join(', ');
const pairs = (map) =>
  Object.entries(map ?? {})
    .map(([key, value]) => (value === '' ? key : `${key}=${value}`))
    .join(' ');

/** The values that a job has without the member. */
export const DEFAULTS = {
  description: '',
  enabled: true,
  timeZone: '',
  mode: 'one',
  overlap: 'forbid',
  misfire: 'skip',
  startDeadlineSeconds: 60,
  timeoutSeconds: 0,
  killGraceSeconds: 5,
  onWorkerLost: 'record',
  onDisconnect: 'continue',
  user: '',
  cwd: '',
  shell: '',
  memoryMax: 0,
  cpuMax: 0,
  pidsMax: 0,
  outputLimitBytes: 0,
  retentionDays: 0,
  'retry.max': 0,
  'retry.delaySeconds': 10,
  'retry.backoff': 2,
  'retry.maxDelaySeconds': 3600,
  'retry.elsewhere': false,
  then: [],
  onFailure: [],
  always: [],
  labels: {},
  env: {},
  'target.workers': [],
  'target.labels': {},
  secrets: [],
  'alert.channel': '',
};

/** kind: text, number, check, choice, names (a list), pairs (lines of name=value). */
export const groups = (channels) => [
  {
    name: t('What it is'),
    fields: [
      { member: 'description', kind: 'text', label: t('Description') },
      { member: 'labels', kind: 'pairs', label: t('Labels, one a line: name or name=value') },
      { member: 'enabled', kind: 'check', label: t('It runs by its schedule (else it is paused)') },
    ],
    say: (job) =>
      [job('enabled') ? '' : t('paused'), job('description'), pairs(job('labels')) && t('labels {list}', { list: pairs(job('labels')) })]
        .filter(Boolean)
        .join('; ') || t('no description, no labels'),
  },
  {
    name: t('Where it runs'),
    fields: [
      {
        member: 'mode',
        kind: 'choice',
        label: t('On'),
        options: [
          ['one', t('one worker')],
          ['all', t('every worker that matches')],
        ],
      },
      { member: 'target.workers', kind: 'names', label: t('Workers (ids; none: any)') },
      { member: 'target.labels', kind: 'pairs', label: t('Labels that the worker must have, one a line: name=value') },
    ],
    say(job) {
      const parts = [...job('target.workers'), pairs(job('target.labels'))].filter(Boolean).join(' ');
      return job('mode') === 'all'
        ? parts
          ? t('every worker with {what}', { what: parts })
          : t('every worker')
        : parts
          ? t('any worker with {what}', { what: parts })
          : t('any worker');
    },
  },
  {
    name: t('When it is late'),
    fields: [
      { member: 'startDeadlineSeconds', kind: 'number', label: t('It may still start so many seconds late') },
      {
        member: 'misfire',
        kind: 'choice',
        label: t('Fires that came due while no worker was there'),
        options: [
          ['skip', t('are recorded as missed')],
          ['once', t('the latest runs')],
          ['all', t('the latest hundred run')],
        ],
      },
    ],
    say: (job) =>
      t('may start {span} late; {what}', {
        span: seconds(job('startDeadlineSeconds')),
        what:
          {
            skip: t('what was missed is not made up for'),
            once: t('the latest missed one is made up for'),
            all: t('all missed ones are made up for'),
          }[job('misfire')] ?? '',
      }),
  },
  {
    name: t('When one is still going'),
    fields: [
      {
        member: 'overlap',
        kind: 'choice',
        label: t('The next fire'),
        options: [
          ['forbid', t('is skipped')],
          ['allow', t('runs beside it')],
          ['replace', t('ends it first')],
        ],
      },
    ],
    say: (job) =>
      ({ forbid: t('skips: no two at a time'), allow: t('runs beside it'), replace: t('ends the old one first') })[job('overlap')] ?? '',
  },
  {
    name: t('When it fails'),
    fields: [
      { member: 'retry.max', kind: 'number', label: t('Further tries') },
      { member: 'retry.delaySeconds', kind: 'number', label: t('The first after so many seconds') },
      { member: 'retry.backoff', kind: 'number', label: t('Each further wait is longer by this factor') },
      { member: 'retry.maxDelaySeconds', kind: 'number', label: t('The longest wait, in seconds') },
      { member: 'retry.elsewhere', kind: 'check', label: t('On another worker') },
      {
        member: 'onWorkerLost',
        kind: 'choice',
        label: t('When its worker is lost'),
        options: [
          ['record', t('the run is recorded as lost')],
          ['rerun', t('it runs again')],
        ],
      },
      {
        member: 'onDisconnect',
        kind: 'choice',
        label: t('When its worker is cut off from etcd'),
        options: [
          ['continue', t('the command goes on')],
          ['kill', t('the command is ended')],
        ],
      },
      {
        member: 'alert.channel',
        kind: 'choice',
        label: t('Tell this channel, too'),
        options: [['', t('none')], ...channels.map((name) => [name, name])],
        isOptional: true,
      },
    ],
    say: (job) =>
      [
        job('retry.max') > 0
          ? t('{n} more {n|try|tries}, the first after {span}', { n: job('retry.max'), span: seconds(job('retry.delaySeconds')) }) +
            (job('retry.elsewhere') ? t(', elsewhere') : '')
          : t('no further tries'),
        job('onWorkerLost') === 'rerun' ? t('runs again when its worker is lost') : '',
        job('onDisconnect') === 'kill' ? t('ends when cut off') : '',
        job('alert.channel') && t('tells {channel}', { channel: job('alert.channel') }),
      ]
        .filter(Boolean)
        .join('; '),
  },
  {
    name: t('How long, how much'),
    fields: [
      { member: 'timeoutSeconds', kind: 'number', label: t('Timeout in seconds (0: none)') },
      { member: 'killGraceSeconds', kind: 'number', label: t('Seconds between SIGTERM and SIGKILL') },
      { member: 'memoryMax', kind: 'size', label: t('Memory (such as 512M; 0: no limit)') },
      { member: 'cpuMax', kind: 'number', label: t('Processor cores (such as 1.5; 0: no limit)') },
      { member: 'pidsMax', kind: 'number', label: t('Processes and threads (0: no limit)') },
    ],
    say: (job) =>
      [
        job('timeoutSeconds') ? t('at most {span}', { span: seconds(job('timeoutSeconds')) }) : t('as long as it takes'),
        job('memoryMax') &&
          t('{size} of memory', { size: typeof job('memoryMax') === 'number' ? bytes(job('memoryMax')) : job('memoryMax') }),
        job('cpuMax') && t('{n} {n|core|cores}', { n: job('cpuMax') }),
        job('pidsMax') && t('{n} processes', { n: job('pidsMax') }),
      ]
        .filter(Boolean)
        .join('; '),
  },
  {
    name: t('What comes after'),
    fields: [
      { member: 'then', kind: 'names', label: t('Jobs to run after success') },
      { member: 'onFailure', kind: 'names', label: t('Jobs to run after failure') },
      { member: 'always', kind: 'names', label: t('Jobs to run after either') },
    ],
    say: (job) =>
      [
        job('then').length > 0 && t('after success: {jobs}', { jobs: list(job('then')) }),
        job('onFailure').length > 0 && t('on failure: {jobs}', { jobs: list(job('onFailure')) }),
        job('always').length > 0 && t('in any case: {jobs}', { jobs: list(job('always')) }),
      ]
        .filter(Boolean)
        .join('; ') || t('nothing'),
  },
  {
    name: t('Who, where, with what'),
    fields: [
      { member: 'user', kind: 'text', label: t('User (empty: the worker’s)') },
      { member: 'cwd', kind: 'text', label: t('Folder (empty: the user’s home)') },
      { member: 'shell', kind: 'text', label: t('Shell (empty: the worker’s)') },
      { member: 'env', kind: 'pairs', label: t('Variables, one a line: NAME=value') },
      { member: 'secrets', kind: 'names', label: t('Secrets, by name'), isOptional: true },
    ],
    say: (job) =>
      [
        job('user') || t('the worker’s user'),
        job('cwd') && t('in {folder}', { folder: job('cwd') }),
        job('shell'),
        Object.keys(job('env')).length ? t('variables {list}', { list: Object.keys(job('env')).join(' ') }) : t('no variables'),
        job('secrets').length > 0 && t('secrets {list}', { list: list(job('secrets')) }),
      ]
        .filter(Boolean)
        .join('; '),
  },
  {
    name: t('Output and log'),
    fields: [
      { member: 'outputLimitBytes', kind: 'number', label: t('Bytes of output in its record (0: the worker’s setting)') },
      { member: 'retentionDays', kind: 'number', label: t('Days that its records are kept (0: the worker’s setting)') },
    ],
    say: (job) =>
      [
        job('outputLimitBytes') ? t('{size} a record', { size: bytes(job('outputLimitBytes')) }) : t('output as the worker keeps it'),
        job('retentionDays') ? t('{n} {n|day|days}', { n: job('retentionDays') }) : '',
      ]
        .filter(Boolean)
        .join('; '),
  },
];

const NESTED = ['retry', 'target'];

export function valueOf(job, member) {
  const dot = member.indexOf('.');
  const value = dot < 0 ? job[member] : job[member.slice(0, dot)]?.[member.slice(dot + 1)];
  return value ?? DEFAULTS[member];
}

/** Members that no field shows; they are kept. */
export function otherMembers(job) {
  const known = new Set(['name', 'command', 'cronExpr', ...Object.keys(DEFAULTS).map((member) => member.split('.')[0])]);
  return Object.fromEntries(Object.entries(job).filter(([member]) => !known.has(member) && !NESTED.includes(member)));
}

/** What a field has as text, and back. */
export const textOf = {
  text: (value) => value,
  number: (value) => String(value),
  size: (value) => String(value),
  choice: (value) => value,
  names: (value) => value.join('\n'),
  pairs: (value) =>
    Object.entries(value)
      .map(([key, one]) => (one === '' ? key : `${key}=${one}`))
      .join('\n'),
};

export const valueFrom = {
  text: (text) => text,
  number: (text) => (text.trim() === '' ? 0 : Number.isFinite(Number(text)) ? Number(text) : text.trim()),
  size: (text) => (text.trim() === '' ? 0 : /^\d+$/.test(text.trim()) ? Number(text) : text.trim()),
  choice: (text) => text,
  names: (text) =>
    text
      .split('\n')
      .map((line) => line.trim())
      .filter(Boolean),
  pairs: (text) =>
    Object.fromEntries(
      text
        .split('\n')
        .map((line) => line.trim())
        .filter(Boolean)
        .map((line) => {
          const at = line.indexOf('=');
          return at < 0 ? [line, ''] : [line.slice(0, at).trim(), line.slice(at + 1)];
        }),
    ),
};
