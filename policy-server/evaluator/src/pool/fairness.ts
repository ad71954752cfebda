import type { Attempt, Flight } from './flight.ts';
import type { EvaluationQueue } from './queue.ts';
import { type Reputation, SLICE_MS } from './reputation.ts';
import type { Thread } from './thread.ts';
import { monotonicMs } from './turns.ts';

/** What gives a waiting evaluation its thread. */
export type Relief =
  | { readonly kind: 'stop'; readonly attempt: Attempt }
  /** Nobody has outstayed the slice yet. */
  | { readonly kind: 'look-again'; readonly inMs: number };

/** An evaluation that takes so many times what is usual has gone astray; on a busy machine all take longer. */
const STRAY_FACTOR = 4;
const MAX_SLICE_MS = 5 * SLICE_MS;

/** A suspect is asked again and again, but has twice as long each time, up to here: most evaluations end within. */
const MAX_SUSPECT_SLICE_MS = 8 * SLICE_MS;

/**
 * Finds the evaluation that makes room for somebody who waits. Evaluations are pure, so one that was stopped starts over later,
 * and nobody can tell.
 *
 * When every thread is held by a long evaluation, the youngest gives way, since the least is lost with it, and each once, so that
 * none runs for ever. Those that gave way hold all threads but one (see `seating.ts`), so there is always a thread with somebody
 * who can be asked. Suspects give way to everybody else, as often as they are asked, or else one slow policy would wait for the
 * loops of another.
 */
export function findRelief(
  queue: EvaluationQueue,
  threads: readonly Thread[],
  reputation: Reputation,
): Relief | undefined {
  if (threads.some((thread) => thread.isStopping)) return undefined;
  const waiting = queue.shared(() => 0);
  const isSlow = ({ work }: Flight): boolean => reputation.isSlow(work.policyId);
  const isAwaited = waiting.some(isSlow) || hasGoodStanding(queue.alone(), reputation);
  const allLongInMs = waiting.length === 0 ? Infinity : untilAllAreLongMs(threads, reputation);
  let soonestMs = Infinity;
  let chosen: Attempt | undefined;
  for (const thread of threads) {
    const holder = thread.occupant();
    if (holder === undefined) {
      // Somebody is seated and has not begun; who it turns out to be is seen later.
      if (thread.runnable > 0) soonestMs = Math.min(soonestMs, SLICE_MS);
      continue;
    }
    const isSuspect = reputation.isSuspect(holder.flight.work.policyId);
    const forWaitingMs = Math.min(...waiting.map((waiter) => givesWayInMs(holder, waiter, reputation)));
    const forSlowMs = isSuspect && isAwaited ? suspectGivesWayInMs(holder) : Infinity;
    const inMs = Math.min(Math.max(allLongInMs, forWaitingMs), forSlowMs);
    soonestMs = Math.min(soonestMs, inMs);
    if (inMs === 0 && (chosen === undefined || goesBefore(holder, chosen, reputation))) chosen = holder;
  }
  if (chosen !== undefined) return { kind: 'stop', attempt: chosen };
  return soonestMs === Infinity ? undefined : { kind: 'look-again', inMs: soonestMs };
}

/** When an evaluation may be stopped for the sake of another one: 0 = now, Infinity = never. */
export function givesWayInMs(attempt: Attempt, { work }: Flight, reputation: Reputation): number {
  const { policyId } = attempt.flight.work;
  if (reputation.isSuspect(policyId)) return suspectGivesWayInMs(attempt);
  if (attempt.flight.timesGaveWay > 0 || !canGiveWay(attempt)) return Infinity;
  const isSame = policyId === work.policyId;
  if (!isSame && !reputation.isSlow(work.policyId)) return leftOfSliceMs(attempt, reputation);
  // Who waits may well be as long. Only one that has gone astray makes room then: long for its policy, and for the other.
  const usualMs = reputation.usualMs(policyId);
  if (isSame && usualMs === undefined) return Infinity;
  const strayMs = STRAY_FACTOR * Math.max(usualMs ?? 0, reputation.usualMs(work.policyId) ?? 0);
  return Math.max(0, Math.max(strayMs, MAX_SLICE_MS) - ranMs(attempt));
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

function canGiveWay({ flight, stop }: Attempt): boolean {
  return flight.warms === undefined && stop === undefined;
}

function suspectGivesWayInMs(attempt: Attempt): number {
  if (!canGiveWay(attempt)) return Infinity;
  const sliceMs = Math.min(SLICE_MS * 2 ** attempt.flight.timesGaveWay, MAX_SUSPECT_SLICE_MS);
  return Math.max(0, sliceMs - ranMs(attempt));
}

function hasGoodStanding(flights: Iterable<Flight>, reputation: Reputation): boolean {
  for (const { work } of flights) if (!reputation.isSuspect(work.policyId)) return true;
  return false;
}

function untilAllAreLongMs(threads: readonly Thread[], reputation: Reputation): number {
  const left = threads.map((thread) => {
    const holder = thread.occupant();
    if (holder !== undefined) return leftOfSliceMs(holder, reputation);
    // A module is being made ready there, or the thread empties for somebody who needs all of it.
    return thread.runnable > 0 ? SLICE_MS : 0;
  });
  return Math.max(0, ...left);
}

function leftOfSliceMs(attempt: Attempt, reputation: Reputation): number {
  const { thread, seat, answers, flight } = attempt;
  const { policyId } = flight.work;
  if (thread.reservedFor === flight || reputation.isSlow(policyId)) return 0;
  if (thread.turns.state(seat, answers) === 'not-started') return SLICE_MS;
  const strayMs = STRAY_FACTOR * (reputation.usualMs(policyId) ?? 0);
  return Math.max(0, Math.min(Math.max(SLICE_MS, strayMs), MAX_SLICE_MS) - ranMs(attempt));
}

function goesBefore(a: Attempt, b: Attempt, reputation: Reputation): boolean {
  const aIsSuspect = reputation.isSuspect(a.flight.work.policyId);
  if (aIsSuspect !== reputation.isSuspect(b.flight.work.policyId)) return aIsSuspect;
  return a.thread.turns.startedAtMs(a.seat) > b.thread.turns.startedAtMs(b.seat);
}
