import { abortedError, closedError, EvaluationError } from '../errors.ts';
import { publish } from '../events.ts';
import type { GuestLimits, InstanceMode, InstanceReport } from '../runtimes/runtime.ts';
import { armDeadline, watchThread } from './deadline.ts';
import { Dispatcher } from './dispatcher.ts';
import { Endings, type ThreadEndReason } from './endings.ts';
import { type Attempt, type Flight, leave, newAttempt, type Work, type WorkOutcome } from './flight.ts';
import { type FlightEnds, Flights, type RunOptions } from './flights.ts';
import { HostDesk } from './host-desk.ts';
import type { EvaluateOutcome, MessageToHost } from './messages.ts';
import { LIMIT_REACHED, type Newcomer, OverloadGuard, SHED, TOO_LATE, usualPatienceMs } from './overload.ts';
import { EvaluationQueue, type Line } from './queue.ts';
import { Reputation } from './reputation.ts';
import { type Seating, unreserve } from './seating.ts';
import { occupancy, type PoolStats } from './stats.ts';
import type { Thread } from './thread.ts';
import { Threads } from './threads.ts';
import { WarmUp } from './warm-up.ts';

export interface PoolOptions {
  /** Threads, and so evaluations that may occupy one at once. */
  readonly concurrency: number;
  readonly maxQueueLength: number;
  readonly limits: GuestLimits;
  readonly instances: InstanceMode;
  readonly nowMs: () => number;
}

/**
 * Decides who runs where. An evaluation is seated on a thread that nobody occupies, or waits. While its guest waits for the host
 * the thread is free for others. Whoever holds a thread for long gives way to others once, and has its policy's share only.
 */
export class EvaluationPool {
  readonly #options: PoolOptions;
  readonly #queue = new EvaluationQueue();
  readonly #flights = new Flights();
  readonly #reputation = new Reputation();
  readonly #overload: OverloadGuard;
  readonly #desk: HostDesk;
  readonly #endings: Endings;
  readonly #dispatcher: Dispatcher;
  readonly #warmUp: WarmUp;
  readonly #counts = { timeouts: 0, stopped: 0, preempted: 0, threadsReplaced: 0, runAgain: 0 };
  readonly #ends: FlightEnds = {
    aborted: (flight) => this.#abort(flight),
    late: (flight) => this.#refuse([flight], TOO_LATE),
  };
  #threads: Threads | undefined;
  #lastEvaluationId = 0;
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#overload = new OverloadGuard({ ...options, reputation: this.#reputation });
    this.#endings = this.#makeEndings();
    this.#dispatcher = new Dispatcher({
      ...options,
      queue: this.#queue,
      reputation: this.#reputation,
      threads: () => this.#allThreads(),
      seat: (seating) => this.#seat(seating),
      preempt: (attempt) => this.#endings.preempt(attempt),
    });
    this.#warmUp = new WarmUp({
      nowMs: options.nowMs,
      run: (work, thread) => this.#start(this.#flights.open(work, options.nowMs(), { warms: thread }), 'warming'),
    });
    this.#desk = new HostDesk({
      maxHostCallBytes: options.limits.maxHostCallBytes,
      nowMs: options.nowMs,
      reply: (attempt, reply) => {
        const transfer = reply.kind === 'answer' ? [reply.bytes.buffer] : [];
        attempt.thread.post({ ...reply, evaluationId: attempt.evaluationId }, transfer);
        watchThread(attempt.thread, this.#endings.verdicts);
      },
    });
  }

  get stats(): PoolStats {
    const queued = this.#queue.size;
    return { ...occupancy(this.#allThreads()), queued, ...this.#counts, overloads: this.#overload.refusals };
  }

  /** @throws EvaluationError `overloaded`, `aborted`, `closed`, `threads-failed` */
  async run(work: Work, options: RunOptions = {}): Promise<WorkOutcome> {
    if (this.#closed) throw closedError();
    if (options.signal?.aborted === true) throw abortedError();
    const { policyId, operation, timeoutMs = Infinity } = work;
    if (timeoutMs <= 0) return { kind: 'timed-out', begun: false };
    const { deadlineMs, isSheddable = false } = options;
    // That threads are still being started says nothing about load.
    const patienceMs = deadlineMs ?? (this.#allThreads().length > 0 ? usualPatienceMs(work) : undefined);
    this.#admit({ policyId, deadlineMs: patienceMs, isSheddable });
    const flight = this.#flights.open(work, this.#options.nowMs(), { deadlineMs, patienceMs, isSheddable });
    this.#flights.follow(flight, options.signal, this.#ends);
    const answer = this.#start(flight, this.#reputation.isSuspect(policyId) ? 'alone' : 'ordinary');
    if (flight.attempt === undefined) publish('queued', { policyId, operation, ahead: this.#queue.size - 1 });
    return answer;
  }

  /** Starts the threads, which is otherwise done by the first that needs one. */
  open(): void {
    if (this.#closed) throw closedError();
    this.#threads ??= this.#startThreads();
  }

  /** See `WarmUp`; tells how the module's evaluations come to their image, as far as the threads know. */
  async warm(moduleKey: string, works: readonly Work[]): Promise<InstanceReport | undefined> {
    this.open();
    await this.#threads?.complete;
    await this.#warmUp.everywhere(moduleKey, works, this.#allThreads());
    return this.#threads?.instances(moduleKey);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#dispatcher[Symbol.dispose]();
    for (const flight of this.#flights.all()) {
      if (flight.attempt !== undefined) leave(flight.attempt);
      this.#flights.reject(flight, closedError());
    }
    this.#flights.dispose();
    await this.#threads?.close();
  }

  #makeEndings(): Endings {
    return new Endings({
      reputation: this.#reputation,
      counts: this.#counts,
      nowMs: this.#options.nowMs,
      settle: (attempt, outcome) => this.#settle(attempt, outcome),
      runAgain: (flight, line) => this.#runAgain(flight, line),
      onSuspect: (policyId, reason) => this.#onSuspect(policyId, reason),
      hearOut: (thread) => {
        for (const message of thread.unheard()) this.#receive(thread, message);
      },
      replaceThread: (thread, error) => this.#replaceThread(thread, error),
      pump: () => this.#pump(),
    });
  }

  #allThreads(): readonly Thread[] {
    return this.#threads?.all() ?? [];
  }

  /** Lets nobody in who would only wait; sheds others first where that helps. */
  #admit(newcomer: Newcomer): void {
    for (;;) {
      const shed = this.#overload.admit(newcomer, this.#queue, this.#allThreads());
      if (shed === undefined) return;
      this.#drop(shed, () => this.#overload.refusal(SHED));
    }
  }

  #start(flight: Flight, line: Line): Promise<WorkOutcome> {
    this.#queue.add(flight, line);
    this.#pump();
    if (flight.attempt === undefined) this.#flights.boundWait(flight, this.#options.nowMs(), this.#ends);
    return flight.answer.promise;
  }

  #pump(): void {
    if (this.#queue.size === 0 || this.#closed) return;
    this.open();
    this.#dispatcher.dispatch();
  }

  #startThreads(): Threads {
    return new Threads({
      count: this.#options.concurrency,
      limits: this.#options.limits,
      instances: this.#options.instances,
      onOpen: (thread, isReplacement) => this.#onOpen(thread, isReplacement),
      onMessage: (thread, message) => {
        this.#receive(thread, message);
        this.#pump();
      },
      onLost: (thread, error) => this.#endings.threadLost(thread, error),
      onExhausted: (error) => this.#onExhausted(error),
    });
  }

  /** A thread that took the place of another is warmed first, unless there is no other to serve those who wait. */
  #onOpen(thread: Thread, isReplacement: boolean): void {
    if (isReplacement && this.#allThreads().some((each) => each !== thread && !each.isWarming)) {
      thread.isWarming = true;
      void this.#warmUp.thread(thread).then(() => {
        thread.isWarming = false;
        this.#pump();
      });
    }
    this.#pump();
  }

  #seat({ flight, thread }: Seating): void {
    this.#queue.remove(flight);
    clearTimeout(flight.queueTimer);
    const attempt = newAttempt(flight, thread, ++this.#lastEvaluationId, this.#options.nowMs());
    flight.attempts++;
    flight.attempt = attempt;
    thread.add(attempt);
    const { work, warms, attempts } = flight;
    if (warms === undefined) publish('started', { ...namesOf(work), threadId: thread.id, attempt: attempts });
    const { verdicts } = this.#endings;
    armDeadline(attempt, verdicts);
    thread.evaluate(attempt);
    watchThread(thread, verdicts);
  }

  #onOutcome(attempt: Attempt, outcome: EvaluateOutcome): void {
    const { thread, flight, stop } = attempt;
    leave(attempt);
    if (outcome.kind === 'not-prepared') thread.modules.delete(flight.work.moduleKey);
    if (stop !== undefined) this.#endings.gone(attempt, stop);
    else if (outcome.kind !== 'abandoned' && outcome.kind !== 'stopped') {
      this.#endings.completed(attempt, this.#overload.elapsedMs(attempt));
      this.#settle(attempt, outcome);
    }
  }

  #receive(thread: Thread, message: MessageToHost): void {
    const attempt = thread.find(message.evaluationId);
    if (attempt === undefined) return;
    if (message.kind === 'outcome') {
      this.#onOutcome(attempt, message.outcome);
      return;
    }
    this.#desk.receive(attempt, message);
    if (message.kind !== 'log' && attempt.stop !== undefined) this.#endings.giveUp(attempt);
  }

  #onExhausted(error: Error): void {
    this.#threads = undefined;
    for (const flight of this.#queue.all()) {
      this.#drop(flight, () => new EvaluationError('threads-failed', `no worker thread can be had: ${error.message}`));
    }
  }

  #replaceThread(thread: Thread, error: Error | undefined): void {
    for (const flight of this.#queue.warming()) if (flight.warms === thread) this.#drop(flight, closedError);
    this.#threads?.replace(thread, error);
  }

  #onSuspect(policyId: string, reason: ThreadEndReason): void {
    const waiting = this.#queue.separate(policyId);
    if (reason === 'deadline')
      this.#refuse(
        waiting.filter((flight) => this.#overload.isHopeless(flight)),
        LIMIT_REACHED,
      );
  }

  #runAgain(flight: Flight, line: Line): void {
    flight.attempt = undefined;
    if (flight.settled) return;
    if (flight.warms !== undefined) {
      this.#flights.resolve(flight, { kind: 'crashed', message: 'its thread was replaced' });
      return;
    }
    this.#queue.add(flight, line);
    this.#flights.boundWait(flight, this.#options.nowMs(), this.#ends);
  }

  /** The caller has gone. Whoever is on a thread keeps its place until the guest is gone too. */
  #abort(flight: Flight): void {
    if (!this.#drop(flight, abortedError)) {
      if (flight.attempt !== undefined) this.#endings.desert(flight.attempt);
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
    if (flights.length > 0) this.#pump();
  }

  #settle(attempt: Attempt, outcome: WorkOutcome): void {
    const { waitedMs, seatedAtMs, flight } = attempt;
    if (flight.warms === undefined) {
      const durationMs = this.#options.nowMs() - seatedAtMs;
      publish('finished', { ...namesOf(flight.work), outcome: outcome.kind, durationMs, waitedMs });
    }
    this.#flights.resolve(flight, outcome);
  }
}

function namesOf({ policyId, operation }: Work): Pick<Work, 'policyId' | 'operation'> {
  return { policyId, operation };
}
