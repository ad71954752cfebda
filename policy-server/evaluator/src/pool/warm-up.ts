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
 * Runs each module on each thread before anybody waits for it. The engine compiles functions when they are called for the first
 * time, and tables, images and caches are made then: off the request path that costs nobody anything. All of that belongs to the
 * module, so one of its policies does it for all.
 */
export class WarmUp {
  readonly #options: WarmUpOptions;
  readonly #works = new Map<string, readonly Work[]>();
  /** By module; `true` = everything was answered everywhere. */
  readonly #flights = new Map<string, Promise<boolean>>();

  constructor(options: WarmUpOptions) {
    this.#options = options;
  }

  /**
   * On all of these threads at the same time, unless another policy has done so for the module; what is answered is of no interest.
   */
  async everywhere(moduleKey: string, works: readonly Work[], threads: readonly Thread[]): Promise<void> {
    if ((await this.#flights.get(moduleKey)) === true) return;
    this.#works.set(moduleKey, works);
    const flight = Promise.all(threads.map((thread) => this.#runAll(works, thread, Infinity)));
    const isWarm = flight.then((answered) => answered.every(Boolean));
    this.#flights.set(moduleKey, isWarm);
    await isWarm;
  }

  /** Everything that was ever warmed, on a new thread, within bounds. */
  async thread(thread: Thread): Promise<void> {
    const endsAtMs = this.#options.nowMs() + REPLACEMENT_BUDGET_MS;
    for (const works of this.#works.values()) await this.#runAll(works, thread, endsAtMs);
  }

  /** Whether everything was answered. What follows something that was not would most likely take as long for nothing. */
  async #runAll(works: readonly Work[], thread: Thread, endsAtMs: number): Promise<boolean> {
    for (const work of works) {
      // Whoever waits for a thread that has come to its end waits for ever.
      if (thread.isDead || this.#options.nowMs() >= endsAtMs) return false;
      const outcome = await this.#options.run(work, thread).catch(() => undefined);
      if (outcome?.kind !== 'validated') return false;
    }
    return true;
  }
}
