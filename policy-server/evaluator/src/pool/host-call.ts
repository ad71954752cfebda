import { randomFillSync } from 'node:crypto';
import type { MessagePort } from 'node:worker_threads';
import { ABANDONMENT } from '../runtimes/abandonment.ts';
import type { GuestHost } from '../runtimes/runtime.ts';
import { type HostReplyMessage, type MessageToHost, ownBytes } from './messages.ts';
import type { Turns } from './turns.ts';

/** Beyond this a guest talks to itself: its log must not become the main thread's work. */
const MAX_LOG_LINES = 256;
const MAX_LOG_CHARACTERS = 8192;
const TOO_MANY_LINES = `the policy logs more than ${MAX_LOG_LINES} lines; the rest is left out`;

/** The longest a timer can wait; a guest that asks for more is woken early, as `poll_oneoff` allows. */
const LONGEST_SLEEP_MS = 2_147_483_647;

interface Seat {
  readonly evaluationId: number;
  readonly seat: number;
  waiting: PromiseWithResolvers<Uint8Array> | undefined;
  givenUp: boolean;
  logLines: number;
}

/** What one evaluation needs of the bridge. */
export interface SeatedGuest {
  readonly host: GuestHost;
  /** Whether the main thread has given this evaluation up; what it comes to does not matter then. */
  readonly givenUp: boolean;
  leave(): void;
}

/**
 * The worker thread's end of the way from guest to host. A guest that asks is suspended by its runtime until the promise
 * settles; meanwhile the thread belongs to others. Sleeping takes the same way, so the main thread always knows who waits.
 * How often and how much a guest may ask is for its runtime to bound, before anything is copied out of its memory.
 */
export class HostBridge {
  readonly #port: MessagePort;
  readonly #turns: Turns;
  readonly #seats = new Map<number, Seat>();

  constructor(port: MessagePort, turns: Turns) {
    this.#port = port;
    this.#turns = turns;
  }

  seat(evaluationId: number, seatNumber: number): SeatedGuest {
    const seat: Seat = { evaluationId, seat: seatNumber, waiting: undefined, givenUp: false, logLines: 0 };
    this.#seats.set(evaluationId, seat);
    return {
      host: this.#hostFor(seat),
      get givenUp() {
        return seat.givenUp;
      },
      leave: () => this.#seats.delete(evaluationId),
    };
  }

  /** The host has answered, or does not want to know any more. */
  receive(message: HostReplyMessage): void {
    const seat = this.#seats.get(message.evaluationId);
    const waiting = seat?.waiting;
    if (seat === undefined || waiting === undefined) return;
    seat.waiting = undefined;
    if (message.kind === 'abandon' || !this.#turns.resume(seat.seat)) {
      seat.givenUp = true;
      this.#turns.unwind(seat.seat);
      waiting.reject(ABANDONMENT);
    } else if (message.kind === 'answer') waiting.resolve(message.bytes);
    else waiting.reject(new Error(message.message));
  }

  #hostFor(seat: Seat): GuestHost {
    return {
      hostCall: async (call) => {
        const own = { ...call, payload: ownBytes(call.payload) };
        return this.#ask(seat, { kind: 'host-call', evaluationId: seat.evaluationId, call: own }, own.payload.buffer);
      },
      sleep: async (ms) => {
        if (!(ms > 0)) return;
        await this.#ask(seat, {
          kind: 'sleep',
          evaluationId: seat.evaluationId,
          ms: Math.min(Math.ceil(ms), LONGEST_SLEEP_MS),
        });
      },
      log: (level, message) => {
        if (seat.givenUp || seat.logLines > MAX_LOG_LINES) return;
        const { evaluationId } = seat;
        if (++seat.logLines > MAX_LOG_LINES) {
          this.#post({ kind: 'log', evaluationId, level: 'warn', message: TOO_MANY_LINES });
          return;
        }
        const text = message.length > MAX_LOG_CHARACTERS ? `${message.slice(0, MAX_LOG_CHARACTERS)}…` : message;
        this.#post({ kind: 'log', evaluationId, level, message: text });
      },
      nowNs: () => BigInt(Date.now()) * 1_000_000n,
      monotonicNs: () => process.hrtime.bigint(),
      randomFill: (bytes) => {
        randomFillSync(bytes);
      },
    };
  }

  #ask(seat: Seat, message: MessageToHost, transfer?: ArrayBuffer): Promise<Uint8Array> {
    if (seat.givenUp) return Promise.reject(ABANDONMENT);
    if (seat.waiting !== undefined) return Promise.reject(new Error('host call refused: another one is under way'));
    seat.waiting = Promise.withResolvers();
    this.#turns.suspend(seat.seat);
    this.#post(message, transfer);
    return seat.waiting.promise;
  }

  #post(message: MessageToHost, transfer?: ArrayBuffer): void {
    this.#port.postMessage(message, transfer === undefined ? [] : [transfer]);
  }
}
