import type { HostCall } from '@portcullis/protocol';
import type { GuestHost } from '../runtime.ts';

/** Something a program learnt from the host, in the order it asked. */
type Answer =
  | { readonly kind: 'time'; readonly ns: bigint }
  | { readonly kind: 'random'; readonly bytes: Uint8Array }
  | { readonly kind: 'sleep'; readonly ms: number }
  | { readonly kind: 'call'; readonly call: HostCall; readonly answer: Uint8Array | Error };

/** A program that asks for more than this is not recorded to its end. */
const MAX_ANSWERS = 20_000;
const MAX_BYTES = 16 * 1024 * 1024;

/** Passes everything on to the host of an evaluation and keeps what it answers. */
export class RecordingHost implements GuestHost {
  readonly #host: GuestHost;
  readonly #answers: Answer[] = [];
  #sizeBytes = 0;

  constructor(host: GuestHost) {
    this.#host = host;
  }

  /** All that was answered; `undefined` = too much to keep. */
  get answers(): readonly Answer[] | undefined {
    return this.#isFull() ? undefined : this.#answers;
  }

  async hostCall(call: HostCall): Promise<Uint8Array> {
    try {
      const answer = await this.#host.hostCall(call);
      this.#keep({ kind: 'call', call, answer }, call.payload.length + answer.length);
      return answer;
    } catch (error) {
      if (error instanceof Error) this.#keep({ kind: 'call', call, answer: error }, call.payload.length);
      throw error;
    }
  }

  log(level: 'debug' | 'info' | 'warn', message: string): void {
    this.#host.log(level, message);
  }

  nowNs(): bigint {
    return this.#keepTime(this.#host.nowNs());
  }

  monotonicNs(): bigint {
    return this.#keepTime(this.#host.monotonicNs());
  }

  randomFill(bytes: Uint8Array): void {
    this.#host.randomFill(bytes);
    this.#keep({ kind: 'random', bytes: this.#isFull() ? bytes : bytes.slice() }, bytes.length);
  }

  async sleep(ms: number): Promise<void> {
    await this.#host.sleep(ms);
    this.#keep({ kind: 'sleep', ms }, 0);
  }

  #keepTime(ns: bigint): bigint {
    this.#keep({ kind: 'time', ns }, 0);
    return ns;
  }

  #keep(answer: Answer, sizeBytes: number): void {
    this.#sizeBytes += sizeBytes;
    if (this.#isFull()) return;
    this.#answers.push(answer);
  }

  #isFull(): boolean {
    return this.#answers.length >= MAX_ANSWERS || this.#sizeBytes > MAX_BYTES;
  }
}

/** Answers as another host did, as long as it is asked the same; nothing is done and nothing is logged. */
export class ReplayingHost implements GuestHost {
  readonly #answers: readonly Answer[];
  #next = 0;

  constructor(answers: readonly Answer[]) {
    this.#answers = answers;
  }

  /** Whether everything was asked for. */
  get isAtEnd(): boolean {
    return this.#next === this.#answers.length;
  }

  async hostCall(call: HostCall): Promise<Uint8Array> {
    const recorded = this.#take('call');
    if (!isSameCall(recorded.call, call)) throw differs();
    if (recorded.answer instanceof Error) throw recorded.answer;
    return recorded.answer;
  }

  log(): void {
    // It was logged the first time.
  }

  nowNs(): bigint {
    return this.#take('time').ns;
  }

  monotonicNs(): bigint {
    return this.#take('time').ns;
  }

  randomFill(bytes: Uint8Array): void {
    const recorded = this.#take('random');
    if (recorded.bytes.length !== bytes.length) throw differs();
    bytes.set(recorded.bytes);
  }

  async sleep(ms: number): Promise<void> {
    if (this.#take('sleep').ms !== ms) throw differs();
  }

  #take<K extends Answer['kind']>(kind: K): Extract<Answer, { kind: K }> {
    const answer = this.#answers[this.#next];
    if (answer?.kind !== kind) throw differs();
    this.#next += 1;
    return answer as Extract<Answer, { kind: K }>;
  }
}

function differs(): Error {
  return new Error('the program does not ask what it asked before');
}

function isSameCall(one: HostCall, other: HostCall): boolean {
  const isNamedAlike =
    one.binding === other.binding && one.namespace === other.namespace && one.operation === other.operation;
  return isNamedAlike && Buffer.compare(one.payload, other.payload) === 0;
}
