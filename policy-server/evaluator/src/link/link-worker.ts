// Entry of the thread that rewrites one large module and ends. See link-thread.ts.
import { parentPort } from 'node:worker_threads';
import { EvaluationError } from '../errors.ts';
import { linkModule } from './link.ts';
import type { LinkReply, LinkRequest } from './link-thread.ts';

function answer({ bytes, options }: LinkRequest): LinkReply {
  try {
    return { linked: linkModule(bytes, options) };
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    return { problem: { code: error.code, message: error.message } };
  }
}

parentPort?.once('message', (request: LinkRequest) => {
  const reply = answer(request);
  // Given away rather than copied.
  parentPort?.postMessage(reply, 'linked' in reply ? [reply.linked.bytes.buffer] : []);
});
