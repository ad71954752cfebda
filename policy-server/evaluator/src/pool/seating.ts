import { isHeavilyHeld } from './fairness.ts';
import { type Flight, isRunnable } from './flight.ts';
import type { EvaluationQueue } from './queue.ts';
import type { Reputation } from './reputation.ts';
import type { Thread } from './thread.ts';

/** Who goes where next. */
export interface Seating {
  readonly flight: Flight;
  readonly thread: Thread;
}

export interface SeatingRules {
  readonly concurrency: number;
  readonly reputation: Reputation;
  readonly nowMs: number;
}

/** On a single thread those who gave way must not wait for ever. */
const PATIENCE_MS = 250;

/**
 * Picks the next flight that can be seated. A flight that needs a thread to itself and finds none keeps one thread from filling
 * up again, and meanwhile holds nobody else up. Those who are long never take the last thread while somebody else waits.
 */
export function nextSeating(
  queue: EvaluationQueue,
  threads: readonly Thread[],
  rules: SeatingRules,
): Seating | undefined {
  if (queue.size === 0) return undefined;
  const seating = seatWarming(queue);
  if (seating !== undefined) return seating;
  const open = threads.filter((thread) => !thread.isWarming);
  const waiting = queue.shared((policyId) => runningOf(policyId, open));
  const quick = waiting.find(({ work }) => !rules.reputation.isSlow(work.policyId));
  const isLastThread = quick !== undefined && open.filter((each) => !isHeavilyHeld(each, rules.reputation)).length <= 1;
  const shared = isLastThread ? quick : waiting[0];
  const alone = nextAlone(queue, open, rules);
  const mayBeAlone =
    alone !== undefined && (!isLastThread || (rules.concurrency === 1 && rules.nowMs - alone.queuedAtMs > PATIENCE_MS));
  if (!mayBeAlone) return seatShared(shared, open, rules);
  if (shared !== undefined && shared.queuedAtMs < alone.queuedAtMs) {
    return seatShared(shared, open, rules) ?? seatAlone(alone, open, rules);
  }
  return seatAlone(alone, open, rules) ?? seatShared(shared, open, rules);
}

/** Gives back what was kept free for a flight. */
export function unreserve(flight: Flight, threads: readonly Thread[]): void {
  for (const thread of threads) if (thread.reservedFor === flight) thread.reservedFor = undefined;
}

/** The total of something over all threads. */
export function count(threads: readonly Thread[], each: (thread: Thread) => number): number {
  return threads.reduce((total, thread) => total + each(thread), 0);
}

function seatWarming(queue: EvaluationQueue): Seating | undefined {
  for (const flight of queue.warming()) {
    const { warms: thread } = flight;
    if (thread?.hasRoom === true && thread.reservedFor === undefined) return { flight, thread };
  }
  return undefined;
}

function seatShared(
  flight: Flight | undefined,
  threads: readonly Thread[],
  { reputation }: SeatingRules,
): Seating | undefined {
  if (flight === undefined) return undefined;
  const shared = threads.filter((each) => each.reservedFor === undefined);
  const thread =
    emptiest(shared.filter((each) => each.hasRoom)) ??
    (reputation.isQuick(flight.work.policyId) ? shared.find((each) => isSoonFree(each, reputation)) : undefined);
  return thread && { flight, thread };
}

/**
 * Whether somebody quick may be seated behind the one who has the thread, who is quick too: the thread then finds its next work
 * there instead of going to sleep until it is told, which costs more than the evaluation.
 */
function isSoonFree(thread: Thread, reputation: Reputation): boolean {
  if (thread.runnable !== 1 || !thread.hasSeat || thread.isStopping) return false;
  return thread.attempts().every((attempt) => !isRunnable(attempt) || reputation.isQuick(attempt.flight.work.policyId));
}

/**
 * Whoever has a thread kept free for it goes first, then those in good standing. A suspect policy has one thread at a time, not
 * all that may be had alone.
 */
function nextAlone(
  queue: EvaluationQueue,
  threads: readonly Thread[],
  { reputation }: SeatingRules,
): Flight | undefined {
  const expected = threads.find((thread) => thread.reservedFor !== undefined && !isSeatedAlone(thread));
  if (expected !== undefined) return expected.reservedFor;
  let suspect: Flight | undefined;
  for (const flight of queue.alone()) {
    const { policyId } = flight.work;
    if (!reputation.isSuspect(policyId)) return flight;
    if (!threads.some((thread) => thread.reservedFor?.work.policyId === policyId)) suspect ??= flight;
  }
  return suspect;
}

function seatAlone(flight: Flight, threads: readonly Thread[], rules: SeatingRules): Seating | undefined {
  // With one thread there is nothing to keep apart.
  if (rules.concurrency === 1) return seatShared(flight, threads, rules);
  const open = threads.filter((each) => each.reservedFor === undefined || each.reservedFor === flight);
  const own = open.find((each) => each.reservedFor === flight);
  // One thread always stays for those who share, or two looping guests would hold up everybody on a machine with two cores.
  if (own === undefined && threads.length - open.length >= Math.max(1, rules.concurrency - 1)) return undefined;
  const thread = emptiest(open);
  if (thread === undefined) return undefined;
  if (thread.size > 0) {
    if (own === undefined) thread.reservedFor = flight;
    return undefined;
  }
  unreserve(flight, threads);
  thread.reservedFor = flight;
  return { flight, thread };
}

function isSeatedAlone(thread: Thread): boolean {
  return thread.reservedFor?.attempt?.thread === thread;
}

function runningOf(policyId: string, threads: readonly Thread[]): number {
  return count(threads, (thread) => thread.runningOf(policyId));
}

function emptiest(threads: readonly Thread[]): Thread | undefined {
  return threads.reduce<Thread | undefined>(
    (best, thread) => (best === undefined || thread.size < best.size ? thread : best),
    undefined,
  );
}
