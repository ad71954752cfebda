import { GuestStop, PointerError } from './stop.ts';

const PAGE_BYTES = 65_536;

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Tells how much memory a guest believes to have, where that may be less than the engine gave it. */
interface LogicalSize {
  readonly logicalPages: number;
}

/**
 * Checked access to a guest's linear memory. Every pointer and length comes from the guest, as the signed 32-bit numbers the
 * engine passes; both are taken as unsigned. Views are made anew whenever the memory grew, which may happen in any call.
 */
export class GuestMemory {
  #memory: WebAssembly.Memory | undefined;
  #logical: LogicalSize | undefined;
  /** The memory reaches at least this far: it never shrinks while an evaluation lasts. */
  #knownBytes = 0;
  #bytes = new Uint8Array();
  #view = new DataView(this.#bytes.buffer);

  /** Memory exists only after instantiation; imports called by a start function before that trap. */
  bind(memory: WebAssembly.Memory, logical?: LogicalSize): void {
    this.#memory = memory;
    this.#logical = logical;
  }

  /** To be called when the instance was put back to its image: its memory may be smaller now. */
  forgetSize(): void {
    this.#knownBytes = 0;
  }

  /** A window onto the guest's memory: valid until the guest runs again. */
  window(pointer: number, length: number): Uint8Array {
    const start = unsigned(pointer);
    const size = unsigned(length);
    return this.#checked(start, size).subarray(start, start + size);
  }

  /** A copy that stays valid while the guest runs on. */
  copy(pointer: number, length: number): Uint8Array {
    const start = unsigned(pointer);
    const size = unsigned(length);
    return this.#checked(start, size).slice(start, start + size);
  }

  /** A string; the guest traps if it is not UTF-8. */
  text(pointer: number, length: number): string {
    try {
      return strictUtf8.decode(this.window(pointer, length));
    } catch (error) {
      if (error instanceof PointerError) throw error;
      throw new GuestStop('trap', 'a string of the guest is not valid UTF-8');
    }
  }

  write(pointer: number, bytes: Uint8Array): void {
    const start = unsigned(pointer);
    this.#checked(start, bytes.length).set(bytes, start);
  }

  /** Writes pieces one behind the other. */
  writeAll(pointer: number, pieces: readonly Uint8Array[]): void {
    let address = unsigned(pointer);
    pieces.forEach((piece) => {
      this.write(address, piece);
      address += piece.length;
    });
  }

  readU8(pointer: number): number {
    return this.#at(pointer, 1).getUint8(unsigned(pointer));
  }

  readU16(pointer: number): number {
    return this.#at(pointer, 2).getUint16(unsigned(pointer), true);
  }

  readU32(pointer: number): number {
    return this.#at(pointer, 4).getUint32(unsigned(pointer), true);
  }

  readU64(pointer: number): bigint {
    return this.#at(pointer, 8).getBigUint64(unsigned(pointer), true);
  }

  writeU8(pointer: number, value: number): void {
    this.#at(pointer, 1).setUint8(unsigned(pointer), value);
  }

  writeU16(pointer: number, value: number): void {
    this.#at(pointer, 2).setUint16(unsigned(pointer), value, true);
  }

  writeU32(pointer: number, value: number): void {
    this.#at(pointer, 4).setUint32(unsigned(pointer), value, true);
  }

  writeU64(pointer: number, value: bigint): void {
    this.#at(pointer, 8).setBigUint64(unsigned(pointer), value, true);
  }

  #at(pointer: number, size: number): DataView {
    this.#checked(unsigned(pointer), size);
    return this.#view;
  }

  /** All of the memory, after a look at whether this part of it is the guest's. */
  #checked(start: number, size: number): Uint8Array {
    const bytes = this.#refresh();
    if (!this.#reaches(start + size)) throw new PointerError(start, size);
    return bytes;
  }

  #reaches(end: number): boolean {
    if (end <= this.#knownBytes) return true;
    this.#knownBytes = this.#logical === undefined ? this.#bytes.length : this.#logical.logicalPages * PAGE_BYTES;
    return end <= this.#knownBytes;
  }

  #refresh(): Uint8Array {
    if (this.#memory === undefined)
      throw new GuestStop('trap', 'the guest has no memory before its start function returned');
    const { buffer } = this.#memory;
    // A grown memory leaves a detached buffer behind.
    if (this.#bytes.buffer !== buffer) {
      this.#bytes = new Uint8Array(buffer);
      this.#view = new DataView(buffer);
    }
    return this.#bytes;
  }
}

/** Wasm hands i32 over as signed. Sums that left 32 bits stay as they are: they must not wrap around into the memory. */
function unsigned(value: number): number {
  return value < 0 ? value + 2 ** 32 : value;
}
