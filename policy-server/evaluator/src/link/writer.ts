const encoder = new TextEncoder();

/** Sizes that are known only once the content is written take all five bytes a LEB128 number of 32 bits may have. */
const PADDED_SIZE_LENGTH = 5;

/** Bytes written once into one growing buffer. */
export class ModuleWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #length = 0;

  constructor(expectedLength: number) {
    this.#bytes = new Uint8Array(expectedLength);
  }

  get length(): number {
    return this.#length;
  }

  /** What was written so far; valid until the next write. */
  written(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  u32(value: number): void {
    this.#reserve(PADDED_SIZE_LENGTH);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#bytes[this.#length++] = rest;
  }

  name(text: string): void {
    const bytes = encoder.encode(text);
    this.u32(bytes.length);
    this.append(bytes);
  }

  append(bytes: ArrayLike<number>): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  copy(from: Uint8Array, start: number, end: number): void {
    this.#reserve(end - start);
    const to = this.#bytes;
    let at = this.#length;
    // Runs between two checks are short: a loop beats the call of `set` and the view it needs.
    if (end - start <= 48) for (let i = start; i < end; i++) to[at++] = from[i] as number;
    else to.set(from.subarray(start, end), at);
    this.#length += end - start;
  }

  section(id: number, write: () => void): void {
    this.byte(id);
    this.#reserve(PADDED_SIZE_LENGTH);
    const sizeAt = this.#length;
    this.#length += PADDED_SIZE_LENGTH;
    write();
    let size = this.#length - sizeAt - PADDED_SIZE_LENGTH;
    for (let i = 0; i < PADDED_SIZE_LENGTH; i++, size >>>= 7) {
      this.#bytes[sizeAt + i] = (size & 0x7f) | (i < PADDED_SIZE_LENGTH - 1 ? 0x80 : 0);
    }
  }

  #reserve(length: number): void {
    const needed = this.#length + length;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, Math.ceil(this.#bytes.length * 1.5)));
    grown.set(this.written());
    this.#bytes = grown;
  }
}

/** LEB128 as in immediates. */
export function encodeUnsigned(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) out.push((rest & 0x7f) | 0x80);
  return [...out, rest];
}

/** Signed LEB128, as constants are written. */
export function encodeSigned(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  for (; rest < -0x40 || rest >= 0x40; rest >>= 7) out.push((rest & 0x7f) | 0x80);
  return [...out, rest & 0x7f];
}
