import type { HostCall } from '@portcullis/protocol';
import type { CompiledPolicy, GuestInput, GuestOperation } from '../runtimes/runtime.ts';
import type { EvaluateOutcome } from './messages.ts';
import type { Thread } from './thread.ts';

/** What the pool is asked to do, once. */
export interface Work {
  readonly policyId: string;
  readonly moduleKey: string;
  readonly compiled: CompiledPolicy;
  readonly operation: GuestOperation;
  readonly input: GuestInput;
  readonly uid: string;
  /** From the moment the evaluation starts on a thread; `undefined` = no limit. */
  readonly timeoutMs: number | undefined;
  hostCall(call: HostCall, limits: HostCallLimits): Promise<Uint8Array>;
}

/** How long the guest waits for an answer of its host. */
export interface HostCallLimits {
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** Until the guest is stopped; `undefined` = it may wait for ever. */
  readonly remainingMs: number | undefined;
}

/** What came of it. */
export type WorkOutcome =
  | Exclude<EvaluateOutcome, { readonly kind: 'abandoned' | 'stopped' }>
  /** `begun`: whether start code was behind it. */
  | { readonly kind: 'timed-out'; readonly begun: boolean }
  /** The guest brought its thread down: it exhausted the thread's own memory, for instance. */
  | { readonly kind: 'crashed'; readonly message: string };

/** One evaluation from request to answer, over all its attempts. */
export interface Flight {
  readonly work: Work;
  readonly answer: PromiseWithResolvers<WorkOutcome>;
  /** Its place in line: when it came, or, of a suspect, when it gave way to others. */
  queuedAtMs: number;
  /** When the answer is of no use to the caller any more. */
  readonly lateAtMs: number | undefined;
  /** When it must have its turn, or be refused. */
  readonly seatByMs: number | undefined;
  /** Refused before others when there is too much to do. */
  readonly isSheddable: boolean;
  /** The one thread that is to be warmed by it. */
  readonly warms: Thread | undefined;
  attempts: number;
  /** How often it gave way to others. */
  timesGaveWay: number;
  /** Whether the caller has its answer, or has gone away. */
  settled: boolean;
  /** Where the flight is seated; `undefined` while it is queued. */
  attempt: Attempt | undefined;
  /** Ends the wait in the queue. */
  queueTimer: NodeJS.Timeout | undefined;
  /** Stops listening to the caller's signal. */
  detach: (() => void) | undefined;
}

/** Why an attempt is ended before its guest comes to an end by itself. */
export type StopReason =
  | 'deadline'
  /** Others wait for a thread, and it has had its share. */
  | 'preempted'
  | 'nobody-waits'
  /** Another guest holds the thread up; it is run again elsewhere. */
  | 'held-up';

/** One flight on one thread. */
export interface Attempt {
  readonly evaluationId: number;
  readonly flight: Flight;
  readonly thread: Thread;
  readonly seat: number;
  readonly seatedAtMs: number;
  /** Seated behind one that had the thread. */
  readonly isFollower: boolean;
  /** Ends the host call under way. */
  hostCall: AbortController | undefined;
  /** How often the host has answered. */
  answers: number;
  /** Since when the guest waits for the host. */
  waitingSinceMs: number | undefined;
  waitedMs: number;
  /** Told to stop: nothing it says counts any more. It has its seat until its guest has come to its end. */
  stop: Stop | undefined;
  deadline: NodeJS.Timeout | undefined;
  sleep: NodeJS.Timeout | undefined;
}

export interface Stop {
  reason: StopReason;
  readonly raisedAtMs: number;
  /** `false` = its guest was waiting, or had not begun. */
  readonly onThread: boolean;
}

/** Seats a flight on a thread. */
export function newAttempt(flight: Flight, thread: Thread, evaluationId: number, nowMs: number): Attempt {
  return {
    evaluationId,
    flight,
    thread,
    seat: thread.takeSeat(),
    seatedAtMs: nowMs,
    isFollower: thread.runnable > 0,
    hostCall: undefined,
    answers: 0,
    waitingSinceMs: undefined,
    waitedMs: 0,
    stop: undefined,
    deadline: undefined,
    sleep: undefined,
  };
}

/** Whether an attempt occupies its thread, or will as soon as the thread lets it. */
export function isRunnable(attempt: Attempt): boolean {
  return attempt.waitingSinceMs === undefined;
}

/** Frees the seat of an attempt. */
export function leave(attempt: Attempt): void {
  quieten(attempt);
  attempt.thread.remove(attempt);
  if (attempt.thread.reservedFor === attempt.flight) attempt.thread.reservedFor = undefined;
}

/** Ends everything that goes on outside the thread for an attempt. */
export function quieten(attempt: Attempt): void {
  clearTimeout(attempt.deadline);
  clearTimeout(attempt.sleep);
  attempt.hostCall?.abort();
}
