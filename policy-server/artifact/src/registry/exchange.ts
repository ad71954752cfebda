import type { Dispatcher } from 'undici';
import { ArtifactError } from '../errors.ts';
import { readBounded, timedBody } from './body.ts';
import type { TransportLimits, TransportRequest, TransportResponse, TransportSecurity } from './transport.ts';
import { abortedError, shownUrl, unreachableError } from './transport-errors.ts';

export interface Exchange extends TransportRequest {
  readonly security: TransportSecurity;
  readonly limits: TransportLimits;
  readonly nowMs: () => number;
}

/** What may be read of a body nobody wants, to keep its connection. */
const DISCARDED_BYTES = 64 * 1024;

/** One request and its answer, no redirects, no retries. */
export async function exchange(dispatcher: Dispatcher, given: Exchange): Promise<TransportResponse> {
  const { url, method, headers, body, signal, limits } = given;
  if (isAborted(signal)) throw abortedError(url, signal?.reason);
  try {
    const answer = await dispatcher.request({
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method,
      // What is compressed has no bound before it is unpacked: nobody asks for it, and nothing here unpacks it.
      headers: { 'accept-encoding': 'identity', 'user-agent': 'portcullis', ...headers },
      body: body ?? null,
      signal: signal ?? null,
      headersTimeout: limits.headersTimeoutMs,
    });
    return responseOf(answer, given);
  } catch (error) {
    if (error instanceof ArtifactError) throw error;
    throw isAborted(signal) ? abortedError(url, signal?.reason) : unreachableError(url, error);
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
  return {
    status: answer.statusCode,
    headers,
    url,
    security,
    body: { [Symbol.asyncIterator]: () => unpacked(url, headers, body)[Symbol.asyncIterator]() },
    bytes: (maxBytes) => readBounded(unpacked(url, headers, body), { url, headers, maxBytes }),
    async discard() {
      await readBounded(body, { url, headers, maxBytes: DISCARDED_BYTES }).catch(() => undefined);
      answer.body.destroy();
    },
  };
}

function unpacked(url: URL, headers: Headers, body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const encoding = headers.get('content-encoding')?.trim().toLowerCase() ?? '';
  if (encoding === '' || encoding === 'identity') return body;
  throw new ArtifactError(
    'answer-invalid',
    `the answer of ${shownUrl(url)} is compressed – expected it as it is, got a content-encoding; something on the way packs it`,
  );
}

function headersOf(raw: Dispatcher.ResponseData['headers']): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(raw)) {
    for (const one of Array.isArray(value) ? value : [value ?? '']) {
      try {
        headers.append(name, one);
      } catch {
        // A header that no header can be says nothing.
      }
    }
  }
  return headers;
}
