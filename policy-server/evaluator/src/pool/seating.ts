import type { Flight } from './flight.ts';
import type { EvaluationQueue } from './queue.ts';
import type { Thread } from './thread.ts';

/** Who goes where next. */
export interface Seating {
  readonly flight: Flight;
  readonly thread: Thread;
}

/**
 * Picks the next flight that can be seated, the oldest first. A flight that needs a thread to itself and finds none keeps one
 * thread from filling up again, and meanwhile holds nobody else up.
 */
export function nextSeating(
  queue: EvaluationQueue,
  threads: readonly Thread[],
  concurrency: number,
): Seating | undefined {
  if (threads.filter((thread) => thread.runnable > 0).length >= concurrency) return undefined;
  const shared = queue.nextShared();
  const alone = queue.nextAlone();
  const inTurn =
    alone !== undefined && (shared === undefined || alone.queuedAtMs <= shared.queuedAtMs)
      ? [() => seatAlone(alone, threads, concurrency), () => seatShared(shared, threads)]
      : [() => seatShared(shared, threads), () => seatAlone(alone, threads, concurrency)];
  return inTurn[0]?.() ?? inTurn[1]?.();
}

/** Gives back what was kept free for a flight. */
export function unreserve(flight: Flight, threads: readonly Thread[]): void {
  for (const thread of threads) if (thread.reservedFor === flight) thread.reservedFor = undefined;
}

/** The total of something over all threads. */
export function count(threads: readonly Thread[], each: (thread: Thread) => number): number {
  return threads.reduce((total, thread) => total + each(thread), 0);
}

function seatShared(flight: Flight | undefined, threads: readonly Thread[]): Seating | undefined {
  if (flight === undefined) return undefined;
  const thread = emptiest(threads.filter((each) => each.hasRoom && each.reservedFor === undefined));
  return thread && { flight, thread };
}

function seatAlone(flight: Flight | undefined, threads: readonly Thread[], concurrency: number): Seating | undefined {
  if (flight === undefined) return undefined;
  // One place always stays for those who share, or two looping guests would hold up everybody on a machine with two cores.
  const alone = threads.filter((each) => each.reservedFor?.attempt?.thread === each);
  if (alone.length >= Math.max(1, concurrency - 1)) return undefined;
  const open = threads.filter((each) => each.reservedFor === undefined || each.reservedFor === flight);
  const thread = emptiest(open);
  if (thread === undefined) return undefined;
  if (thread.size > 0) {
    if (!open.some((each) => each.reservedFor === flight)) thread.reservedFor = flight;
    return undefined;
  }
  unreserve(flight, threads);
  thread.reservedFor = flight;
  return { flight, thread };
}

function emptiest(threads: readonly Thread[]): Thread | undefined {
  return threads.reduce<Thread | undefined>(
    (best, thread) => (best === undefined || thread.size < best.size ? thread : best),
    undefined,
  );
}
