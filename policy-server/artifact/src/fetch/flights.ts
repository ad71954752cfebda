import { ArtifactError } from '../errors.ts';
import type { DownloadProgress } from './reception.ts';

/** Somebody who waits for a flight. */
export interface Waiter {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
}

/** What the work gets: a signal that says nobody waits any more, and ears for its progress. */
export interface FlightContext {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: DownloadProgress) => void;
}

interface Flight<T> {
  readonly result: Promise<T>;
  readonly controller: AbortController;
  readonly waiters: Set<Waiter>;
}

/**
 * Work that is under way, by key: whoever asks for the same meanwhile gets the same result, and each waits as long as it
 * likes. When nobody waits any more, the work is called off.
 */
export class Flights<T> {
  readonly #flights = new Map<string, Flight<T>>();

  async join(key: string, waiter: Waiter, start: (context: FlightContext) => Promise<T>): Promise<T> {
    const flight = this.#flights.get(key) ?? this.#begin(key, start);
    // A waiter of its own, even when the caller passes the same object twice.
    const seat = { ...waiter };
    flight.waiters.add(seat);
    try {
      return await untilAborted(flight.result, waiter.signal);
    } finally {
      flight.waiters.delete(seat);
      if (flight.waiters.size === 0) this.#end(key, flight);
    }
  }

  #begin(key: string, start: (context: FlightContext) => Promise<T>): Flight<T> {
    const controller = new AbortController();
    const waiters = new Set<Waiter>();
    const onProgress = (progress: DownloadProgress): void => {
      for (const waiter of waiters) waiter.onProgress?.(progress);
    };
    const flight = { result: start({ signal: controller.signal, onProgress }), controller, waiters };
    this.#flights.set(key, flight);
    // Work that was called off fails when nobody listens any more.
    flight.result.catch(() => undefined);
    return flight;
  }

  #end(key: string, flight: Flight<T>): void {
    flight.controller.abort();
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }
}

/** Tasks of which one at a time may run, by key. */
export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  async take<T>(key: string, signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const mine = before.then(() => promise);
    this.#last.set(key, mine);
    try {
      await untilAborted(before, signal);
      return await task();
    } finally {
      resolve();
      if (this.#last.get(key) === mine) this.#last.delete(key);
    }
  }
}

async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  const { promise, reject } = Promise.withResolvers<never>();
  const giveUp = (): void => {
    reject(new ArtifactError('aborted', 'gave up waiting for a policy to be fetched', { cause: signal.reason }));
  };
  if (signal.aborted) giveUp();
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}
