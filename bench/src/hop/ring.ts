const SLOTS = 64;
const SLOT_BYTES = 16_384;
const HEADER_BYTES = 64;
const SENT = 0;
const DONE = 1;

export type RingMemory = SharedArrayBuffer;

/** Requests for one thread in shared memory: a sender puts them in, the thread takes them in order and counts what is done. */
export class SharedRing {
  readonly memory: RingMemory;
  readonly #counters: Int32Array<SharedArrayBuffer>;
  readonly #bytes: Uint8Array<SharedArrayBuffer>;
  #taken = 0;

  constructor(memory: RingMemory = new SharedArrayBuffer(HEADER_BYTES + SLOTS * SLOT_BYTES)) {
    this.memory = memory;
    this.#counters = new Int32Array(memory, 0, HEADER_BYTES / 4);
    this.#bytes = new Uint8Array(memory, HEADER_BYTES);
  }

  /** Sender. */
  put(request: Uint8Array): void {
    const sent = Atomics.load(this.#counters, SENT);
    this.#bytes.set(request, (sent % SLOTS) * SLOT_BYTES);
    Atomics.store(this.#counters, SENT, sent + 1);
    Atomics.notify(this.#counters, SENT);
  }

  /** Sender: how many are done by now. */
  get done(): number {
    return Atomics.load(this.#counters, DONE);
  }

  /** Sender: resolves when more are done than `seen`. */
  async answered(seen: number): Promise<void> {
    const { async: waits, value } = Atomics.waitAsync(this.#counters, DONE, seen);
    if (waits) await value;
  }

  /** Thread: does all that is there. */
  take(each: () => void): void {
    while (this.#taken !== Atomics.load(this.#counters, SENT)) {
      // The copy a guest's memory would get.
      this.#bytes.slice((this.#taken % SLOTS) * SLOT_BYTES, (this.#taken % SLOTS) * SLOT_BYTES + SLOT_BYTES / 4);
      each();
      this.#taken++;
      Atomics.store(this.#counters, DONE, this.#taken);
      Atomics.notify(this.#counters, DONE);
    }
  }

  /** Thread: does not block it, since guests wait for the host there. */
  async wait(): Promise<void> {
    const { async: waits, value } = Atomics.waitAsync(this.#counters, SENT, this.#taken);
    if (waits) await value;
  }
}
