import type { EvaluationError } from '../errors.ts';
import type { Flight, Work, WorkOutcome } from './flight.ts';
import type { Thread } from './thread.ts';

export interface RunOptions {
  readonly signal?: AbortSignal | undefined;
  /** From now on: when the answer is of no use to the caller any more. */
  readonly deadlineMs?: number | undefined;
  /** Refused before others when there is too much to do: nothing is held up by the lack of its answer. */
  readonly isSheddable?: boolean | undefined;
}

export interface FlightOptions extends Omit<RunOptions, 'signal'> {
  /** How long it waits for its turn. */
  readonly patienceMs?: number | undefined;
  readonly warms?: Thread;
}

/** What may end a flight before its evaluation does. */
export interface FlightEnds {
  aborted(flight: Flight): void;
  /** It was not seated in time. */
  late(flight: Flight): void;
}

/** The evaluations whose callers wait. They keep the process alive; neither idle threads nor timers do. */
export class Flights {
  readonly #keepAlive = setInterval(() => {}, 2 ** 30).unref();
  readonly #open = new Set<Flight>();

  open(work: Work, queuedAtMs: number, options: FlightOptions): Flight {
    const { deadlineMs, patienceMs, isSheddable = false, warms } = options;
    const flight: Flight = {
      work,
      answer: Promise.withResolvers(),
      queuedAtMs,
      lateAtMs: deadlineMs === undefined ? undefined : queuedAtMs + deadlineMs,
      seatByMs: patienceMs === undefined ? undefined : queuedAtMs + patienceMs,
      isSheddable,
      warms,
      attempts: 0,
      timesGaveWay: 0,
      settled: false,
      attempt: undefined,
      queueTimer: undefined,
      detach: undefined,
    };
    if (this.#open.size === 0) this.#keepAlive.ref();
    this.#open.add(flight);
    return flight;
  }

  follow(flight: Flight, signal: AbortSignal | undefined, ends: FlightEnds): void {
    if (signal === undefined) return;
    const onAbort = (): void => ends.aborted(flight);
    signal.addEventListener('abort', onAbort, { once: true });
    flight.detach = () => signal.removeEventListener('abort', onAbort);
  }

  /** Bounds the wait in the queue. */
  boundWait(flight: Flight, nowMs: number, ends: FlightEnds): void {
    clearTimeout(flight.queueTimer);
    const leftMs = (flight.seatByMs ?? Infinity) - nowMs;
    if (leftMs < 2 ** 31) flight.queueTimer = setTimeout(() => ends.late(flight), Math.max(leftMs, 0)).unref();
  }

  all(): Flight[] {
    return [...this.#open];
  }

  resolve(flight: Flight, outcome: WorkOutcome): void {
    if (this.#close(flight)) flight.answer.resolve(outcome);
  }

  reject(flight: Flight, error: EvaluationError): void {
    if (this.#close(flight)) flight.answer.reject(error);
  }

  dispose(): void {
    clearInterval(this.#keepAlive);
  }

  #close(flight: Flight): boolean {
    if (flight.settled) return false;
    flight.settled = true;
    clearTimeout(flight.queueTimer);
    flight.detach?.();
    this.#open.delete(flight);
    if (this.#open.size === 0) this.#keepAlive.unref();
    return true;
  }
}
