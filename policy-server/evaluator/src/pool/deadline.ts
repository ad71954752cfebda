import type { Attempt } from './flight.ts';
import type { Thread } from './thread.ts';
import { monotonicMs } from './turns.ts';

/** How long somebody may wait for a thread that does not move on before the evaluation is moved instead. */
const STUCK_AFTER_MS = 250;

/** How long a guest that was given up may take to come to its end. */
const UNWIND_WITHIN_MS = 250;

/** What is to be done about an attempt whose time has passed. */
export interface Verdicts {
  /** It waits for the host: it is given up, the thread is not touched. */
  expired(attempt: Attempt): void;
  /** It occupies the thread: nothing but the end of the thread stops it. */
  overran(attempt: Attempt): void;
  /** It could go on, but some other guest holds the thread: it is run again elsewhere. */
  stuck(attempt: Attempt): void;
}

/**
 * Starts the clock of an attempt. Time counts from the moment the evaluation starts on its thread: start code, the call, host
 * calls and sleeps alike. Waiting for a thread that another guest occupies is nobody's fault but that guest's.
 */
export function armDeadline(attempt: Attempt, verdicts: Verdicts): void {
  const { timeoutMs } = attempt.flight.work;
  if (timeoutMs === undefined) return;
  const check = (): void => {
    const remainingMs = remaining(attempt, timeoutMs);
    if (remainingMs > 0) setDeadline(attempt, remainingMs, check);
    else judge(attempt, verdicts);
  };
  setDeadline(attempt, timeoutMs, check);
}

/**
 * Gives a guest that was given up the time to come to its end, counted while it has the thread; one that runs on instead is as
 * bad as any that overruns.
 */
export function armUnwinding(attempt: Attempt, overran: () => void): void {
  const check = (): void => {
    if (attempt.thread.occupant() === attempt) overran();
    else setDeadline(attempt, UNWIND_WITHIN_MS, check);
  };
  setDeadline(attempt, UNWIND_WITHIN_MS, check);
}

function setDeadline(attempt: Attempt, ms: number, check: () => void): void {
  // A timer may fire up to a millisecond early; `check` then sets it once more.
  attempt.deadline = setTimeout(check, Math.min(Math.ceil(ms), 2 ** 31 - 1)).unref();
}

/** What is left of an attempt's time; all of it while it has not started. */
function remaining(attempt: Attempt, timeoutMs: number): number {
  const { thread, seat } = attempt;
  if (thread.turns.state(seat, attempt.answers) !== 'not-started') {
    return thread.turns.startedAtMs(seat) + timeoutMs - monotonicMs();
  }
  return thread.occupant() === undefined ? timeoutMs : 0;
}

function judge(attempt: Attempt, verdicts: Verdicts): void {
  switch (attempt.thread.turns.state(attempt.seat, attempt.answers)) {
    case 'on-thread':
      verdicts.overran(attempt);
      return;
    case 'waiting-for-host':
      verdicts.expired(attempt);
      return;
    case 'not-started':
    case 'waiting-for-thread':
      verdicts.stuck(attempt);
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
  const before = turnOf(thread);
  thread.watch = setTimeout(() => {
    thread.watch = undefined;
    const occupant = thread.occupant();
    if (occupant !== undefined && turnOf(thread) === before) {
      for (const attempt of thread.attempts()) if (isHeldUp(attempt)) verdicts.stuck(attempt);
    }
    watchThread(thread, verdicts);
  }, STUCK_AFTER_MS).unref();
}

/** Changes whenever the thread moves on. */
function turnOf(thread: Thread): string {
  const occupant = thread.occupant();
  return occupant === undefined ? '' : `${occupant.evaluationId}:${thread.turns.turn(occupant.seat)}`;
}

function isHeldUp(attempt: Attempt): boolean {
  const state = attempt.thread.turns.state(attempt.seat, attempt.answers);
  return !attempt.abandoned && (state === 'not-started' || state === 'waiting-for-thread');
}
