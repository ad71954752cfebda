import { readSections } from '@portcullis/protocol';
import { EvaluationError } from '../errors.ts';

const MEMORY_SECTION = 5;

/** Flags of a memory type (core spec: limits, threads and memory64 proposals). */
const HAS_MAXIMUM = 0x01;
const SHARED = 0x02;

/** 2^16 pages of 64 KiB: all a 32-bit memory can ever have. */
const LARGEST_MEMORY_PAGES = 65_536;

interface MemoryType {
  readonly flags: number;
  readonly minimumPages: number;
  readonly maximumPages: number;
}

/**
 * Rewrites the maximum of a module's own linear memory to min(declared, `maxPages`), so that the engine itself refuses a
 * growth past the cap: a hostile guest cannot take the memory of the whole server, whatever it runs.
 *
 * A module that imports its memory is returned as it is: whoever makes that memory chooses its maximum.
 *
 * @throws EvaluationError `module-invalid` when the module cannot even start within the cap.
 */
export function capMemory(bytes: Uint8Array, maxPages: number): Uint8Array {
  const section = readSections(bytes).find((each) => each.id === MEMORY_SECTION);
  if (section === undefined) return bytes;
  const memory = readMemorySection(bytes, section.payloadStart, section.end);
  if (memory === undefined) return bytes;
  if (memory.minimumPages > maxPages) {
    throw invalid(`the module needs ${memory.minimumPages} pages of memory at start, at most ${maxPages} are allowed`);
  }
  if ((memory.flags & HAS_MAXIMUM) !== 0 && memory.maximumPages <= maxPages) return bytes;
  const payload = [1, memory.flags | HAS_MAXIMUM, ...encodeLeb(memory.minimumPages), ...encodeLeb(maxPages)];
  const replacement = Uint8Array.from([MEMORY_SECTION, ...encodeLeb(payload.length), ...payload]);
  const out = new Uint8Array(section.start + replacement.length + bytes.length - section.end);
  out.set(bytes.subarray(0, section.start));
  out.set(replacement, section.start);
  out.set(bytes.subarray(section.end), section.start + replacement.length);
  return out;
}

function readMemorySection(bytes: Uint8Array, start: number, end: number): MemoryType | undefined {
  const reader = new LebReader(bytes.subarray(start, end));
  const count = reader.u32();
  if (count === 0) return undefined;
  // Each memory would need its own share of the cap; no toolchain for policies emits more than one.
  if (count > 1) throw invalid(`the module defines ${count} memories, expected one`);
  const flags = reader.u32();
  if ((flags & ~(HAS_MAXIMUM | SHARED)) !== 0) {
    throw invalid('the module needs a 64-bit memory or pages of an unusual size, expected a 32-bit memory');
  }
  const minimumPages = reader.u32();
  const maximumPages = (flags & HAS_MAXIMUM) === 0 ? LARGEST_MEMORY_PAGES : reader.u32();
  if (!reader.done) throw invalid('the memory section of the module is malformed');
  return { flags, minimumPages, maximumPages };
}

class LebReader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#offset === this.#bytes.length;
  }

  u32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#bytes[this.#offset++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * 2 ** shift;
      if ((byte & 0x80) === 0 && value < 2 ** 32) return value;
    }
    throw invalid('the memory section of the module is malformed');
  }
}

function encodeLeb(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    out.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  out.push(rest);
  return out;
}

function invalid(message: string): EvaluationError {
  return new EvaluationError('module-invalid', message);
}
