import { EvaluationError } from '../errors.ts';
import { ranMs } from './fairness.ts';
import { type Attempt, type Flight, isRunnable, type Work } from './flight.ts';
import type { EvaluationQueue } from './queue.ts';
import { type Reputation, SLICE_MS } from './reputation.ts';
import type { Thread } from './thread.ts';

/** Why evaluations are refused that were let in. */
export const LIMIT_REACHED = 'its policy has just run into its time limit, and there is no time for another try';
export const SHED = 'others, whose answers admissions wait for, go before it';
export const TOO_LATE = 'its turn did not come in time';

export interface OverloadOptions {
  readonly concurrency: number;
  readonly maxQueueLength: number;
  readonly reputation: Reputation;
  readonly nowMs: () => number;
}

/** Somebody at the door. */
export interface Newcomer {
  readonly policyId: string;
  /** From now on: when its answer comes too late; `undefined` = it has time. */
  readonly deadlineMs: number | undefined;
  readonly isSheddable: boolean;
}

/** An evaluation of a policy nobody knows yet, as the estimate sees it. */
const UNKNOWN_USUAL_MS = 1;

/** The least an API server waits for. */
const LEAST_PATIENCE_MS = 1000;

/** Who may be shed first may fill no more than this part of the queue, and of its time. */
const SHEDDABLE_SHARE = 0.5;

/** Refuses at the door what would only wait: a bounded queue, in length and in time. */
export class OverloadGuard {
  readonly #options: OverloadOptions;
  #refusals = 0;

  constructor(options: OverloadOptions) {
    this.#options = options;
  }

  get refusals(): number {
    return this.#refusals;
  }

  /**
   * Tells which waiting evaluation makes room for the newcomer, if it needs room and one can be shed; ask again then.
   *
   * @throws EvaluationError `overloaded`
   */
  admit(newcomer: Newcomer, queue: EvaluationQueue, threads: readonly Thread[]): Flight | undefined {
    const problem = this.#problem(newcomer, queue, threads);
    if (problem === undefined) return undefined;
    // A suspect waits for its like alone; to refuse others would not help it.
    const canShed = !newcomer.isSheddable && !this.#options.reputation.isSuspect(newcomer.policyId);
    const shed = canShed ? queue.all().findLast((flight) => flight.isSheddable) : undefined;
    if (shed === undefined) throw this.refusal(problem);
    return shed;
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

  #problem(newcomer: Newcomer, queue: EvaluationQueue, threads: readonly Thread[]): string | undefined {
    const { maxQueueLength, reputation } = this.#options;
    const share = newcomer.isSheddable ? SHEDDABLE_SHARE : 1;
    if (queue.size >= Math.ceil(maxQueueLength * share)) return `${queue.size} evaluations are waiting already`;
    const { policyId, deadlineMs } = newcomer;
    if (deadlineMs === undefined) return undefined;
    const waitMs = this.#estimateWaitMs(policyId, queue, threads);
    // Where there is no wait nobody is refused: however long evaluations were so far, only new ones can tell how long they are now.
    if (waitMs === 0 || waitMs + (reputation.usualMs(policyId) ?? UNKNOWN_USUAL_MS) <= deadlineMs * share)
      return undefined;
    return `it would have to wait about ${Math.ceil(waitMs)} ms, which is too long`;
  }

  #estimateWaitMs(policyId: string, queue: EvaluationQueue, threads: readonly Thread[]): number {
    const { concurrency, reputation } = this.#options;
    const usualMs = (id: string): number => reputation.usualMs(id) ?? UNKNOWN_USUAL_MS;
    if (reputation.isSuspect(policyId)) {
      // It has one thread at most, and waits for its like only.
      const alone = [...queue.alone()].map(({ work }) => work.policyId).filter((id) => id === policyId);
      const own = threads.filter((thread) => thread.reservedFor?.work.policyId === policyId);
      return estimateWaitMs(alone.length * usualMs(policyId), this.#occupations(own, true));
    }
    const busy = this.#occupations(threads, reputation.isSlow(policyId));
    if (busy.length < concurrency) return 0;
    let aheadMs = seatedBehindMs(threads, usualMs);
    for (const [id, count] of queue.sharedCounts()) aheadMs += count * usualMs(id);
    return estimateWaitMs(aheadMs, busy);
  }

  /** Who is at work. `isPatient`: nobody is stopped for the sake of the newcomer. */
  #occupations(threads: readonly Thread[], isPatient: boolean): Occupation[] {
    const { reputation } = this.#options;
    return threads
      .flatMap((thread) => thread.attempts().find(isRunnable) ?? [])
      .map((attempt) => {
        const { flight } = attempt;
        const elapsedMs = this.elapsedMs(attempt);
        const mayBeStopped = !isPatient && flight.timesGaveWay === 0;
        const limitMs = mayBeStopped ? SLICE_MS : (flight.work.timeoutMs ?? Infinity);
        const usualMs = reputation.usualMs(flight.work.policyId) ?? UNKNOWN_USUAL_MS;
        return { usualMs, elapsedMs, remainingMs: limitMs - elapsedMs };
      });
  }

  /** How long an attempt has occupied its thread. */
  elapsedMs(attempt: Attempt): number {
    if (attempt.isFollower) return ranMs(attempt);
    return this.#options.nowMs() - attempt.seatedAtMs - attempt.waitedMs;
  }
}

/** What those have to do who are seated behind others. */
function seatedBehindMs(threads: readonly Thread[], usualMs: (policyId: string) => number): number {
  let totalMs = 0;
  for (const thread of threads) {
    for (const { flight } of thread.attempts().filter(isRunnable).slice(1)) totalMs += usualMs(flight.work.policyId);
  }
  return totalMs;
}

/** A guest at work, as the estimate sees it. */
export interface Occupation {
  readonly usualMs: number;
  readonly elapsedMs: number;
  /** Until it is stopped at the latest. */
  readonly remainingMs: number;
}

/**
 * How long a newcomer would wait for its turn. With ordinary guests that is the work of those ahead, shared by the threads. When
 * every thread is held by a guest that has run much longer than usual, there is no telling: it is as likely to go on for as long
 * again as to end now, and it ends at its deadline.
 */
export function estimateWaitMs(aheadMs: number, busy: readonly Occupation[]): number {
  if (busy.length === 0) return aheadMs;
  const headWaits = busy.map(({ usualMs, elapsedMs, remainingMs }) =>
    Math.min(elapsedMs > usualMs ? elapsedMs : usualMs - elapsedMs, Math.max(remainingMs, 0)),
  );
  return Math.min(...headWaits) + aheadMs / busy.length;
}

/** How long somebody who does not say so waits for a turn; what happens at load is waited for in any case. */
export function usualPatienceMs({ operation, timeoutMs }: Work): number | undefined {
  return operation === 'validate' && timeoutMs !== undefined ? Math.max(timeoutMs, LEAST_PATIENCE_MS) : undefined;
}
