import type { Readable } from 'node:stream';

/** Why a body could not be had. */
export type BodyFailure = 'too-large' | 'overloaded' | 'disconnected';

export class BodyError extends Error {
  readonly failure: BodyFailure;

  constructor(failure: BodyFailure) {
    super(`request body: ${failure}`);
    this.failure = failure;
  }
}

/**
 * Memory for bodies that are being received. One client may send many large bodies at once, slowly: each is within its own
 * limit, all of them together must be too.
 */
export class BodyBudget {
  readonly #maxBytes: number;
  #usedBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  take(bytes: number): boolean {
    if (this.#usedBytes + bytes > this.#maxBytes) return false;
    this.#usedBytes += bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.#usedBytes -= bytes;
  }
}

/** A received body; whoever holds it gives its bytes back to the budget once it is no longer needed. */
export interface ReceivedBody extends Disposable {
  readonly bytes: Uint8Array;
}

export interface BodyLimits {
  readonly maxBytes: number;
  readonly budget: BodyBudget;
  readonly contentLength: number | undefined;
  /** Called once the body is wanted, before it is read. */
  readonly invite?: () => void;
}

/** Receives a whole body of at most `maxBytes` bytes. Rejects with {@link BodyError}; the rest is then read and dropped. */
export function receiveBody(stream: Readable, limits: BodyLimits): Promise<ReceivedBody> {
  if ((limits.contentLength ?? 0) > limits.maxBytes) return Promise.reject(drop(stream, 'too-large'));
  limits.invite?.();
  return new Promise((resolve, reject) => {
    const { budget, maxBytes } = limits;
    const chunks: Buffer[] = [];
    let length = 0;
    let isSettled = false;
    const giveBack = (): void => budget.giveBack(length);
    const fail = (error: () => BodyError): void => {
      if (isSettled) return;
      isSettled = true;
      giveBack();
      reject(error());
    };
    stream.on('data', (chunk: Buffer) => {
      if (length + chunk.length > maxBytes) fail(() => drop(stream, 'too-large'));
      else if (!budget.take(chunk.length)) fail(() => drop(stream, 'overloaded'));
      else {
        length += chunk.length;
        chunks.push(chunk);
      }
    });
    stream.on('end', () => {
      if (isSettled) return;
      isSettled = true;
      resolve({ bytes: joined(chunks, length), [Symbol.dispose]: giveBack });
    });
    // Every stream is closed at last: only one that had not ended was cut off.
    const cutOff = (): void => fail(() => new BodyError('disconnected'));
    stream.on('error', cutOff);
    stream.on('close', cutOff);
  });
}

/** Most bodies come in one piece. */
function joined(chunks: readonly Buffer[], length: number): Buffer {
  const [only] = chunks;
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, length);
}

/** Reading on without keeping anything lets the client finish sending and see the answer. */
function drop(stream: Readable, failure: BodyFailure): BodyError {
  stream.removeAllListeners('data');
  stream.resume();
  return new BodyError(failure);
}
