import { GuestStop } from './stop.ts';

const lossyUtf8 = new TextDecoder('utf-8', { ignoreBOM: true });

const SMALLEST_BUFFER = 1024;
const LARGEST_KEPT_BUFFER = 65_536;

/** What a guest wrote to one of its streams; a guest that writes past the limit is stopped. */
export class CapturedOutput {
  readonly #name: string;
  readonly #maxBytes: number;
  #buffer = new Uint8Array();
  #size = 0;

  constructor(name: string, maxBytes: number) {
    this.#name = name;
    this.#maxBytes = maxBytes;
  }

  /** Copies `bytes`, which may be a window onto the guest's memory. Kept in one buffer: single bytes must not cost an object each. */
  append(bytes: Uint8Array): void {
    const size = this.#size + bytes.length;
    checkSize(this.#name, size, this.#maxBytes);
    if (size > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(size, 2 * this.#buffer.length, SMALLEST_BUFFER));
      larger.set(this.#buffer);
      this.#buffer = larger;
    }
    this.#buffer.set(bytes, this.#size);
    this.#size = size;
  }

  get size(): number {
    return this.#size;
  }

  /** Makes it as if nothing had been written. A large buffer is not kept for the next one. */
  clear(): void {
    this.#size = 0;
    if (this.#buffer.length > LARGEST_KEPT_BUFFER) this.#buffer = new Uint8Array();
  }

  bytes(): Uint8Array {
    return this.#buffer.slice(0, this.#size);
  }

  /** The text without surrounding white space; what is not UTF-8 becomes U+FFFD. */
  text(): string {
    if (this.#size === 0) return '';
    return lossyUtf8.decode(this.#buffer.subarray(0, this.#size)).trim();
  }
}

/** Stops a guest whose output is larger than its limit. */
export function checkSize(what: string, size: number, maxBytes: number): void {
  if (size > maxBytes) {
    throw new GuestStop('limit', `the policy's ${what} exceeds the limit of ${maxBytes} bytes`);
  }
}
