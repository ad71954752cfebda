import type { Readable } from 'node:stream';
import { ArtifactError } from '../errors.ts';
import type { TransportLimits } from './transport.ts';
import { abortedError, reasonOf, shownUrl, stalledError } from './transport-errors.ts';

export interface TimedBodyOptions {
  readonly url: URL;
  readonly limits: TransportLimits;
  readonly nowMs: () => number;
  readonly signal?: AbortSignal;
}

/**
 * The body piece by piece. Only time spent waiting for the server counts: nothing for longer than `idleTimeoutMs`, or a
 * drip below `minBytesPerSecond` that would hold a connection for days, ends it.
 */
export async function* timedBody(body: Readable, options: TimedBodyOptions): AsyncGenerator<Uint8Array, void> {
  const { url, limits, nowMs, signal } = options;
  const pace = createPace(limits);
  let isWaiting = true;
  const idle = setTimeout(() => {
    if (isWaiting) body.destroy(stalledError(url, `nothing came for ${limits.idleTimeoutMs} ms`));
  }, limits.idleTimeoutMs);
  const pieces: AsyncIterator<Uint8Array> = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const since = nowMs();
      isWaiting = true;
      idle.refresh();
      const piece = await pieces.next();
      isWaiting = false;
      if (piece.done === true) return;
      if (pace.isTooSlow(piece.value.length, nowMs() - since)) {
        throw stalledError(url, `less than ${limits.minBytesPerSecond} bytes came in a second`);
      }
      yield piece.value;
    }
  } catch (error) {
    if (signal?.aborted === true) throw abortedError(url, signal.reason);
    if (error instanceof ArtifactError) throw error;
    throw stalledError(url, `the connection broke (${reasonOf(error)})`, error);
  } finally {
    clearTimeout(idle);
    body.destroy();
  }
}

function createPace({ minBytesPerSecond, rateWindowMs }: TransportLimits): {
  isTooSlow(bytes: number, waitedMs: number): boolean;
} {
  let windowBytes = 0;
  let windowMs = 0;
  return {
    isTooSlow(bytes, waitedMs) {
      windowBytes += bytes;
      windowMs += waitedMs;
      if (windowMs < rateWindowMs) return false;
      const tooSlow = windowBytes * 1000 < minBytesPerSecond * windowMs;
      windowBytes = 0;
      windowMs = 0;
      return tooSlow;
    },
  };
}

/** All of a body that is at most `maxBytes` long. */
export async function readBounded(
  body: AsyncIterable<Uint8Array>,
  { url, headers, maxBytes }: { url: URL; headers: Headers; maxBytes: number },
): Promise<Uint8Array> {
  if (Number(headers.get('content-length') ?? 0) > maxBytes) throw tooLarge(url, maxBytes);
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of body) {
    length += piece.length;
    if (length > maxBytes) throw tooLarge(url, maxBytes);
    pieces.push(piece);
  }
  return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces, length);
}

function tooLarge(url: URL, maxBytes: number): ArtifactError {
  return new ArtifactError(
    'download-too-large',
    `the answer of ${shownUrl(url)} is longer than ${maxBytes} bytes – check that this is what was meant`,
  );
}
