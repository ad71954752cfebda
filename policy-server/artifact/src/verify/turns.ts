import { setImmediate } from 'node:timers/promises';

/** Short enough that requests of others do not notice. */
const MAX_TURN_MS = 10;

/**
 * Pauses in work that computes for long: hundreds of keys tried on dozens of signatures would keep everybody else from the
 * thread. The answered function is awaited between two steps.
 */
export function createTurns(signal?: AbortSignal): () => Promise<void> {
  let sinceMs = performance.now();
  return async () => {
    if (performance.now() - sinceMs < MAX_TURN_MS) return;
    await setImmediate();
    signal?.throwIfAborted();
    sinceMs = performance.now();
  };
}
