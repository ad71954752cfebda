import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** How long the last bytes of a body nobody wants are waited for. */
const LINGER_MS = 2000;

/**
 * What becomes of bodies that are refused unread. Their clients must get to see the answer, and what they send next must not be
 * taken for the body, nor the body for the next request.
 */
export class UnreadBodies {
  /** Clients that asked whether they may send (`Expect: 100-continue`, RFC 9110 §10.1.1) and were told nothing yet. */
  readonly #asking = new WeakSet<IncomingMessage>();

  constructor(server: Server) {
    server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
      this.#asking.add(request);
      server.emit('request', request, response);
    });
  }

  /** The body is wanted: a client that asked may send it. */
  invite(request: IncomingMessage, response: ServerResponse): void {
    if (this.#asking.delete(request)) response.writeContinue();
  }

  /** To be called before an answer is sent, which has to wait for what is returned. */
  settle(request: IncomingMessage, response: ServerResponse): Promise<void> | undefined {
    if (request.complete) return undefined;
    if (this.#asking.has(request)) {
      // It may send the body all the same, or the next request in its place.
      response.setHeader('connection', 'close');
      return undefined;
    }
    const willClose = !response.shouldKeepAlive || response.getHeader('connection') === 'close';
    return willClose ? drained(request) : undefined;
  }
}

/** A connection that is closed with bytes unread is reset, and the client may never see the answer (RFC 9112 §9.6). */
async function drained(request: IncomingMessage): Promise<void> {
  const settled = new AbortController();
  request.resume();
  const end = once(request, 'close', { signal: settled.signal });
  const patience = sleep(LINGER_MS, undefined, { signal: settled.signal });
  await Promise.race([end, patience]).catch(() => undefined);
  settled.abort();
  await Promise.allSettled([end, patience]);
}
