import { type Attempt, canBeStopped, type Flight } from './flight.ts';
import { type Reputation, SLICE_MS } from './reputation.ts';
import type { Thread } from './thread.ts';
import { monotonicMs } from './turns.ts';

/** What gives a waiting evaluation its thread. */
export type Relief =
  | { readonly kind: 'stop'; readonly attempt: Attempt }
  /** Nobody has outstayed the slice yet. */
  | { readonly kind: 'look-again'; readonly inMs: number };

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
  const waiter = waiting.find(({ work }) => !reputation.isSlow(work.policyId));
  if (waiter === undefined) return undefined;
  let inMs = 0;
  const candidates: Attempt[] = [];
  for (const thread of threads) {
    if (thread.isStopping) return undefined;
    const holder = thread.occupant();
    if (holder === undefined) {
      // A module is being made ready there, or the thread empties for somebody who needs all of it.
      if (thread.runnable > 0) inMs = SLICE_MS;
      continue;
    }
    inMs = Math.max(inMs, leftOfSliceMs(holder, reputation));
    if (givesWay(holder, waiter, reputation)) candidates.push(holder);
  }
  if (candidates.length === 0) return undefined;
  if (inMs > 0) return { kind: 'look-again', inMs };
  const attempt = candidates.reduce((best, each) => (goesBefore(each, best, reputation) ? each : best));
  return { kind: 'stop', attempt };
}

/** Whether an evaluation that has outstayed its slice may be stopped for the sake of another. */
export function givesWay({ flight, stop }: Attempt, waiter: Flight, reputation: Reputation): boolean {
  if (flight.gaveWay || flight.warms !== undefined || stop !== undefined) return false;
  if (!canBeStopped(flight.work.compiled)) return false;
  // Of one policy, the one that waits may well be as long, unless the policy is known for better.
  return flight.work.policyId !== waiter.work.policyId || reputation.usualMs(waiter.work.policyId) !== undefined;
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
