import { RegoFailure } from './errors.ts';

// Guests may hold bytes that are no UTF-8 (base64.decode of anything): replaced as in Go, never refused.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** A policy's linear memory. Addresses and the ends of texts are the guest's word: both are checked. */
export class RegoMemory {
  readonly memory: WebAssembly.Memory;
  #bytes: Uint8Array;

  constructor(memory: WebAssembly.Memory) {
    this.memory = memory;
    this.#bytes = new Uint8Array(memory.buffer);
  }

  /** A NUL-terminated text; one that never ends is not read for ever. */
  text(address: number, maxBytes: number): string {
    return decoder.decode(this.#terminated(address, maxBytes));
  }

  /** A copy of the bytes before the NUL. */
  copy(address: number, maxBytes: number): Uint8Array {
    return this.#terminated(address, maxBytes).slice();
  }

  /** Puts parts one behind the other. */
  write(address: number, parts: readonly Uint8Array[], length: number): void {
    let at = this.allocated(address, length);
    for (const part of parts) {
      this.#bytes.set(part, at);
      at += part.length;
    }
  }

  /** An address that `opa_malloc` returned, without a sign, if there is as much behind it. */
  allocated(address: number, length: number): number {
    const start = address >>> 0;
    if (start + length <= this.#refresh().length) return start;
    throw new RegoFailure('guest-error', 'opa_malloc returned no usable address');
  }

  /** The address of a NUL-terminated text, without a sign, if the text ends. */
  terminated(address: number, maxBytes: number): number {
    return this.#terminated(address, maxBytes).byteOffset;
  }

  #terminated(address: number, maxBytes: number): Uint8Array {
    const bytes = this.#refresh();
    const start = address >>> 0;
    if (start >= bytes.length)
      throw new RegoFailure('guest-error', `address ${start} lies outside of the policy's memory`);
    const window = bytes.subarray(start, start + maxBytes + 1);
    const length = window.indexOf(0);
    if (length !== -1) return window.subarray(0, length);
    throw new RegoFailure('limit', `a text of the policy is longer than ${maxBytes} bytes or does not end`);
  }

  #refresh(): Uint8Array {
    const { buffer } = this.memory;
    // A grown memory leaves a detached buffer behind.
    if (this.#bytes.buffer !== buffer) this.#bytes = new Uint8Array(buffer);
    return this.#bytes;
  }
}
