import { type MessagePort, receiveMessageOnPort, type Worker } from 'node:worker_threads';
import { type Attempt, type Flight, isRunnable } from './flight.ts';
import type { MessageToHost, MessageToThread } from './messages.ts';
import { SEATS_PER_THREAD, Turns } from './turns.ts';

/** The main thread's picture of one worker thread. */
export class Thread {
  readonly id: number;
  readonly worker: Worker;
  readonly port: MessagePort;
  readonly turns = new Turns();
  /** Modules the thread was given. */
  readonly modules = new Set<string>();
  /** It came to its end, or is about to: nothing it says counts any more. */
  isDead = false;
  /** Not open yet to anybody but those who warm it. */
  isWarming = false;
  /** The flight that has, or waits to have, the whole thread to itself. */
  reservedFor: Flight | undefined;
  /** Looks after those who wait for a thread that does not move on. */
  watch: NodeJS.Timeout | undefined;
  readonly #attempts = new Map<number, Attempt>();
  readonly #freeSeats = Array.from({ length: SEATS_PER_THREAD }, (_, index) => SEATS_PER_THREAD - 1 - index);

  constructor(worker: Worker, port: MessagePort) {
    this.id = worker.threadId;
    this.worker = worker;
    this.port = port;
  }

  /** Evaluations seated here, those told to stop included. */
  get size(): number {
    return this.#attempts.size;
  }

  /** Evaluations that occupy the thread, or will as soon as it lets them. */
  get runnable(): number {
    let count = 0;
    for (const attempt of this.#attempts.values()) if (isRunnable(attempt)) count++;
    return count;
  }

  /** Those of them that were not told to stop. */
  get running(): number {
    let count = 0;
    for (const attempt of this.#attempts.values()) if (isRunnable(attempt) && attempt.stop === undefined) count++;
    return count;
  }

  /** Those of them that belong to one policy. */
  runningOf(policyId: string): number {
    let count = 0;
    for (const attempt of this.#attempts.values()) {
      if (isRunnable(attempt) && attempt.stop === undefined && attempt.flight.work.policyId === policyId) count++;
    }
    return count;
  }

  /** Whether somebody on it was told to stop: it will be free in a moment. */
  get isStopping(): boolean {
    for (const attempt of this.#attempts.values()) if (attempt.stop !== undefined) return true;
    return false;
  }

  get suspended(): number {
    let count = 0;
    for (const attempt of this.#attempts.values()) if (!isRunnable(attempt)) count++;
    return count;
  }

  get hasSeat(): boolean {
    return this.#freeSeats.length > 0;
  }

  get hasRoom(): boolean {
    return this.hasSeat && this.runnable === 0;
  }

  attempts(): Attempt[] {
    return [...this.#attempts.values()];
  }

  find(evaluationId: number): Attempt | undefined {
    return this.#attempts.get(evaluationId);
  }

  takeSeat(): number {
    const seat = this.#freeSeats.pop();
    if (seat === undefined) throw new RangeError('no seat is free on this thread');
    this.turns.reset(seat);
    return seat;
  }

  add(attempt: Attempt): void {
    this.#attempts.set(attempt.evaluationId, attempt);
  }

  remove(attempt: Attempt): void {
    if (this.#attempts.delete(attempt.evaluationId)) this.#freeSeats.push(attempt.seat);
  }

  /** Sends an attempt to the thread; what it comes to is said over the same channel. */
  evaluate({ flight, evaluationId, seat }: Attempt): void {
    const { moduleKey, compiled, operation, input, uid } = flight.work;
    const isKnown = this.modules.has(moduleKey);
    this.modules.add(moduleKey);
    this.post({
      kind: 'evaluate',
      evaluationId,
      seat,
      moduleKey,
      mode: compiled.mode,
      compiled: isKnown ? undefined : compiled,
      operation,
      input,
      uid,
    });
  }

  post(message: MessageToThread, transfer: ArrayBuffer[] = []): void {
    this.port.postMessage(message, transfer);
  }

  /** What has arrived from the thread and was not handed out yet, in order. */
  *unheard(): Iterable<MessageToHost> {
    for (let next = receiveMessageOnPort(this.port); next !== undefined; next = receiveMessageOnPort(this.port)) {
      yield next.message;
    }
  }

  /** The attempt whose guest is on the thread right now. */
  occupant(): Attempt | undefined {
    return this.attempts().find((attempt) => this.turns.state(attempt.seat, attempt.answers) === 'on-thread');
  }
}
