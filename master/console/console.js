// The console talks to the same paths as curl does. Whatever comes from a job or its output is shown as text, never as HTML.
'use strict';

const PAGE = 20;
const $ = (id) => document.getElementById(id);
let logJob = '';
let logRows = 0;

async function ask(path, options) {
  try {
    const response = await fetch(path, options);
    return { response, answer: await response.json() };
  } catch {
    throw new Error('the master does not answer; is it running?');
  }
}

/** The paths below api/v1: the resource itself, or a problem with a detail. */
async function get(path) {
  const { response, answer } = await ask(path, {});
  if (!response.ok) throw new Error(answer.detail);
  return answer;
}

/** The original's paths, with their envelope. */
async function call(path, fields) {
  const options = fields === undefined ? {} : { method: 'POST', body: new URLSearchParams(fields) };
  const { answer } = await ask(path, options);
  if (answer.errno !== 0) throw new Error(answer.msg);
  return answer.data;
}

function say(text, isError = false) {
  $('message').textContent = text;
  $('message').classList.toggle('error', isError);
  $('message').hidden = text === '';
}

/** Runs what a button asks for and shows what went wrong. */
function guarded(action) {
  return async (...args) => {
    try { await action(...args); } catch (failure) { say(failure.message, true); }
  };
}

function cell(row, text, className) {
  const td = row.insertCell();
  td.textContent = text;
  if (className) td.className = className;
  return td;
}

function button(parent, text, action, className) {
  const element = document.createElement('button');
  element.textContent = text;
  if (className) element.className = className;
  element.addEventListener('click', guarded(action));
  parent.append(element, ' ');
}

async function showJobs() {
  const jobs = await call('job/list');
  const body = $('jobs').tBodies[0];
  body.replaceChildren();
  for (const job of jobs) {
    const row = body.insertRow();
    row.dataset.job = job.name;
    row.classList.toggle('paused', !job.enabled);
    cell(row, job.enabled ? job.name : `${job.name} (paused)`);
    cell(row, job.command, 'code');
    cell(row, job.timeZone ? `${job.cronExpr} (${job.timeZone})` : job.cronExpr, 'code');
    const actions = cell(row, '', 'actions');
    button(actions, 'Edit', () => editJob(job));
    button(actions, 'Log', () => openLog(job.name));
    button(actions, 'Kill', () => killJob(job.name), 'danger');
    button(actions, 'Delete', () => deleteJob(job.name), 'danger');
  }
  $('no-jobs').hidden = jobs.length > 0;
}

function editJob(job) {
  const form = $('job-form');
  form.reset();
  $('job-title').textContent = job ? `Edit ${job.name}` : 'New job';
  $('job-error').hidden = true;
  for (const field of ['name', 'command', 'cronExpr']) form.elements[field].value = job ? job[field] : '';
  form.elements.enabled.checked = job ? job.enabled : true;
  form.elements.name.readOnly = Boolean(job);
  form.onsubmit = async (event) => {
    event.preventDefault();
    const edited = { ...job, enabled: form.elements.enabled.checked };
    for (const field of ['name', 'command', 'cronExpr']) edited[field] = form.elements[field].value;
    try {
      await call('job/save', { job: JSON.stringify(edited) });
      $('job-dialog').close();
      say(`Saved ${edited.name}.`);
      await showJobs();
    } catch (failure) {
      $('job-error').textContent = failure.message;
      $('job-error').hidden = false;
    }
  };
  $('job-dialog').showModal();
}

async function deleteJob(name) {
  if (!confirm(`Delete ${name}? What runs now goes on; its log stays.`)) return;
  await call('job/delete', { name });
  say(`Deleted ${name}.`);
  await showJobs();
}

async function killJob(name) {
  if (!confirm(`Kill what runs of ${name} now?`)) return;
  await call('job/kill', { name });
  say(`Asked for the end of ${name}; its log will tell.`);
}

function time(ms) {
  return new Date(ms).toISOString().replace('T', ' ').replace('.000Z', 'Z');
}

async function showLog(append) {
  if (!append) { logRows = 0; $('log').tBodies[0].replaceChildren(); }
  const records = await call(`job/log?${new URLSearchParams({ name: logJob, skip: logRows, limit: PAGE })}`);
  for (const record of records) {
    const row = $('log').tBodies[0].insertRow();
    const started = record.exitCode !== null || record.signal !== null;
    cell(row, time(record.planTime));
    cell(row, started ? `${record.startTime - record.planTime} ms` : '–');
    cell(row, started ? `${record.endTime - record.startTime} ms` : '–');
    cell(row, record.err ? `${record.status}: ${record.err}` : record.status, `status-${record.status}`);
    cell(row, record.worker);
    const output = document.createElement('pre');
    output.textContent = record.output;
    cell(row, '').append(output);
  }
  logRows += records.length;
  $('no-log').hidden = logRows > 0;
  $('log-older').disabled = records.length < PAGE;
}

async function openLog(name) {
  logJob = name;
  $('log-title').textContent = `Log of ${name}`;
  await showLog(false);
  $('log-dialog').showModal();
}

async function showWorkers() {
  const { workers } = await get('api/v1/workers');
  const body = $('workers').tBodies[0];
  body.replaceChildren();
  for (const worker of workers) {
    const row = body.insertRow();
    for (const text of [worker.id, worker.host, worker.address, worker.slots, worker.version, worker.started]) cell(row, text);
  }
  $('workers-dialog').showModal();
}

$('new-job').addEventListener('click', () => editJob(null));
$('show-workers').addEventListener('click', guarded(showWorkers));
$('log-older').addEventListener('click', guarded(() => showLog(true)));
$('log-refresh').addEventListener('click', guarded(() => showLog(false)));
for (const element of document.querySelectorAll('dialog .close')) {
  element.addEventListener('click', () => element.closest('dialog').close());
}
guarded(showJobs)();
