import { LINK_MODULE } from './plan.ts';
import { ModuleWriter } from './writer.ts';

/** The custom section that tells where things stood before a module was rewritten. */
export const POSITIONS_SECTION = 'portcullis.positions';

/**
 * Notes how far code was moved while it is written. Backtraces name offsets, and policy authors look them up in the module they
 * built.
 *
 * The notes are pairs of numbers: how many bytes behind the last pair, and by how many bytes more code is moved from there on
 * (folded: 0, -1, 1, -2, … are 0, 1, 2, 3, …).
 */
export class PositionNotes {
  readonly #notes = new ModuleWriter(4096);
  #lastAt = 0;
  #lastShift = 0;

  /** What was at `before` is at `after`; so is what follows, up to the next note. */
  moved(before: number, after: number): void {
    const shift = after - before;
    if (shift === this.#lastShift) return;
    const change = shift - this.#lastShift;
    this.#notes.u32(after - this.#lastAt);
    this.#notes.u32(change < 0 ? -2 * change - 1 : 2 * change);
    this.#lastAt = after;
    this.#lastShift = shift;
  }

  /** Adds the section; `functionCount` is that of the module before. */
  write(writer: ModuleWriter, functionCount: number): void {
    writer.section(0, () => {
      writer.name(POSITIONS_SECTION);
      writer.u32(functionCount);
      writer.append(this.#notes.written());
    });
  }
}

/** Where the code of a linked module stood in the module it was made of. */
export interface OriginalPositions {
  /** Functions with higher indices were added. */
  readonly functionCount: number;
  /** The offset in the module as it was of what is at this offset now. */
  offsetOf(offset: number): number;
}

/** `undefined` = the module was not rewritten. Cheap to ask again: the answer is kept as long as the module lives. */
export function originalPositions(module: WebAssembly.Module): OriginalPositions | undefined {
  if (positions.has(module)) return positions.get(module);
  const found = isRewritten(module) ? WebAssembly.Module.customSections(module, POSITIONS_SECTION) : [];
  const read = found[0] && readPositions(new Uint8Array(found[0]));
  positions.set(module, read);
  return read;
}

/** A module that was not rewritten may have a section of this name, too, but nothing it says is ours. */
function isRewritten(module: WebAssembly.Module): boolean {
  return WebAssembly.Module.imports(module).some((each) => each.module === LINK_MODULE && each.kind === 'memory');
}

const positions = new WeakMap<WebAssembly.Module, OriginalPositions | undefined>();

function readPositions(bytes: Uint8Array): OriginalPositions {
  const [functionCount = 0, ...notes] = numbersOf(bytes);
  const starts = new Int32Array(notes.length / 2);
  const shifts = new Int32Array(notes.length / 2);
  let [at, shift] = [0, 0];
  for (let i = 0; i < starts.length; i++) {
    at += notes[2 * i] ?? 0;
    const folded = notes[2 * i + 1] ?? 0;
    shift += folded % 2 === 0 ? folded / 2 : -(folded + 1) / 2;
    starts[i] = at;
    shifts[i] = shift;
  }
  return { functionCount, offsetOf: (offset) => offset - shiftAt(offset, starts, shifts) };
}

/** The shift that was noted last at or before an offset. */
function shiftAt(offset: number, starts: Int32Array, shifts: Int32Array): number {
  let [low, high] = [0, starts.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((starts[middle] ?? 0) <= offset) low = middle + 1;
    else high = middle;
  }
  return shifts[low - 1] ?? 0;
}

/** This program wrote them. */
function numbersOf(bytes: Uint8Array): number[] {
  const numbers: number[] = [];
  let [value, factor] = [0, 1];
  for (const byte of bytes) {
    value += (byte & 0x7f) * factor;
    factor *= 0x80;
    if (byte >= 0x80) continue;
    numbers.push(value);
    [value, factor] = [0, 1];
  }
  return numbers;
}
