import { invalidComponent } from './errors.ts';

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Reads the binary format of modules and components; never past its end, and linear in what it reads. */
export class BinaryReader {
  readonly #bytes: Uint8Array;
  #offset: number;
  readonly #end: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#offset = start;
    this.#end = end;
  }

  get done(): boolean {
    return this.#offset >= this.#end;
  }

  byte(): number {
    const value = this.#offset < this.#end ? this.#bytes[this.#offset] : undefined;
    if (value === undefined) throw this.#malformed('it ends too early');
    this.#offset++;
    return value;
  }

  /** LEB128, at most five bytes, at most 2^32 − 1. */
  u32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80 && value < 2 ** 32) return value;
    }
    throw this.#malformed('a number does not fit 32 bits');
  }

  name(): string {
    const length = this.u32();
    const start = this.#take(length);
    try {
      return UTF8.decode(this.#bytes.subarray(start, start + length));
    } catch (error) {
      throw invalidComponent(`the component is malformed at offset ${start}: a name is not UTF-8`, error);
    }
  }

  /** A reader over the next `length` bytes, which are skipped here. */
  section(length: number): BinaryReader {
    const start = this.#take(length);
    return new BinaryReader(this.#bytes, start, start + length);
  }

  /** What is left, without copying. */
  rest(): Uint8Array {
    return this.#bytes.subarray(this.#offset, this.#end);
  }

  #take(length: number): number {
    if (length > this.#end - this.#offset) throw this.#malformed('a section ends after its container');
    const start = this.#offset;
    this.#offset += length;
    return start;
  }

  #malformed(what: string): Error {
    return invalidComponent(`the component is malformed at offset ${this.#offset}: ${what}`);
  }
}
