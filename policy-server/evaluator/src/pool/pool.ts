import { abortedError, closedError, EvaluationError } from '../errors.ts';
import { publish } from '../events.ts';
import type { GuestLimits, InstanceMode } from '../runtimes/runtime.ts';
import { armDeadline, armUnwinding, type Verdicts, watchThread } from './deadline.ts';
import { type Attempt, type Flight, leave, newAttempt, quieten, type Work, type WorkOutcome } from './flight.ts';
import { type FlightEnds, Flights, type RunOptions } from './flights.ts';
import { HostDesk } from './host-desk.ts';
import type { EvaluateOutcome, MessageToHost } from './messages.ts';
import { OverloadGuard } from './overload.ts';
import { EvaluationQueue } from './queue.ts';
import { count, nextSeating, type Seating, unreserve } from './seating.ts';
import type { PoolStats } from './stats.ts';
import { Suspects } from './suspects.ts';
import type { Thread } from './thread.ts';
import { Threads } from './threads.ts';

export interface PoolOptions {
  /** Evaluations that may occupy a thread at once. */
  readonly concurrency: number;
  /** Threads kept beyond that, so that the place of an ended one is taken at once. */
  readonly spareThreads: number;
  readonly maxQueueLength: number;
  readonly limits: GuestLimits;
  readonly instances: InstanceMode;
  readonly nowMs: () => number;
}

const LIMIT_REACHED = 'its policy has just run into its time limit, and there is no time for another try';

/** Why a thread comes to its end. */
interface ThreadEnd {
  readonly reason: 'deadline' | 'crash';
  readonly guilty: Attempt | undefined;
  readonly error?: Error;
}

/**
 * Decides who runs where. An evaluation is seated on a thread that nobody occupies, or waits. While its guest waits for the host
 * the thread is free for others; should one of those never let go, the thread is ended at the deadline and everyone else on it
 * starts over elsewhere: evaluations are pure, so nobody can tell. Two rules keep that bounded: who was hurt twice gets a thread
 * of its own, and so does a policy that was caught looping.
 */
export class EvaluationPool {
  readonly #options: PoolOptions;
  readonly #queue = new EvaluationQueue();
  readonly #flights = new Flights();
  readonly #suspects = new Suspects();
  readonly #overload: OverloadGuard;
  readonly #desk: HostDesk;
  readonly #counts = { timeouts: 0, threadsReplaced: 0, runAgain: 0 };
  readonly #verdicts: Verdicts = {
    expired: (attempt) => this.#expire(attempt),
    overran: (attempt) => this.#end(attempt.thread, { reason: 'deadline', guilty: attempt }),
    stuck: (attempt) => this.#move(attempt),
  };
  readonly #ends: FlightEnds = {
    aborted: (flight) => this.#abort(flight),
    late: (flight) => this.#refuse([flight], 'its turn did not come in time'),
  };
  #threads: Threads | undefined;
  #lastEvaluationId = 0;
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#overload = new OverloadGuard(options);
    this.#desk = new HostDesk({
      maxHostCallBytes: options.limits.maxHostCallBytes,
      nowMs: options.nowMs,
      reply: (attempt, reply) => {
        const transfer = reply.kind === 'answer' ? [reply.bytes.buffer] : [];
        attempt.thread.post({ ...reply, evaluationId: attempt.evaluationId }, transfer);
        watchThread(attempt.thread, this.#verdicts);
      },
    });
  }

  get stats(): PoolStats {
    const threads = this.#allThreads();
    return {
      threads: threads.length,
      queued: this.#queue.size,
      running: count(threads, (thread) => thread.running),
      suspended: count(threads, (thread) => thread.suspended),
      ...this.#counts,
      overloads: this.#overload.refusals,
    };
  }

  /** @throws EvaluationError `overloaded`, `aborted`, `closed`, `threads-failed` */
  async run(work: Work, options: RunOptions = {}): Promise<WorkOutcome> {
    if (this.#closed) throw closedError();
    if (options.signal?.aborted === true) throw abortedError();
    if (work.timeoutMs !== undefined && work.timeoutMs <= 0) return { kind: 'timed-out', begun: false };
    this.#overload.admit(this.#queue.size, this.#allThreads(), options.deadlineMs);
    const flight = this.#flights.open(work, this.#options.nowMs(), options);
    this.#flights.follow(flight, options, this.#ends);
    this.#queue.add(flight, this.#suspects.has(work.policyId) ? 'alone' : 'ordinary');
    this.#pump();
    if (flight.attempt === undefined) {
      publish('queued', { policyId: work.policyId, operation: work.operation, ahead: this.#queue.size - 1 });
    }
    return flight.answer.promise;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const flight of this.#flights.all()) {
      if (flight.attempt !== undefined) leave(flight.attempt);
      this.#flights.reject(flight, closedError());
    }
    this.#flights.dispose();
    await this.#threads?.close();
  }

  #allThreads(): Thread[] {
    return [...(this.#threads?.all() ?? [])];
  }

  /** Seats as many as there is room for. */
  #pump(): void {
    if (this.#queue.size === 0 || this.#closed) return;
    this.#threads ??= this.#startThreads();
    for (;;) {
      const seating = nextSeating(this.#queue, this.#allThreads(), this.#options.concurrency);
      if (seating === undefined) return;
      this.#seat(seating, this.#threads);
    }
  }

  #startThreads(): Threads {
    return new Threads({
      count: this.#options.concurrency + this.#options.spareThreads,
      limits: this.#options.limits,
      instances: this.#options.instances,
      onReady: () => this.#pump(),
      onMessage: (thread, message) => this.#onMessage(thread, message),
      onExhausted: (error) => this.#onExhausted(error),
    });
  }

  #seat({ flight, thread }: Seating, threads: Threads): void {
    this.#queue.remove(flight);
    clearTimeout(flight.queueTimer);
    const attempt = newAttempt(flight, thread, ++this.#lastEvaluationId, this.#options.nowMs());
    flight.attempt = attempt;
    flight.attempts++;
    thread.add(attempt);
    const { policyId, operation } = flight.work;
    publish('started', { policyId, operation, threadId: thread.id, attempt: flight.attempts });
    armDeadline(attempt, this.#verdicts);
    void threads.run(attempt).then(
      (outcome) => this.#onOutcome(attempt, outcome),
      (error: unknown) => this.#onThreadLost(attempt, error),
    );
  }

  #onOutcome(attempt: Attempt, outcome: EvaluateOutcome): void {
    const { thread, flight } = attempt;
    if (thread.isDead) return;
    // An outcome comes by a way of its own and overtakes what was said before it.
    for (const message of thread.unheard()) this.#receive(thread, message);
    leave(attempt);
    if (outcome.kind === 'not-prepared') thread.modules.delete(flight.work.moduleKey);
    if (!attempt.abandoned && outcome.kind !== 'abandoned') {
      this.#overload.observe(attempt);
      this.#suspects.behaved(flight.work.policyId);
      this.#settle(attempt, outcome);
    }
    this.#pump();
  }

  #onMessage(thread: Thread, message: MessageToHost): void {
    this.#receive(thread, message);
    this.#pump();
  }

  #receive(thread: Thread, message: MessageToHost): void {
    const attempt = thread.find(message.evaluationId);
    if (attempt === undefined) return;
    this.#desk.receive(attempt, message);
    if (attempt.waitingSinceMs !== undefined && attempt.flight.settled) this.#abandon(attempt);
  }

  #onThreadLost(attempt: Attempt, cause: unknown): void {
    const { thread, flight } = attempt;
    if (thread.isDead || this.#closed) return;
    // Where nobody else was, nobody else can have done it.
    const guilty = thread.reservedFor === flight ? attempt : thread.occupant();
    this.#end(thread, { reason: 'crash', guilty, error: cause instanceof Error ? cause : new Error(String(cause)) });
  }

  #onExhausted(error: Error): void {
    this.#threads = undefined;
    for (const flight of this.#queue.all()) {
      this.#drop(flight, () => new EvaluationError('threads-failed', `no worker thread can be had: ${error.message}`));
    }
  }

  /** Ends a thread because of one guest on it, or finds it ended; everybody else on it starts over. */
  #end(thread: Thread, end: ThreadEnd): void {
    for (const message of thread.unheard()) if (message.kind === 'log') this.#receive(thread, message);
    const { reason, guilty, error } = end;
    const attempts = thread.attempts();
    const innocents = attempts.filter((each) => each !== guilty && !each.abandoned && !each.flight.settled);
    for (const attempt of attempts) leave(attempt);
    this.#threads?.replace(thread, error);
    this.#counts.threadsReplaced++;
    const policyId = guilty?.flight.work.policyId;
    publish('thread-replaced', { threadId: thread.id, policyId, reason, runAgain: innocents.length });
    const hopeless = guilty === undefined ? [] : this.#convict(guilty, end);
    for (const innocent of innocents) this.#runAgain(innocent.flight);
    this.#refuse(hopeless, LIMIT_REACHED);
  }

  /** Deals with a guest that cost a thread; returns who waits for the same policy in vain. */
  #convict(guilty: Attempt, { reason, error }: ThreadEnd): Flight[] {
    const { policyId } = guilty.flight.work;
    this.#suspects.caught(policyId);
    const waiting = this.#queue.separate(policyId);
    // Its caller has been told already.
    if (guilty.abandoned) return [];
    if (reason === 'crash') {
      this.#settle(guilty, { kind: 'crashed', message: error?.message ?? '' });
      return [];
    }
    this.#timeOut(guilty, true);
    return waiting.filter((flight) => this.#overload.isHopeless(flight));
  }

  /** A guest whose time passed while it waited for the host. */
  #expire(attempt: Attempt): void {
    if (!this.#abandon(attempt)) return;
    this.#timeOut(attempt, false);
    this.#pump();
  }

  #timeOut(attempt: Attempt, occupiedThread: boolean): void {
    const { policyId, operation } = attempt.flight.work;
    this.#counts.timeouts++;
    publish('timed-out', { policyId, operation, occupiedThread });
    this.#settle(attempt, { kind: 'timed-out', begun: attempt.thread.turns.hasBegun(attempt.seat) });
  }

  /** Moves an evaluation that another guest holds up to a thread that moves on. */
  #move(attempt: Attempt): void {
    if (!this.#abandon(attempt)) return;
    this.#runAgain(attempt.flight);
    this.#pump();
  }

  #runAgain(flight: Flight): void {
    flight.attempt = undefined;
    if (flight.settled) return;
    this.#counts.runAgain++;
    const alone = flight.attempts > 1 || this.#suspects.has(flight.work.policyId);
    this.#queue.add(flight, alone ? 'alone' : 'again');
  }

  /** Gives up an attempt that waits; `false` = its guest is on the thread this very moment. */
  #abandon(attempt: Attempt): boolean {
    const { thread, seat, evaluationId } = attempt;
    if (!thread.turns.abandon(seat)) return false;
    quieten(attempt);
    attempt.abandoned = true;
    attempt.waitingSinceMs = undefined;
    thread.post({ kind: 'abandon', evaluationId });
    armUnwinding(attempt, () => this.#end(thread, { reason: 'deadline', guilty: attempt }));
    return true;
  }

  /** The caller has gone. Whoever is on a thread keeps its place until the guest is gone too. */
  #abort(flight: Flight): void {
    if (!this.#drop(flight, abortedError)) {
      if (flight.attempt !== undefined) this.#abandon(flight.attempt);
      this.#flights.reject(flight, abortedError());
    }
    this.#pump();
  }

  /** Takes a flight out of the queue. */
  #drop(flight: Flight, error: () => EvaluationError): boolean {
    if (!this.#queue.remove(flight)) return false;
    unreserve(flight, this.#allThreads());
    this.#flights.reject(flight, error());
    return true;
  }

  #refuse(flights: readonly Flight[], why: string): void {
    for (const flight of flights) this.#drop(flight, () => this.#overload.refusal(why));
    this.#pump();
  }

  #settle(attempt: Attempt, outcome: WorkOutcome): void {
    const { policyId, operation } = attempt.flight.work;
    const durationMs = this.#options.nowMs() - attempt.seatedAtMs;
    publish('finished', { policyId, operation, outcome: outcome.kind, durationMs, waitedMs: attempt.waitedMs });
    this.#flights.resolve(attempt.flight, outcome);
  }
}
