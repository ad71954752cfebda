/** How many evaluations may be seated on one thread: one on the processor, the others waiting for the host. */
export const SEATS_PER_THREAD = 32;

/** The tables begin on a cache line of their own: guests read the first one all the time. */
const TABLES_AT = 64;

const NOT_STARTED = 0;
const ABANDONED = -2;
const UNWINDING = -1;

/**
 * Where an evaluation stands, as far as its seat tells.
 * `waiting-for-thread` is an innocent's state: its answer is there, but some other guest does not let go of the thread.
 */
export type SeatState = 'not-started' | 'on-thread' | 'waiting-for-host' | 'waiting-for-thread' | 'abandoned';

/**
 * What the main thread must know about a worker thread that cannot answer because a guest occupies it: for each seat, when its
 * evaluation began and whose turn it is. It lies in shared memory, so reading it asks nothing of the thread, and writing it
 * costs an evaluation a few nanoseconds instead of a message.
 *
 * One counter per seat holds three facts. It starts at 0; the thread adds 1 whenever it enters a guest and whenever a guest turns
 * to the host. Odd means on the thread; 2n means that the guest asked n times, which the main thread compares with its own count
 * of answers. Abandoning and resuming are compare-and-swap, so an evaluation is never both.
 */
export class Turns {
  /** One shared page. Bit 0 of its first word stops the guest that is on the thread, see `ThreadContext.control`. */
  readonly control: WebAssembly.Memory;
  readonly #startedAtMs: Float64Array;
  readonly #turns: Int32Array;
  readonly #begun: Int32Array;

  constructor(control = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true })) {
    this.control = control;
    const { buffer } = control;
    this.#startedAtMs = new Float64Array(buffer, TABLES_AT, SEATS_PER_THREAD);
    this.#turns = new Int32Array(buffer, TABLES_AT + SEATS_PER_THREAD * 8, SEATS_PER_THREAD);
    this.#begun = new Int32Array(buffer, TABLES_AT + SEATS_PER_THREAD * 12, SEATS_PER_THREAD);
  }

  /** Main thread: makes a free seat ready for the next evaluation. */
  reset(seat: number): void {
    Atomics.store(this.#begun, seat, 0);
    Atomics.store(this.#turns, seat, NOT_STARTED);
  }

  /** Main thread: takes the evaluation off the thread unless it is in the middle of a turn. */
  abandon(seat: number): boolean {
    for (;;) {
      const turn = Atomics.load(this.#turns, seat);
      if (turn === ABANDONED) return true;
      if (isOnThread(turn)) return false;
      if (Atomics.compareExchange(this.#turns, seat, turn, ABANDONED) === turn) return true;
    }
  }

  /** Main thread. `answers` is how often the host has answered this evaluation. */
  state(seat: number, answers: number): SeatState {
    const turn = this.turn(seat);
    if (turn === ABANDONED) return 'abandoned';
    if (turn === NOT_STARTED) return 'not-started';
    if (isOnThread(turn)) return 'on-thread';
    return turn / 2 > answers ? 'waiting-for-host' : 'waiting-for-thread';
  }

  turn(seat: number): number {
    return Atomics.load(this.#turns, seat);
  }

  /** By the clock of the thread, see `monotonicMs`; meaningless before the start. */
  startedAtMs(seat: number): number {
    return this.#startedAtMs[seat] ?? 0;
  }

  /** Whether start code is behind the guest. */
  hasBegun(seat: number): boolean {
    return Atomics.load(this.#begun, seat) === 1;
  }

  /** Worker thread: `false` = abandoned before it could start. */
  start(seat: number, nowMs: number): boolean {
    this.#startedAtMs[seat] = nowMs;
    return Atomics.compareExchange(this.#turns, seat, NOT_STARTED, 1) === NOT_STARTED;
  }

  /** Worker thread: start code has run. */
  begin(seat: number): void {
    Atomics.store(this.#begun, seat, 1);
  }

  /** Worker thread: the guest turns to the host. */
  suspend(seat: number): void {
    Atomics.add(this.#turns, seat, 1);
  }

  /** Worker thread: `false` = abandoned meanwhile, the guest must not run on. */
  resume(seat: number): boolean {
    const turn = Atomics.load(this.#turns, seat);
    return turn !== ABANDONED && Atomics.compareExchange(this.#turns, seat, turn, turn + 1) === turn;
  }

  /** Worker thread: an abandoned guest is on the thread once more, to come to its end. */
  unwind(seat: number): void {
    Atomics.store(this.#turns, seat, UNWINDING);
  }

  /** Worker thread: the evaluation has left the thread. */
  finish(seat: number): void {
    Atomics.store(this.#turns, seat, NOT_STARTED);
  }
}

function isOnThread(turn: number): boolean {
  return turn % 2 !== 0;
}

/** Milliseconds of a monotonic clock that all threads of the process share. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
