import { publish } from '../events.ts';
import { armLastResort, type Verdicts } from './deadline.ts';
import { givesWayInMs, ranMs } from './fairness.ts';
import { type Attempt, type Flight, leave, quieten, type StopReason, type WorkOutcome } from './flight.ts';
import type { Line } from './queue.ts';
import type { Reputation } from './reputation.ts';
import type { PoolCounts } from './stats.ts';
import type { Thread } from './thread.ts';

export interface EndingsOptions {
  readonly reputation: Reputation;
  readonly counts: PoolCounts;
  readonly nowMs: () => number;
  readonly settle: (attempt: Attempt, outcome: WorkOutcome) => void;
  readonly runAgain: (flight: Flight, line: Line) => void;
  /** A policy has become a suspect. */
  readonly onSuspect: (policyId: string, reason: ThreadEndReason) => void;
  /** Takes in what a thread has said and nobody has heard yet. */
  readonly hearOut: (thread: Thread) => void;
  readonly replaceThread: (thread: Thread, error: Error | undefined) => void;
  /** There may be room for others. */
  readonly pump: () => void;
}

export type ThreadEndReason = 'deadline' | 'crash';

/** Why a thread comes to its end. */
interface ThreadEnd {
  readonly reason: ThreadEndReason;
  readonly guilty: Attempt | undefined;
  readonly error?: Error | undefined;
}

/**
 * Ends evaluations before their guests come to an end by themselves. A guest on its thread is told to stop where it is, one that
 * waits for the host is given up; either keeps its seat until it is really gone, while its caller is answered at once. One that
 * does not go is ended together with its thread, as a last resort, and everybody else there starts over elsewhere: evaluations
 * are pure, so nobody can tell.
 */
export class Endings {
  readonly verdicts: Verdicts = {
    timedOut: (attempt) => this.#timeOut(attempt),
    heldUp: (attempt) => this.#move(attempt),
    holdsUp: (attempt, waiter) => {
      const isDue = givesWayInMs(attempt, waiter.flight, this.#options.reputation) === 0;
      if (isDue) this.preempt(attempt);
      return isDue;
    },
  };
  readonly #options: EndingsOptions;

  constructor(options: EndingsOptions) {
    this.#options = options;
  }

  /** Stops a guest for the sake of another policy; it starts over later. */
  preempt(attempt: Attempt): void {
    const { flight, thread } = attempt;
    if (!this.#stop(attempt, 'preempted')) return;
    const { policyId, operation } = flight.work;
    this.#options.counts.preempted++;
    publish('preempted', { policyId, operation, threadId: thread.id, ranMs: ranMs(attempt) });
  }

  /** The caller has gone. */
  desert(attempt: Attempt): void {
    this.#stop(attempt, 'nobody-waits');
  }

  /** A guest came to its end by itself. */
  completed({ flight }: Attempt, elapsedMs: number): void {
    const { policyId, operation } = flight.work;
    // What was asked only to warm a thread, or while the policy was loaded, says little about requests.
    if (flight.warms !== undefined || operation !== 'validate') return;
    if (this.#options.reputation.behaved(policyId, elapsedMs)) publish('released', { policyId });
  }

  /** A guest that was told to stop has come to its end. */
  gone(attempt: Attempt, { reason, raisedAtMs, onThread }: NonNullable<Attempt['stop']>): void {
    const { reputation, counts, nowMs, runAgain } = this.#options;
    const { flight, thread } = attempt;
    const { policyId, operation } = flight.work;
    if (onThread) {
      counts.stopped++;
      publish('stopped', { policyId, operation, threadId: thread.id, reason, tookMs: nowMs() - raisedAtMs });
      if (reason !== 'deadline') reputation.outlasted(policyId, raisedAtMs - attempt.seatedAtMs - attempt.waitedMs);
    }
    if (reason !== 'preempted' || flight.settled) return;
    flight.timesGaveWay++;
    // A suspect goes behind everybody who waits, or it would have the thread again at once.
    if (reputation.isSuspect(policyId)) flight.queuedAtMs = nowMs();
    runAgain(flight, 'alone');
  }

  /** A message that shows a guest that was told to stop waiting for the host instead. */
  giveUp({ thread, seat, evaluationId }: Attempt): void {
    if (thread.turns.abandon(seat)) thread.post({ kind: 'abandon', evaluationId });
  }

  /** A thread came to its end by itself. */
  threadLost(thread: Thread, error: Error): void {
    const { reservedFor } = thread;
    // Where nobody else was, nobody else can have done it.
    const alone = reservedFor?.attempt?.thread === thread ? reservedFor.attempt : undefined;
    const guilty = alone ?? thread.occupant();
    this.#endThread(thread, { reason: 'crash', guilty, error });
  }

  /** `false` = it was told before, for whatever reason. */
  #stop(attempt: Attempt, reason: StopReason): boolean {
    if (attempt.stop !== undefined) return false;
    const { thread, seat, evaluationId } = attempt;
    const onThread = !thread.turns.abandon(seat);
    quieten(attempt);
    attempt.stop = { reason, raisedAtMs: this.#options.nowMs(), onThread };
    attempt.waitingSinceMs = undefined;
    if (onThread) thread.turns.stop(seat, evaluationId);
    else thread.post({ kind: 'abandon', evaluationId });
    armLastResort(attempt, () => this.#endThread(thread, { reason: 'deadline', guilty: attempt }));
    return true;
  }

  #timeOut(attempt: Attempt): void {
    if (!this.#stop(attempt, 'deadline')) return;
    const { policyId, operation } = attempt.flight.work;
    const { thread, seat, stop, flight } = attempt;
    const { counts, settle, pump } = this.#options;
    const begun = thread.turns.hasBegun(seat);
    if (flight.warms === undefined) {
      counts.timeouts++;
      publish('timed-out', { policyId, operation, occupiedThread: stop?.onThread === true });
    }
    settle(attempt, { kind: 'timed-out', begun });
    if (stop?.onThread === true) this.#convict(attempt, 'deadline');
    pump();
  }

  /** Moves an evaluation that another guest holds up to a thread that moves on. */
  #move(attempt: Attempt): void {
    const { flight, thread, seat } = attempt;
    // It may have had its turn by now.
    if (!thread.turns.abandon(seat) || !this.#stop(attempt, 'held-up')) return;
    this.#startOver(flight);
    this.#options.pump();
  }

  #convict({ flight }: Attempt, reason: ThreadEndReason): void {
    if (flight.warms !== undefined) return;
    const { policyId } = flight.work;
    if (this.#options.reputation.caught(policyId)) publish('confined', { policyId });
    this.#options.onSuspect(policyId, reason);
  }

  /** Ends a thread because of one guest on it, or finds it ended; everybody else on it starts over. */
  #endThread(thread: Thread, { reason, guilty, error }: ThreadEnd): void {
    const { counts, hearOut, replaceThread, pump } = this.#options;
    hearOut(thread);
    // It has come to its end in the last moment.
    if (reason === 'deadline' && guilty !== undefined && thread.find(guilty.evaluationId) === undefined) return pump();
    const attempts = thread.attempts();
    const unfinished = attempts.filter(({ flight }) => !flight.settled);
    for (const attempt of attempts) leave(attempt);
    replaceThread(thread, error);
    counts.threadsReplaced++;
    const innocents = unfinished.filter((each) => isToStartOver(each, guilty));
    const policyId = guilty?.flight.work.policyId;
    publish('thread-replaced', { threadId: thread.id, policyId, reason, runAgain: innocents.length });
    if (guilty !== undefined) this.#judge(guilty, { reason, error });
    for (const { flight } of innocents) this.#startOver(flight);
    pump();
  }

  /** Deals with the one whose thread had to be ended. */
  #judge(guilty: Attempt, { reason, error }: Omit<ThreadEnd, 'guilty'>): void {
    const why = guilty.stop?.reason;
    if (why === 'preempted') guilty.flight.timesGaveWay++;
    // Those that ran into their deadline were caught then; to be slow to make room is no crime.
    if (why !== 'deadline' && why !== 'preempted') this.#convict(guilty, reason);
    if (why === undefined) this.#options.settle(guilty, { kind: 'crashed', message: error?.message ?? '' });
  }

  #startOver(flight: Flight): void {
    const { counts, reputation, runAgain } = this.#options;
    counts.runAgain++;
    const alone = flight.attempts > 1 || reputation.isSuspect(flight.work.policyId);
    runAgain(flight, alone ? 'alone' : 'again');
  }
}

/** Who has not got its answer with this attempt, and is to blame for nothing; somebody that was moved waits elsewhere already. */
function isToStartOver(attempt: Attempt, guilty: Attempt | undefined): boolean {
  if (attempt.flight.attempt !== attempt) return false;
  return attempt !== guilty || attempt.stop?.reason === 'preempted';
}
