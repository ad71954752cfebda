/** One question under way, and how many wait for its answer. */
interface Flight<T> {
  readonly answer: Promise<T>;
  readonly control: AbortController;
  waiters: number;
}

/**
 * Asks identical questions once, however many ask at the same time. Each asker waits as long as it likes; a question nobody waits
 * for any more is given up.
 */
export class Flights<T> {
  readonly #flights = new Map<string, Flight<T>>();

  /** Joins the flight of `key`, or starts it. Rejects with the signal's reason when that aborts first. */
  async join(key: string, start: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    const flight = this.#flights.get(key) ?? this.#start(key, start);
    flight.waiters++;
    if (signal === undefined) return flight.answer;
    const { promise: left, reject } = Promise.withResolvers<never>();
    const leave = (): void => {
      reject(signal.reason);
      if (--flight.waiters === 0) this.#giveUp(key, flight, signal.reason);
    };
    signal.addEventListener('abort', leave, { once: true });
    try {
      return await Promise.race([flight.answer, left]);
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }

  #start(key: string, start: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const control = new AbortController();
    const flight: Flight<T> = { answer: start(control.signal), control, waiters: 0 };
    this.#flights.set(key, flight);
    const land = (): void => void (this.#flights.get(key) === flight && this.#flights.delete(key));
    flight.answer.then(land, land);
    return flight;
  }

  /** Whoever asks from now on starts anew, rather than join what is being aborted. */
  #giveUp(key: string, flight: Flight<T>, reason: unknown): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
    flight.control.abort(reason);
  }
}
