import { findRelief } from './fairness.ts';
import type { Attempt } from './flight.ts';
import type { EvaluationQueue } from './queue.ts';
import type { Reputation } from './reputation.ts';
import { nextSeating, type Seating } from './seating.ts';
import type { Thread } from './thread.ts';

export interface DispatcherOptions {
  readonly concurrency: number;
  readonly queue: EvaluationQueue;
  readonly reputation: Reputation;
  readonly nowMs: () => number;
  readonly threads: () => readonly Thread[];
  readonly seat: (seating: Seating) => void;
  /** Stops an evaluation for the sake of somebody who waits. */
  readonly preempt: (attempt: Attempt) => void;
}

/** Seats those who wait, and makes room for them where there is none. */
export class Dispatcher implements Disposable {
  readonly #options: DispatcherOptions;
  #lookAgain: NodeJS.Timeout | undefined;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /** To be called whenever somebody comes, goes, or turns to the host. */
  dispatch(): void {
    const { queue, threads, concurrency, reputation, nowMs, seat } = this.#options;
    for (;;) {
      const seating = nextSeating(queue, threads(), { concurrency, reputation, nowMs: nowMs() });
      if (seating === undefined) break;
      seat(seating);
    }
    this.#relieve();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#lookAgain);
  }

  #relieve(): void {
    const { queue, threads, reputation, preempt } = this.#options;
    clearTimeout(this.#lookAgain);
    if (queue.size === 0) return;
    const open = threads().filter((thread) => !thread.isWarming);
    const relief = findRelief(queue, open, reputation);
    if (relief?.kind === 'stop') preempt(relief.attempt);
    else if (relief !== undefined) {
      this.#lookAgain = setTimeout(() => this.dispatch(), Math.ceil(relief.inMs)).unref();
    }
  }
}
