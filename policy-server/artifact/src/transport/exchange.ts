import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { ArtifactError } from '../errors.ts';
import { readBounded, timedBody } from './body.ts';
import type { TransportLimits, TransportRequest, TransportResponse, TransportSecurity } from './transport.ts';
import { abortedError, errorCode, shownUrl, silentError, unreachableError } from './transport-errors.ts';

export interface Exchange extends TransportRequest {
  readonly security: TransportSecurity;
  readonly limits: TransportLimits;
  readonly nowMs: () => number;
  /** URL of the proxy on the way. */
  readonly proxy: string | undefined;
}

/** What may be read of a body nobody wants, to keep its connection. */
const DISCARDED_BYTES = 64 * 1024;
const DISCARD_MS = 1000;
/** What is to be sent before an answer can come gets its own time: 16 kB/s. */
const UPLOAD_BYTES_PER_MS = 16;

/** One request and its answer, no redirects, no retries. */
export async function exchange(dispatcher: Dispatcher, given: Exchange): Promise<TransportResponse> {
  const { url, method, headers, body, signal, limits } = given;
  if (isAborted(signal)) throw abortedError(url, signal?.reason);
  const uploadMs = Math.ceil((body?.length ?? 0) / UPLOAD_BYTES_PER_MS);
  const headersTimeout = limits.headersTimeoutMs + uploadMs;
  // undici's own limit begins anew with each provisional answer (103): a server can send those for ever.
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), 2 * limits.connectTimeoutMs + headersTimeout);
  try {
    const answer = await dispatcher.request({
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method,
      // What is compressed has no bound before it is unpacked: nobody asks for it, and nothing here unpacks it.
      headers: { 'accept-encoding': 'identity', 'user-agent': 'portcullis', ...headers },
      body: body ?? null,
      signal: signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]),
      headersTimeout,
    });
    return responseOf(answer, given);
  } catch (error) {
    if (isAborted(signal)) throw abortedError(url, signal?.reason);
    const isLate = late.signal.aborted || errorCode(error) === 'UND_ERR_HEADERS_TIMEOUT';
    throw isLate ? silentError(url, headersTimeout, error) : unreachableError(url, error, given.proxy);
  } finally {
    clearTimeout(timer);
  }
}

/** A call, because the answer changes while somebody waits. */
function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

function responseOf(answer: Dispatcher.ResponseData, given: Exchange): TransportResponse {
  const { url, security } = given;
  const headers = headersOf(answer.headers);
  // A body that is let go of ends with an error nobody waits for.
  answer.body.on('error', () => undefined);
  const body = timedBody(answer.body, given);
  const read = async (maxBytes: number): Promise<Uint8Array> => {
    try {
      return await readBounded(body, { url, headers, maxBytes });
    } finally {
      answer.body.destroy();
    }
  };
  return {
    status: answer.statusCode,
    headers,
    url,
    security,
    body: packedBy(headers) ? { [Symbol.asyncIterator]: () => ({ next: () => refusePacked(url, answer.body) }) } : body,
    bytes: (maxBytes) => (packedBy(headers) ? refusePacked(url, answer.body) : read(maxBytes)),
    discard: () => discard(answer.body, read),
  };
}

/** Reads what is little and comes at once, so that the connection can be used again; anything else costs the connection. */
async function discard(body: Readable, read: (maxBytes: number) => Promise<Uint8Array>): Promise<void> {
  const givenUp = setTimeout(() => body.destroy(), DISCARD_MS);
  await read(DISCARDED_BYTES).catch(() => undefined);
  clearTimeout(givenUp);
}

function packedBy(headers: Headers): boolean {
  return !['', 'identity'].includes(headers.get('content-encoding')?.trim().toLowerCase() ?? '');
}

function refusePacked(url: URL, body: Readable): Promise<never> {
  body.destroy();
  return Promise.reject(
    new ArtifactError(
      'answer-invalid',
      `the answer of ${shownUrl(url)} is compressed – expected it as it is: nobody asked for a content-encoding`,
    ),
  );
}

/** Of values no header can have nothing is kept. */
function headersOf(raw: Dispatcher.ResponseData['headers']): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(raw)) {
    for (const one of Array.isArray(value) ? value : [value ?? '']) {
      try {
        headers.append(name, one);
      } catch {
        continue;
      }
    }
  }
  return headers;
}
