import { EvaluationError } from '../../errors.ts';
import type { LinkPlan } from '../../link/plan.ts';
import { BLOCK_BYTES, type Eraser, eraserOf } from './eraser.ts';

export const PAGE_BYTES = 65_536;

const WORDS_PER_BLOCK = BLOCK_BYTES / 4;

/** The state of one instance that its own code can change: what an image is taken of and put back to. */
export class InstanceState {
  readonly memory: WebAssembly.Memory;
  readonly globals: readonly WebAssembly.Global[];
  readonly #logicalPages: WebAssembly.Global | undefined;
  #bytes: Uint8Array;
  #eraser: Eraser | undefined;

  constructor(
    memory: WebAssembly.Memory,
    globals: readonly WebAssembly.Global[],
    logicalPages: WebAssembly.Global | undefined,
  ) {
    this.memory = memory;
    this.globals = globals;
    this.#logicalPages = logicalPages;
    this.#bytes = new Uint8Array(memory.buffer);
  }

  /** The state behind what the link step exported. */
  static of(plan: LinkPlan, exports: WebAssembly.Exports, memory: WebAssembly.Memory): InstanceState {
    const globals = plan.globals.map(({ exportName }) => globalOf(exports, exportName));
    const { logicalPages } = plan;
    return new InstanceState(memory, globals, logicalPages === undefined ? undefined : globalOf(exports, logicalPages));
  }

  /** All of the memory the engine gives the instance, which may be more than the guest believes to have. */
  get bytes(): Uint8Array {
    // A memory that grew leaves a detached buffer behind.
    if (this.#bytes.length === 0) this.#bytes = new Uint8Array(this.memory.buffer);
    return this.#bytes;
  }

  /** Makes parts of the memory zero. */
  get eraser(): Eraser {
    this.#eraser ??= eraserOf(this.memory);
    return this.#eraser;
  }

  get physicalPages(): number {
    return this.bytes.length / PAGE_BYTES;
  }

  /** The size `memory.size` tells the guest. Without a global for it the module neither asks nor grows: it is the real one. */
  get logicalPages(): number {
    return this.#logicalPages === undefined ? this.physicalPages : Number(this.#logicalPages.value);
  }

  /** Whether the guest can tell its logical size from the real one, i.e. whether there may be room behind its memory. */
  get hasLogicalSize(): boolean {
    return this.#logicalPages !== undefined;
  }

  /** Gives the memory this size, of which the guest is told nothing; `false` = it is larger already or cannot be had. */
  resize(physicalPages: number): boolean {
    const missing = physicalPages - this.physicalPages;
    if (missing <= 0) return missing === 0;
    try {
      this.memory.grow(missing);
    } catch (error) {
      if (error instanceof RangeError) return false;
      throw error;
    }
    return true;
  }
}

function globalOf(exports: WebAssembly.Exports, name: string): WebAssembly.Global {
  const global = Object.hasOwn(exports, name) ? exports[name] : undefined;
  if (global instanceof WebAssembly.Global) return global;
  throw new EvaluationError('module-invalid', `the linked module exports no global ${name}`);
}

export interface ImageOptions {
  /** Pages the memory can have at most. */
  readonly maximumPages: number;
  /** What of the memory was not zero when the instance was made, before any code ran. */
  readonly initial: readonly MemoryRange[];
}

/** A part of a memory, in bytes. */
export interface MemoryRange {
  readonly start: number;
  readonly end: number;
}

interface KeptRange extends MemoryRange {
  readonly bytes: Uint8Array;
}

/**
 * What an instance was when its start code had run: its memory, of which only what is not zero is kept, and its globals.
 *
 * The memory of an instance at an image has a fixed real size, that of the image and a room behind it, whatever ran in it before.
 * So what an access beyond the logical size sees (zeros in the room, a trap behind it) never depends on an earlier request, and
 * an instance that outgrew its room can never come back.
 */
export class Image {
  /** What keeping it costs. */
  readonly sizeBytes: number;
  readonly #pages: number;
  readonly #maximumPages: number;
  readonly #ranges: readonly KeptRange[];
  readonly #globals: readonly unknown[];
  readonly #initial: readonly MemoryRange[];

  private constructor(state: InstanceState, { maximumPages, initial }: ImageOptions) {
    this.#pages = state.logicalPages;
    // A module that cannot grow has no use for room.
    this.#maximumPages = state.hasLogicalSize ? Math.max(this.#pages, maximumPages) : this.#pages;
    this.#ranges = nonZeroRanges(state.bytes).map((range) => ({
      ...range,
      bytes: state.bytes.slice(range.start, range.end),
    }));
    this.#initial = initial;
    this.#globals = state.globals.map((global) => global.value);
    this.sizeBytes = this.#ranges.reduce((size, { bytes }) => size + bytes.length, 0);
  }

  /**
   * Takes the image of an instance on which nothing has run but start code; the instance itself is at the image as soon as it has
   * been given its room. A text instead says why there can be no image.
   */
  static capture(state: InstanceState, options: ImageOptions): Image | string {
    // JavaScript cannot write the bits of a NaN back: numbers that pass through it may come out as another NaN.
    if (state.globals.some((global) => Number.isNaN(global.value))) return 'a global of its image is not a number';
    if (state.physicalPages !== state.logicalPages) return 'its memory is not of the size it tells the guest';
    return new Image(state, options);
  }

  /** Size of the memory of an instance that has this much room, as far as it may have it. */
  pagesWith(roomPages: number): number {
    return Math.min(this.#pages + roomPages, this.#maximumPages);
  }

  /** Puts a used instance of the same module back to the image. It still has the room it was given, no more. */
  restore(state: InstanceState): void {
    const { bytes, eraser } = state;
    const end = this.#ranges.reduce((done, range) => {
      if (range.start > done) eraser(done, range.start);
      bytes.set(range.bytes, range.start);
      return range.end;
    }, 0);
    if (end < bytes.length) eraser(end, bytes.length);
    this.#restoreGlobals(state);
  }

  /**
   * Brings a new instance of the same module, on which no code has run, to the image. Zeros it has already are not written: the
   * first write to a page costs as much as bringing back a dozen.
   */
  apply(state: InstanceState): void {
    const { bytes } = state;
    for (const { start, end } of this.#initial) bytes.fill(0, start, end);
    for (const range of this.#ranges) bytes.set(range.bytes, range.start);
    this.#restoreGlobals(state);
  }

  #restoreGlobals({ globals }: InstanceState): void {
    globals.forEach((global, index) => {
      global.value = this.#globals[index];
    });
  }
}

/** The parts of a memory that are not zero, in whole blocks. */
export function nonZeroRanges(bytes: Uint8Array): MemoryRange[] {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const ranges: MemoryRange[] = [];
  let start = -1;
  for (let block = 0; block < words.length; block += WORDS_PER_BLOCK) {
    if (!isZero(words, block)) {
      if (start < 0) start = block * 4;
    } else if (start >= 0) {
      ranges.push({ start, end: block * 4 });
      start = -1;
    }
  }
  if (start >= 0) ranges.push({ start, end: bytes.length });
  return ranges;
}

function isZero(words: Int32Array, block: number): boolean {
  for (let index = block; index < block + WORDS_PER_BLOCK; index += 1) {
    if (words[index] !== 0) return false;
  }
  return true;
}
