import type { Work, WorkOutcome } from './flight.ts';
import type { Thread } from './thread.ts';

export interface WarmUpOptions {
  readonly nowMs: () => number;
  /** Runs some work on this very thread; rejects when there will be no answer. */
  readonly run: (work: Work, thread: Thread) => Promise<WorkOutcome>;
}

/** How long others wait for a thread that takes the place of another. */
const REPLACEMENT_BUDGET_MS = 1000;

/**
 * Runs each policy on each thread before anybody waits for it. The engine compiles functions when they are called for the first
 * time, and tables, images and caches are made then: off the request path that costs nobody anything.
 */
export class WarmUp {
  readonly #options: WarmUpOptions;
  readonly #works = new Map<string, readonly Work[]>();

  constructor(options: WarmUpOptions) {
    this.#options = options;
  }

  /** On all of these threads at the same time; what comes of the work is of no interest. */
  async everywhere(policyId: string, works: readonly Work[], threads: readonly Thread[]): Promise<void> {
    this.#works.set(policyId, works);
    await Promise.all(threads.map((thread) => this.#runAll(works, thread, Infinity)));
  }

  /** Everything that was ever warmed, on a new thread, within bounds. */
  async thread(thread: Thread): Promise<void> {
    const endsAtMs = this.#options.nowMs() + REPLACEMENT_BUDGET_MS;
    for (const works of this.#works.values()) await this.#runAll(works, thread, endsAtMs);
  }

  async #runAll(works: readonly Work[], thread: Thread, endsAtMs: number): Promise<void> {
    for (const work of works) {
      if (this.#options.nowMs() >= endsAtMs) return;
      await this.#options.run(work, thread).catch(() => undefined);
    }
  }
}
