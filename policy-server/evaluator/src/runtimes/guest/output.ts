import { GuestStop } from './stop.ts';

const lossyUtf8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** What a guest wrote to one of its streams; a guest that writes past the limit is stopped. */
export class CapturedOutput {
  readonly #name: string;
  readonly #maxBytes: number;
  readonly #chunks: Uint8Array[] = [];
  #size = 0;

  constructor(name: string, maxBytes: number) {
    this.#name = name;
    this.#maxBytes = maxBytes;
  }

  /** Copies `bytes`, which may be a window onto the guest's memory. */
  append(bytes: Uint8Array): void {
    checkSize(this.#name, this.#size + bytes.length, this.#maxBytes);
    // Empty writes would cost an array slot each without ever reaching the limit.
    if (bytes.length === 0) return;
    this.#size += bytes.length;
    this.#chunks.push(bytes.slice());
  }

  bytes(): Uint8Array {
    const out = new Uint8Array(this.#size);
    let offset = 0;
    for (const chunk of this.#chunks) {
      out.set(chunk, offset);
      offset += chunk.length;
    }
    return out;
  }

  /** The text without surrounding white space; what is not UTF-8 becomes U+FFFD. */
  text(): string {
    return lossyUtf8.decode(this.bytes()).trim();
  }
}

/** Stops a guest whose output is larger than its limit. */
export function checkSize(what: string, size: number, maxBytes: number): void {
  if (size > maxBytes) {
    throw new GuestStop('limit', `the policy's ${what} exceeds the limit of ${maxBytes} bytes`);
  }
}
