import { malformed } from './reader.ts';

/** What instructions of one byte leave on the operand stack, more or less than they take. Blocks, calls and prefixes: elsewhere. */
export const EFFECTS: Int8Array = tableOfEffects();

function tableOfEffects(): Int8Array {
  const table = new Int8Array(256);
  const set = (effect: number, ranges: readonly (readonly [from: number, to: number])[]): void => {
    for (const [from, to] of ranges) table.fill(effect, from, to + 1);
  };
  // local.get, global.get; memory.size; constants; ref.null, ref.func
  set(1, [
    [0x20, 0x20],
    [0x23, 0x23],
    [0x3f, 0x3f],
    [0x41, 0x44],
    [0xd0, 0xd0],
    [0xd2, 0xd2],
  ]);
  // if, br_if, br_table; drop, local.set, global.set; comparisons and arithmetic of two; ref.eq, br_on_non_null
  set(-1, [
    [0x04, 0x04],
    [0x0d, 0x0e],
    [0x1a, 0x1a],
    [0x21, 0x21],
    [0x24, 0x24],
    [0xd3, 0xd3],
    [0xd6, 0xd6],
  ]);
  set(-1, [
    [0x46, 0x4f],
    [0x51, 0x66],
    [0x6a, 0x78],
    [0x7c, 0x8a],
    [0x92, 0x98],
    [0xa0, 0xa6],
  ]);
  // select; table.set; stores
  set(-2, [
    [0x1b, 0x1c],
    [0x26, 0x26],
    [0x36, 0x3e],
  ]);
  return table;
}

/**
 * The engine's compilers note for every block where each local and each operand is: 35 bytes and 60 ns for each. A function of
 * 3 kB with 49,000 locals and 1,000 loops took 1.8 GB and 3 s, and no deadline stops a compiler. This is 150 MB at most; the
 * largest function in 90 MB of Go has a sixtieth of it.
 */
const MOST_BLOCK_STATES = 2 ** 22;

/**
 * Counts what a compiler has to remember of a function: for every block where each local and each operand below it is. Behind
 * an unconditional branch the height may be anything, but compilers pass over what cannot be reached.
 */
export class BlockStates {
  /** Of the operand stack. */
  height = 0;
  /** How many there are so far. */
  count = 0;
  blocks = 0;
  #locals = 0;
  #depth = 0;
  /** The height below each open block; what that begins with, and what it leaves. */
  readonly #floors: number[] = [];
  readonly #parameters: number[] = [];
  readonly #results: number[] = [];

  /** A function begins. */
  begin(locals: number): void {
    this.height = 0;
    this.count = 0;
    this.blocks = 0;
    this.#depth = 0;
    this.#locals = locals;
  }

  /** @throws EvaluationError `module-invalid` when the function, whose code starts here, is too large to compile. */
  check(codeStart: number): void {
    const { count, blocks } = this;
    if (count <= MOST_BLOCK_STATES) return;
    const noted = `for its ${blocks} blocks ${count} locals and operands would be noted`;
    throw malformed(`a function is too large to compile: ${noted}, expected at most ${MOST_BLOCK_STATES}`, codeStart);
  }

  open(parameters: number, results: number): void {
    this.blocks++;
    this.count += this.#locals + Math.max(this.height, 0);
    this.#floors[this.#depth] = this.height - parameters;
    this.#parameters[this.#depth] = parameters;
    this.#results[this.#depth++] = results;
  }

  /** The other part of a block; `operands` are those it begins with if not the block's parameters. */
  other(operands?: number): void {
    const last = this.#depth - 1;
    if (last >= 0) this.height = (this.#floors[last] ?? 0) + (operands ?? this.#parameters[last] ?? 0);
  }

  close(): void {
    // The last end is that of the function.
    if (this.#depth === 0) return;
    this.#depth--;
    this.height = (this.#floors[this.#depth] ?? 0) + (this.#results[this.#depth] ?? 0);
  }
}
