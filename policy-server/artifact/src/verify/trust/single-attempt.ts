/** How long a failure is repeated before the next attempt: a host that is down must not be asked for every policy. */
const RETRY_AFTER_MS = 10_000;

/**
 * One result for all callers: who asks while an attempt runs shares it, a success is kept for good, a failure is repeated
 * for ten seconds.
 */
export function singleAttempt<T>(attempt: () => Promise<T>, nowMs: () => number): () => Promise<T> {
  let running: Promise<T> | undefined;
  let failedAtMs: number | undefined;
  return () => {
    if (failedAtMs !== undefined && Math.abs(nowMs() - failedAtMs) >= RETRY_AFTER_MS) {
      failedAtMs = undefined;
      running = undefined;
    }
    running ??= attempt().catch((error: unknown) => {
      failedAtMs = nowMs();
      throw error;
    });
    return running;
  };
}
