/** How many evaluations may be seated on one thread: one on the processor, the others waiting for the host. */
export const SEATS_PER_THREAD = 32;

/** Index of the word guests look at, see `ThreadContext.control`. */
const CONTROL_WORD = 0;

/** The tables begin on a cache line of their own: guests read the first one all the time. */
const TABLES_AT = 64;

const NOT_STARTED = 0;
const ABANDONED = -2;
const UNWINDING = -1;

/** What is known of a seat beside its turns. */
const START_CODE_RAN = 1;
const TO_BE_STOPPED = 2;

const MAX_TOKEN = 2 ** 30 - 1;

/**
 * Where an evaluation stands, as far as its seat tells.
 * `waiting-for-thread` is an innocent's state: its answer is there, but some other guest does not let go of the thread.
 */
export type SeatState = 'not-started' | 'on-thread' | 'waiting-for-host' | 'waiting-for-thread' | 'abandoned';

/**
 * What the main thread must know about a worker thread that cannot answer because a guest occupies it, and the one thing it can
 * tell it then: stop. For each seat, when its evaluation began and whose turn it is. It lies in shared memory, so reading it asks
 * nothing of the thread, and writing it costs an evaluation a few nanoseconds instead of a message.
 *
 * One counter per seat holds three facts. It starts at 0; the thread adds 1 whenever it enters a guest and whenever a guest turns
 * to the host. Odd means on the thread; 2n means that the guest asked n times, which the main thread compares with its own count
 * of answers. Abandoning and resuming are compare-and-swap, so an evaluation is never both.
 *
 * The control word names the evaluation that is on the thread, and carries a stop bit for it. Stopping is a compare-and-swap on
 * exactly that name: an evaluation that has just begun is never stopped for the one before it.
 */
export class Turns {
  /** One shared page. Bit 0 of its first word stops the guest that is on the thread, see `ThreadContext.control`. */
  readonly control: WebAssembly.Memory;
  readonly #word: Int32Array;
  readonly #startedAtMs: Float64Array;
  readonly #turns: Int32Array;
  readonly #flags: Int32Array;
  /** Worker thread only: the names of the evaluations by seat, and the seats on the thread, the last one in front. */
  readonly #tokens = new Int32Array(SEATS_PER_THREAD);
  readonly #entered: number[] = [];

  constructor(control = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true })) {
    this.control = control;
    const { buffer } = control;
    this.#word = new Int32Array(buffer, 0, 1);
    this.#startedAtMs = new Float64Array(buffer, TABLES_AT, SEATS_PER_THREAD);
    this.#turns = new Int32Array(buffer, TABLES_AT + SEATS_PER_THREAD * 8, SEATS_PER_THREAD);
    this.#flags = new Int32Array(buffer, TABLES_AT + SEATS_PER_THREAD * 12, SEATS_PER_THREAD);
  }

  /** Main thread: makes a free seat ready for the next evaluation. */
  reset(seat: number): void {
    Atomics.store(this.#flags, seat, 0);
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

  /**
   * Main thread: tells the guest of this evaluation to stop where it is. It does so at its next check, if it makes any; what it
   * answers counts no more either way.
   */
  stop(seat: number, evaluationId: number): void {
    // In this order, and `#name` in the opposite one: whoever comes second sees what the other one wrote.
    Atomics.or(this.#flags, seat, TO_BE_STOPPED);
    const word = tokenOf(evaluationId) << 1;
    Atomics.compareExchange(this.#word, CONTROL_WORD, word, word | 1);
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
    return (Atomics.load(this.#flags, seat) & START_CODE_RAN) !== 0;
  }

  /** Worker thread: `false` = abandoned before it could start. */
  start(seat: number, evaluationId: number, nowMs: number): boolean {
    this.#startedAtMs[seat] = nowMs;
    if (Atomics.compareExchange(this.#turns, seat, NOT_STARTED, 1) !== NOT_STARTED) return false;
    this.#tokens[seat] = tokenOf(evaluationId);
    this.#enter(seat);
    return true;
  }

  /** Worker thread: start code has run. */
  begin(seat: number): void {
    Atomics.or(this.#flags, seat, START_CODE_RAN);
  }

  /** Worker thread: the guest turns to the host. */
  suspend(seat: number): void {
    this.#leave(seat);
    Atomics.add(this.#turns, seat, 1);
  }

  /** Worker thread: `false` = abandoned meanwhile, the guest must not run on. */
  resume(seat: number): boolean {
    const turn = Atomics.load(this.#turns, seat);
    if (turn === ABANDONED || Atomics.compareExchange(this.#turns, seat, turn, turn + 1) !== turn) return false;
    this.#enter(seat);
    return true;
  }

  /** Worker thread: an abandoned guest is on the thread once more, to come to its end and to do nothing else. */
  unwind(seat: number): void {
    Atomics.or(this.#flags, seat, TO_BE_STOPPED);
    Atomics.store(this.#turns, seat, UNWINDING);
    this.#enter(seat);
  }

  /** Worker thread: the evaluation has left the thread; `true` = it was told to stop, so its outcome means nothing. */
  finish(seat: number): boolean {
    this.#leave(seat);
    Atomics.store(this.#turns, seat, NOT_STARTED);
    return this.#isToBeStopped(seat);
  }

  #isToBeStopped(seat: number): boolean {
    return (Atomics.load(this.#flags, seat) & TO_BE_STOPPED) !== 0;
  }

  #enter(seat: number): void {
    this.#entered.push(seat);
    this.#name(seat);
  }

  /** While one evaluation waits for something other than the host (its instance is being made), another may have its turn. */
  #leave(seat: number): void {
    const at = this.#entered.lastIndexOf(seat);
    if (at >= 0) this.#entered.splice(at, 1);
    const before = this.#entered.at(-1);
    if (before === undefined) Atomics.store(this.#word, CONTROL_WORD, 0);
    else this.#name(before);
  }

  /** Writes down whose guest runs now. */
  #name(seat: number): void {
    Atomics.store(this.#word, CONTROL_WORD, (this.#tokens[seat] ?? 0) << 1);
    if (this.#isToBeStopped(seat)) Atomics.or(this.#word, CONTROL_WORD, 1);
  }
}

function isOnThread(turn: number): boolean {
  return turn % 2 !== 0;
}

/** What names an evaluation in the control word: never 0, which stands for nobody, and different for all that run at a time. */
function tokenOf(evaluationId: number): number {
  return 1 + (evaluationId % MAX_TOKEN);
}

/** Milliseconds of a monotonic clock that all threads of the process share. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
