// The client of /api/v1. An answer is the resource; a failure is a Refused with the problem's words.
import { inSentence } from './i18n.js';

/** What the API refused, or that nobody answered (status 0). */
export class Refused extends Error {
  constructor(status, problem) {
    super(inSentence(problem.detail ?? problem.title ?? `status ${status}`));
    Object.assign(this, { status, problem, word: (problem.type ?? '').split(':').at(-1), field: problem.field });
  }
}

export const hooks = { unauthorized: null };

/** The path of a resource, each part escaped: path`jobs/${name}/run`. */
export function path(texts, ...values) {
  return texts.reduce((all, text, i) => all + text + (i < values.length ? encodeURIComponent(values[i]) : ''), '');
}

/**
 * Asks for a resource.
 * options: query (empty values are left out), body (an object is sent as JSON, a text as it is), type, etag (If-Match),
 *   isNew (If-None-Match: *), key (Idempotency-Key), signal.
 * Returns { data, etag, status }.
 */
export async function ask(method, resource, options = {}) {
  const query = Object.entries(options.query ?? {}).filter(([, value]) => value !== undefined && value !== null && value !== '');
  const url = `/api/v1/${resource}${query.length ? `?${new URLSearchParams(query)}` : ''}`;
  const headers = { Accept: 'application/json' };
  let { body } = options;
  if (body !== undefined && body !== null && typeof body !== 'string') {
    body = JSON.stringify(body);
    headers['Content-Type'] = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
  }
  if (options.type) headers['Content-Type'] = options.type;
  if (options.etag) headers['If-Match'] = options.etag.replace(/^W\//, '');
  if (options.isNew) headers['If-None-Match'] = '*';
  if (options.key) headers['Idempotency-Key'] = options.key;
  const response = await send(url, { method, headers, body, signal: options.signal });
  if (response.ok) return { data: await read(response), etag: response.headers.get('ETag'), status: response.status };
  const problem = await read(response).catch(() => ({}));
  if (response.status === 401 && resource !== 'session') hooks.unauthorized?.();
  throw new Refused(response.status, typeof problem === 'object' && problem ? problem : { detail: String(problem) });
}

async function send(url, options) {
  try {
    return await fetch(url, { ...options, credentials: 'same-origin', cache: 'no-store' });
  } catch (failure) {
    if (failure.name === 'AbortError') throw failure;
    throw new Refused(0, { type: 'urn:dts:no-answer', detail: 'the master does not answer' });
  }
}

async function read(response) {
  const type = response.headers.get('Content-Type') ?? '';
  return response.status === 204 ? null : type.includes('json') ? response.json() : response.text();
}

export const get = async (resource, query, signal) => (await ask('GET', resource, { query, signal })).data;
export const post = async (resource, body, query, more) => (await ask('POST', resource, { body, query, ...more })).data;
