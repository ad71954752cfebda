import { EvaluationError } from '../errors.ts';

const TYPED_REFERENCE = 0x64;
const NULLABLE_TYPED_REFERENCE = 0x63;
/** Numbers, v128, and every reference type that has a byte of its own lie at or above. */
export const SMALLEST_ONE_BYTE_TYPE = 0x69;
const LARGEST_ONE_BYTE_TYPE = 0x7f;

/** The prefix of the proposal that compilers are most likely to use of those that are not known here. */
const GARBAGE_COLLECTION = 0xfb;

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Reads a core module's binary format; never past its end, and linear in what it reads. */
export class ModuleReader {
  readonly bytes: Uint8Array;
  at: number;
  readonly end: number;
  /** How many types the module has; before that is known, any may be named. */
  readonly #typeCount: number;

  constructor(bytes: Uint8Array, start: number, end: number, typeCount = Infinity) {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
    this.#typeCount = typeCount;
  }

  get done(): boolean {
    return this.at >= this.end;
  }

  byte(): number {
    const value = this.at < this.end ? this.bytes[this.at] : undefined;
    if (value === undefined) throw malformed('it ends too early', this.at);
    this.at++;
    return value;
  }

  /** LEB128, at most five bytes, at most 2^32 − 1. */
  u32(): number {
    let value = this.byte();
    if (value < 0x80) return value;
    value &= 0x7f;
    for (let shift = 7; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80 && value < 2 ** 32) return value;
    }
    throw malformed('a number does not fit 32 bits', this.at);
  }

  /** Skips a number of any width. */
  number(): void {
    while (this.byte() >= 0x80);
  }

  /** Moves on by `length` bytes and returns where they start. */
  skip(length: number): number {
    const start = this.at;
    if (length > this.end - start) throw malformed('it ends too early', start);
    this.at = start + length;
    return start;
  }

  name(): string {
    const length = this.u32();
    const start = this.skip(length);
    try {
      return UTF8.decode(this.bytes.subarray(start, start + length));
    } catch {
      throw malformed('a name is not UTF-8', start);
    }
  }

  /** Skips a value type and returns its first byte. */
  valueType(): number {
    const at = this.at;
    const type = this.byte();
    if (type === TYPED_REFERENCE || type === NULLABLE_TYPED_REFERENCE) this.heapType();
    else if (type < SMALLEST_ONE_BYTE_TYPE || type > LARGEST_ONE_BYTE_TYPE) {
      throw unsupported(`the type 0x${type.toString(16)}`, at);
    }
    return type;
  }

  /**
   * What a reference refers to: one of the module's types, which is returned, or a negative number of one byte for a kind of them.
   */
  heapType(): number | undefined {
    const first = this.bytes[this.at] ?? 0;
    if (first < 0x40 || first >= 0x80) return this.typeIndex();
    this.at++;
    return undefined;
  }

  typeIndex(): number {
    const index = this.u32();
    if (index >= this.#typeCount) throw malformed(`it has no type ${index}`, this.at);
    return index;
  }

  /** The type of a block: no value, one, or one of the module's types, which is returned. */
  blockType(): number | undefined {
    const first = this.bytes[this.at];
    if (first !== TYPED_REFERENCE && first !== NULLABLE_TYPED_REFERENCE) return this.heapType();
    this.at++;
    this.heapType();
    return undefined;
  }

  /** Every entry of a section takes a byte at least: a count beyond that is a lie, and nothing may be allocated for it. */
  count(): number {
    const at = this.at;
    const count = this.u32();
    if (count > this.end - this.at) throw malformed('a list ends too early', at);
    return count;
  }
}

export function malformed(what: string, offset: number): EvaluationError {
  return new EvaluationError(
    'module-invalid',
    `cannot compile the module: it is malformed at offset ${offset}: ${what}`,
  );
}

/**
 * What is not known here, a later proposal of the specification for instance. Nothing could bound or stop a module that was not
 * rewritten: none is run.
 */
export function unsupported(what: string, offset: number): EvaluationError {
  return new EvaluationError(
    'module-invalid',
    `cannot compile the module: ${what} at offset ${offset} is not supported; build the policy without it`,
  );
}

/** An instruction as people look it up. */
export function instructionText(...bytes: readonly number[]): string {
  const name = bytes.map((byte) => `0x${byte.toString(16)}`).join(' ');
  return bytes[0] === GARBAGE_COLLECTION ? `the instruction ${name} (garbage collection)` : `the instruction ${name}`;
}
