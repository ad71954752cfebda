import { type Attempt, canBeStopped, type Flight } from './flight.ts';
import { type Reputation, SLICE_MS } from './reputation.ts';
import type { Thread } from './thread.ts';
import { monotonicMs } from './turns.ts';

/** What gives a waiting evaluation its thread. */
export type Relief =
  | { readonly kind: 'stop'; readonly attempt: Attempt }
  /** Nobody has outstayed the slice yet. */
  | { readonly kind: 'look-again'; readonly inMs: number };

/** What an evaluation may take while only others of its own policy wait, which are usually short: the machine may be to blame. */
const SLICE_AMONG_EQUALS_MS = 5 * SLICE_MS;

/**
 * Finds the evaluation that makes room when every thread is held by a long one and somebody waits who is not known to be long.
 * Suspects go first, then the youngest: the least is lost with it. Evaluations are pure, so one that was stopped starts over
 * later and nobody can tell. Each is asked to do so once, so that none runs for ever; those that were hold all threads but one
 * (see `seating.ts`), so that there is always a thread with somebody who can still be asked.
 */
export function findRelief(
  waiting: readonly Flight[],
  threads: readonly Thread[],
  reputation: Reputation,
): Relief | undefined {
  const waiters = waiting.filter(({ work }) => !reputation.isSlow(work.policyId));
  if (waiters.length === 0) return undefined;
  let inMs = 0;
  let soonestMs = Infinity;
  let chosen: Attempt | undefined;
  for (const thread of threads) {
    if (thread.isStopping) return undefined;
    const holder = thread.occupant();
    if (holder === undefined) {
      // A module is being made ready there, or the thread empties for somebody who needs all of it.
      if (thread.runnable > 0) inMs = SLICE_MS;
      continue;
    }
    inMs = Math.max(inMs, leftOfSliceMs(holder, reputation));
    const patienceMs = Math.min(...waiters.map((waiter) => givesWayInMs(holder, waiter, reputation)));
    soonestMs = Math.min(soonestMs, patienceMs);
    if (patienceMs > 0) continue;
    if (chosen === undefined || goesBefore(holder, chosen, reputation)) chosen = holder;
  }
  if (soonestMs === Infinity) return undefined;
  if (chosen === undefined || inMs > 0) return { kind: 'look-again', inMs: Math.max(inMs, soonestMs) };
  return { kind: 'stop', attempt: chosen };
}

/** When an evaluation may be stopped for the sake of another: 0 = now, Infinity = never. */
export function givesWayInMs(attempt: Attempt, waiter: Flight, reputation: Reputation): number {
  const { flight, stop } = attempt;
  if (flight.gaveWay || flight.warms !== undefined || stop !== undefined) return Infinity;
  if (!canBeStopped(flight.work.compiled)) return Infinity;
  if (flight.work.policyId !== waiter.work.policyId) return leftOfSliceMs(attempt, reputation);
  // The one that waits may well be as long, unless the policy is known for better.
  if (reputation.usualMs(waiter.work.policyId) === undefined) return Infinity;
  return Math.max(0, SLICE_AMONG_EQUALS_MS - ranMs(attempt));
}

/** What an evaluation has taken of its thread so far. */
export function ranMs({ thread, seat, waitedMs }: Attempt): number {
  return monotonicMs() - thread.turns.startedAtMs(seat) - waitedMs;
}

/** Whether a thread is held by somebody who is long, or bound to be. */
export function isHeavilyHeld(thread: Thread, reputation: Reputation): boolean {
  if (thread.reservedFor !== undefined) return true;
  return thread
    .attempts()
    .some((attempt) => attempt.waitingSinceMs === undefined && leftOfSliceMs(attempt, reputation) === 0);
}

function leftOfSliceMs(attempt: Attempt, reputation: Reputation): number {
  const { thread, seat, answers, flight } = attempt;
  if (thread.reservedFor === flight || reputation.isSlow(flight.work.policyId)) return 0;
  if (thread.turns.state(seat, answers) === 'not-started') return SLICE_MS;
  return Math.max(0, SLICE_MS - ranMs(attempt));
}

function goesBefore(a: Attempt, b: Attempt, reputation: Reputation): boolean {
  const aIsSuspect = reputation.isSuspect(a.flight.work.policyId);
  if (aIsSuspect !== reputation.isSuspect(b.flight.work.policyId)) return aIsSuspect;
  return a.thread.turns.startedAtMs(a.seat) > b.thread.turns.startedAtMs(b.seat);
}
