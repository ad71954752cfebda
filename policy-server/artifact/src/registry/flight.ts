import { ArtifactError } from '../errors.ts';

/**
 * Does identical work once for all who ask while it is under way. Each waits as long as it wants to: who gives up takes
 * nothing from the others.
 */
export async function joinFlight<T>(
  flights: Map<string, Promise<unknown>>,
  { key, signal }: { key: string; signal: AbortSignal | undefined },
  work: () => Promise<T>,
): Promise<T> {
  if (signal?.aborted === true) throw aborted(signal);
  let flight = flights.get(key) as Promise<T> | undefined;
  if (flight === undefined) {
    flight = work().finally(() => flights.delete(key));
    // Everybody may have given up by the time it fails.
    flight.catch(() => undefined);
    flights.set(key, flight);
  }
  return unlessAborted(flight, signal);
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  const { promise, reject } = Promise.withResolvers<never>();
  const giveUp = (): void => reject(aborted(signal));
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

function aborted(signal: AbortSignal): ArtifactError {
  return new ArtifactError('aborted', 'gave up waiting for a registry', { cause: signal.reason });
}
