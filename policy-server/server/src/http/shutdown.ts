import type { Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** How often connections that became idle are closed while the last requests finish. */
const SWEEP_MS = 25;

/**
 * Stops a listener without cutting anybody off: no new connections, requests in flight finish, connections are closed as they
 * become idle. What is still open after `graceMs` is closed all the same.
 */
export async function drain(server: Server, graceMs: number): Promise<void> {
  if (!server.listening) return;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS);
  const gone = new AbortController();
  const grace = sleep(graceMs, undefined, { signal: gone.signal }).catch(() => undefined);
  await Promise.race([closed, grace]);
  gone.abort();
  clearInterval(sweep);
  server.closeAllConnections();
  await closed;
}
