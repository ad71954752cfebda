import { EvaluationError } from '../errors.ts';
import { type Attempt, type Flight, isRunnable } from './flight.ts';
import type { Thread } from './thread.ts';

export interface OverloadOptions {
  readonly concurrency: number;
  readonly maxQueueLength: number;
  readonly nowMs: () => number;
}

/** Refuses at the door what would only wait: a bounded queue, in length and in time. */
export class OverloadGuard {
  readonly #options: OverloadOptions;
  /** The usual length of an evaluation: a moving average that follows within some twenty evaluations. */
  #usualMs = 1;
  #refusals = 0;

  constructor(options: OverloadOptions) {
    this.#options = options;
  }

  get refusals(): number {
    return this.#refusals;
  }

  /** Takes note of how long an evaluation occupied its thread. */
  observe(attempt: Attempt): void {
    this.#usualMs += (this.#elapsedMs(attempt) - this.#usualMs) / 16;
  }

  /** @throws EvaluationError `overloaded` */
  admit(waiting: number, threads: readonly Thread[], deadlineMs: number | undefined): void {
    if (waiting >= this.#options.maxQueueLength) throw this.refusal(`${waiting} evaluations are waiting already`);
    if (deadlineMs === undefined) return;
    const waitMs = estimateWaitMs(waiting, this.#usualMs, this.#occupations(threads));
    // Where there is no wait nobody is refused: however long evaluations were so far, only new ones can tell how long they are now.
    if (waitMs === 0 || waitMs + this.#usualMs <= deadlineMs) return;
    throw this.refusal(`it would have to wait about ${Math.ceil(waitMs)} ms, which is too long`);
  }

  /**
   * Whether a waiting evaluation of a policy that has just run into its time limit is in vain: another run like that one would
   * end too late for its caller, who had better hear so now. Newcomers are not measured by this, so a policy can recover.
   */
  isHopeless({ lateAtMs, work: { timeoutMs } }: Flight): boolean {
    return lateAtMs !== undefined && timeoutMs !== undefined && this.#options.nowMs() + timeoutMs > lateAtMs;
  }

  refusal(why: string): EvaluationError {
    this.#refusals++;
    return new EvaluationError('overloaded', `the evaluation was refused: ${why}; try again later`);
  }

  /** Who is at work, provided that there is no place left. */
  #occupations(threads: readonly Thread[]): Occupation[] {
    const running = threads.flatMap((thread) => thread.attempts()).filter(isRunnable);
    if (running.length < this.#options.concurrency) return [];
    return running.map((attempt) => {
      const elapsedMs = this.#elapsedMs(attempt);
      return { elapsedMs, remainingMs: (attempt.flight.work.timeoutMs ?? Infinity) - elapsedMs };
    });
  }

  #elapsedMs({ seatedAtMs, waitedMs }: Attempt): number {
    return this.#options.nowMs() - seatedAtMs - waitedMs;
  }
}

/** A guest at work, as the estimate sees it. */
export interface Occupation {
  readonly elapsedMs: number;
  /** Until it is stopped at the latest. */
  readonly remainingMs: number;
}

/**
 * How long a newcomer would wait for its turn. With ordinary guests that is the queue's length times the usual evaluation. When
 * every thread is held by a guest that has run much longer than usual, there is no telling: it is as likely to go on for as long
 * again as to end now, and it ends at its deadline.
 */
export function estimateWaitMs(ahead: number, usualMs: number, busy: readonly Occupation[]): number {
  if (busy.length === 0) return 0;
  const headWaits = busy.map(({ elapsedMs, remainingMs }) =>
    elapsedMs > usualMs ? Math.min(elapsedMs, Math.max(remainingMs, 0)) : usualMs - elapsedMs,
  );
  return Math.min(...headWaits) + (ahead * usualMs) / busy.length;
}
