import { messageOf } from '@portcullis/protocol';
import { Worker } from 'node:worker_threads';
import { EvaluationError, type EvaluationErrorCode } from '../errors.ts';
import { threadEnvironment } from '../thread-environment.ts';
import type { LinkedModule, LinkOptions } from './link.ts';

/** What the thread is given. */
export interface LinkRequest {
  readonly bytes: Uint8Array;
  readonly options: LinkOptions;
}

/** What the thread answers. */
export type LinkReply =
  | { readonly linked: LinkedModule }
  | { readonly problem: { readonly code: EvaluationErrorCode; readonly message: string } };

export interface LinkThreadOptions {
  /** @default 60_000: 100 MB take two seconds on a busy machine. */
  readonly timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 60_000;
/** Buffers lie outside of the heap. */
const HEAP_MEGABYTES = 256;

/** The thread at work, if any. */
let last: Promise<unknown> = Promise.resolve();

/**
 * As `linkModule`, on a thread that ends with it, so that large modules hold nobody up. One after the other: each holds the module
 * and its copies, and a server with many large modules would otherwise hold them all at once.
 *
 * @throws EvaluationError `module-invalid`
 */
export function linkOnThread(
  bytes: Uint8Array,
  options: LinkOptions,
  thread: LinkThreadOptions = {},
): Promise<LinkedModule> {
  const linked = last.then(() => runThread({ bytes, options }, thread.timeoutMs ?? DEFAULT_TIMEOUT_MS));
  last = linked.catch(() => undefined);
  return linked;
}

async function runThread(request: LinkRequest, timeoutMs: number): Promise<LinkedModule> {
  const worker = new Worker(new URL('./link-worker.ts', import.meta.url), {
    name: 'link',
    env: threadEnvironment(),
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MEGABYTES },
  });
  const { promise, resolve, reject } = Promise.withResolvers<LinkReply>();
  const deadline = setTimeout(() => reject(failed(`it took longer than ${timeoutMs} ms`)), timeoutMs);
  worker.once('message', resolve);
  // Copied once, by us and while the thread starts; left to the engine, the bytes of a large module would be copied twice.
  const bytes = new Uint8Array(request.bytes);
  worker.postMessage({ ...request, bytes } satisfies LinkRequest, [bytes.buffer]);
  worker.once('error', (error) => reject(failed(messageOf(error))));
  worker.once('exit', () => reject(failed('its thread ended without an answer')));
  try {
    const reply = await promise;
    if ('problem' in reply) throw new EvaluationError(reply.problem.code, reply.problem.message);
    return reply.linked;
  } finally {
    clearTimeout(deadline);
    await worker.terminate();
  }
}

function failed(why: string): EvaluationError {
  return new EvaluationError('module-invalid', `cannot compile the module: rewriting it failed: ${why}`);
}
