import { EvaluationError } from '../errors.ts';
import { malformed, type ModuleReader } from './reader.ts';
import { encodeUnsigned } from './writer.ts';

/** Flags of a memory type (core spec: limits, threads and memory64 proposals). */
const HAS_MAXIMUM = 0x01;
const SHARED = 0x02;

/** 2^16 pages of 64 KiB: all a 32-bit memory can ever have. */
const LARGEST_MEMORY_PAGES = 65_536;

export interface MemoryType {
  readonly shared: boolean;
  readonly minimumPages: number;
  readonly maximumPages: number;
}

/** The one memory of a memory section, `undefined` when it is empty. */
export function readMemorySection(reader: ModuleReader): MemoryType | undefined {
  const count = reader.u32();
  // Each memory would need its own share of the cap; no toolchain for policies emits more than one.
  if (count > 1) throw invalid(`the module defines ${count} memories, expected one`);
  const memory = count === 0 ? undefined : readMemoryType(reader);
  if (!reader.done) throw malformed('the memory section is too long', reader.at);
  return memory;
}

export function readMemoryType(reader: ModuleReader): MemoryType {
  const flags = reader.u32();
  if ((flags & ~(HAS_MAXIMUM | SHARED)) !== 0) {
    throw invalid('the module needs a 64-bit memory or pages of an unusual size, expected a 32-bit memory');
  }
  const minimumPages = reader.u32();
  const maximumPages = (flags & HAS_MAXIMUM) === 0 ? LARGEST_MEMORY_PAGES : reader.u32();
  return { shared: (flags & SHARED) !== 0, minimumPages, maximumPages };
}

/**
 * The memory with its maximum at min(declared, `maxPages`), so that the engine itself refuses a growth past the cap: a hostile guest
 * cannot take the memory of the whole server, whatever it runs.
 *
 * @throws EvaluationError `module-invalid` when the module cannot even start within the cap.
 */
export function capMemoryType(memory: MemoryType, maxPages: number): MemoryType {
  if (memory.minimumPages > maxPages) {
    throw invalid(`the module needs ${memory.minimumPages} pages of memory at start, at most ${maxPages} are allowed`);
  }
  return { ...memory, maximumPages: Math.min(memory.maximumPages, maxPages) };
}

export function encodeMemoryType({ shared, minimumPages, maximumPages }: MemoryType): number[] {
  const flags = HAS_MAXIMUM | (shared ? SHARED : 0);
  return [flags, ...encodeUnsigned(minimumPages), ...encodeUnsigned(maximumPages)];
}

function invalid(message: string): EvaluationError {
  return new EvaluationError('module-invalid', message);
}
