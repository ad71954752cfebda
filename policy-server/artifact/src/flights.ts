import { abortedWait, unlessAborted } from './unless-aborted.ts';

/** Somebody who waits for a flight. */
export interface Waiter<P> {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: P) => void) | undefined;
}

/** What the work gets: a signal that says nobody waits any more, and why the last one left; and ears for its progress. */
export interface FlightContext<P> {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: P) => void;
}

interface Flight<T, P> {
  readonly result: Promise<T>;
  readonly control: AbortController;
  readonly waiters: Set<Waiter<P>>;
}

/**
 * Work that is under way, by key: whoever asks for the same meanwhile gets the same result, and each waits as long as it
 * likes. When nobody waits any more, the work is called off.
 */
export class Flights<T, P = never> {
  readonly #what: string;
  readonly #flights = new Map<string, Flight<T, P>>();

  /** @param what is waited for, in words for errors */
  constructor(what: string) {
    this.#what = what;
  }

  /** @throws ArtifactError `aborted` when the waiter's signal comes before the result; its cause is the signal's reason */
  async join(key: string, waiter: Waiter<P>, start: (context: FlightContext<P>) => Promise<T>): Promise<T> {
    const { signal } = waiter;
    if (signal?.aborted === true) throw abortedWait(signal, this.#what);
    const flight = this.#flights.get(key) ?? this.#begin(key, start);
    // A seat of its own, even when the caller passes the same object twice.
    const seat = { ...waiter };
    flight.waiters.add(seat);
    try {
      return signal === undefined ? await flight.result : await unlessAborted(flight.result, signal, this.#what);
    } finally {
      flight.waiters.delete(seat);
      if (flight.waiters.size === 0) this.#end(key, flight, signal?.reason);
    }
  }

  #begin(key: string, start: (context: FlightContext<P>) => Promise<T>): Flight<T, P> {
    const control = new AbortController();
    const waiters = new Set<Waiter<P>>();
    const onProgress = (progress: P): void => {
      for (const waiter of waiters) waiter.onProgress?.(progress);
    };
    const flight = { result: start({ signal: control.signal, onProgress }), control, waiters };
    this.#flights.set(key, flight);
    // Work that was called off fails when nobody listens any more.
    flight.result.catch(() => undefined);
    return flight;
  }

  #end(key: string, flight: Flight<T, P>, reason: unknown): void {
    flight.control.abort(reason);
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }
}
