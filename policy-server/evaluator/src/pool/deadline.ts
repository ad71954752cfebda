import type { Attempt } from './flight.ts';
import { SLICE_MS } from './reputation.ts';
import type { Thread } from './thread.ts';
import { monotonicMs } from './turns.ts';

/** How long somebody may wait for a thread that does not move on before it is run again elsewhere. */
const STUCK_AFTER_MS = 250;

/**
 * How long a guest that was told to stop may take to come to its end: this many looks, so long apart. They are counted rather than
 * the time, because a machine that stands still for a while (a container that used up its share does) stops the guest's thread,
 * too, and says nothing about the guest.
 */
const LOOKS_AT_STOPPING = 10;
const LOOK_EVERY_MS = 10;

/** What is to be done about an attempt whose time has passed. */
export interface Verdicts {
  /** It has used up its time. */
  timedOut(attempt: Attempt): void;
  /** It could go on, but some other guest holds the thread: it is run again elsewhere. */
  heldUp(attempt: Attempt): void;
  /** Another one waits for the same thread; `true` = it gives way. */
  holdsUp(attempt: Attempt, waiter: Attempt): boolean;
}

/**
 * Starts the clock of an attempt. Time counts from the moment the evaluation starts on its thread: start code, the call, host
 * calls and sleeps alike. Waiting for a thread that another guest occupies is nobody's fault but that guest's.
 */
export function armDeadline(attempt: Attempt, verdicts: Verdicts): void {
  const { timeoutMs } = attempt.flight.work;
  if (timeoutMs === undefined) return;
  const check = (): void => {
    const leftMs = remainingMs(attempt);
    if (leftMs > 0) setDeadline(attempt, leftMs, check);
    else judge(attempt, verdicts);
  };
  setDeadline(attempt, timeoutMs, check);
}

/** Gives a guest that was told to stop the time to come to its end, counted while it has the thread. */
export function armLastResort(attempt: Attempt, overran: () => void): void {
  let looks = 0;
  const look = (): void => {
    if (attempt.thread.occupant() === attempt) looks++;
    if (looks >= LOOKS_AT_STOPPING) overran();
    else setDeadline(attempt, LOOK_EVERY_MS, look);
  };
  setDeadline(attempt, LOOK_EVERY_MS, look);
}

/** What is left of an attempt's time; all of it while it has not started. */
export function remainingMs(attempt: Attempt): number {
  const { thread, seat, flight } = attempt;
  const { timeoutMs = Infinity } = flight.work;
  if (thread.turns.state(seat, attempt.answers) !== 'not-started') {
    return thread.turns.startedAtMs(seat) + timeoutMs - monotonicMs();
  }
  return thread.occupant() === undefined ? timeoutMs : 0;
}

function setDeadline(attempt: Attempt, ms: number, check: () => void): void {
  // A timer may fire up to a millisecond early; `check` then sets it once more.
  attempt.deadline = setTimeout(check, Math.min(Math.ceil(ms), 2 ** 31 - 1)).unref();
}

function judge(attempt: Attempt, verdicts: Verdicts): void {
  switch (attempt.thread.turns.state(attempt.seat, attempt.answers)) {
    case 'on-thread':
    case 'waiting-for-host':
      verdicts.timedOut(attempt);
      return;
    case 'not-started':
    case 'waiting-for-thread':
      verdicts.heldUp(attempt);
      return;
    case 'abandoned':
  }
}

/**
 * Looks after a thread that several evaluations need at once. Their own deadlines would find them in the end, but that may be
 * long, and some have none.
 */
export function watchThread(thread: Thread, verdicts: Verdicts): void {
  if (thread.watch !== undefined || thread.isDead || thread.runnable < 2) return;
  let isFirst = true;
  const before = turnOf(thread);
  const look = (): void => {
    const occupant = thread.occupant();
    const waiters = thread.attempts().filter(isHeldUp);
    const [waiter] = waiters;
    const isStuck = occupant !== undefined && waiter !== undefined && turnOf(thread) === before;
    if (!isStuck || verdicts.holdsUp(occupant, waiter)) {
      thread.watch = undefined;
      watchThread(thread, verdicts);
    } else if (isFirst) {
      isFirst = false;
      thread.watch = setTimeout(look, STUCK_AFTER_MS - SLICE_MS).unref();
    } else {
      thread.watch = undefined;
      for (const each of waiters) verdicts.heldUp(each);
    }
  };
  thread.watch = setTimeout(look, SLICE_MS).unref();
}

/** Changes whenever the thread moves on. */
function turnOf(thread: Thread): string {
  const occupant = thread.occupant();
  return occupant === undefined ? '' : `${occupant.evaluationId}:${thread.turns.turn(occupant.seat)}`;
}

function isHeldUp(attempt: Attempt): boolean {
  const state = attempt.thread.turns.state(attempt.seat, attempt.answers);
  return attempt.stop === undefined && (state === 'not-started' || state === 'waiting-for-thread');
}
