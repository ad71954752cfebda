import { ModuleError, Utf8Error } from '../errors.ts';
import { decodeUtf8 } from '../utf8.ts';

/** Reads the primitives of the WebAssembly binary format out of untrusted bytes, never past `end`. */
export class BinaryReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #offset: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#offset = start;
    this.#end = end;
  }

  get offset(): number {
    return this.#offset;
  }

  get atEnd(): boolean {
    return this.#offset >= this.#end;
  }

  byte(): number {
    if (this.atEnd) throw new ModuleError('unexpected end', this.#offset);
    return this.#bytes[this.#offset++] ?? 0;
  }

  /** LEB128, at most 5 bytes and 32 bits (core specification 5.2.2). */
  u32(): number {
    const start = this.#offset;
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if ((byte & 0x80) !== 0) continue;
      if (value > 0xffff_ffff) break;
      return value;
    }
    throw new ModuleError('invalid LEB128 number – expected an unsigned 32-bit integer', start);
  }

  /** Passes over a signed or 64-bit LEB128 number of at most `maxBytes` bytes. */
  skipLeb(maxBytes: number): void {
    const start = this.#offset;
    for (let count = 0; count < maxBytes; count++) {
      if ((this.byte() & 0x80) === 0) return;
    }
    throw new ModuleError(`invalid LEB128 number – expected at most ${maxBytes} bytes`, start);
  }

  /** A view of the next `length` bytes. */
  take(length: number): Uint8Array {
    const start = this.#offset;
    if (length > this.#end - start) {
      throw new ModuleError(`unexpected end – expected ${length} bytes, got ${this.#end - start}`, start);
    }
    this.#offset = start + length;
    return this.#bytes.subarray(start, this.#offset);
  }

  /** A name: length and UTF-8. */
  name(): string {
    const start = this.#offset;
    try {
      return decodeUtf8(this.take(this.u32()));
    } catch (error) {
      if (error instanceof Utf8Error) throw new ModuleError('a name is not UTF-8', start);
      throw error;
    }
  }
}

/** LEB128 of an unsigned 32-bit integer, shortest form. */
export function encodeU32(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low | 0x80 : low);
  } while (rest > 0);
  return Uint8Array.from(bytes);
}

export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const result = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    result.set(part, offset);
    offset += part.length;
  }
  return result;
}
