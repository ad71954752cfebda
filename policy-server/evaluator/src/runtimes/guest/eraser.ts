import { encodeSigned, encodeUnsigned } from '../../link/writer.ts';

/** Memory is looked at in blocks of this size: large enough for one look at 64 pages to cost nothing, small enough to be worth it. */
export const BLOCK_BYTES = 4096;

/** Makes a part of a memory zero; both ends are multiples of `BLOCK_BYTES`, within the memory. */
export type Eraser = (start: number, end: number) => void;

/**
 * Zeroes memory by reading it and writing only to blocks that are not zero.
 *
 * Most of what a guest could have written to it has not: of the 1 MB of stack that Rust reserves a small evaluation uses a few
 * kilobytes. Reading goes at 110 GB/s where nothing was ever written (the system shows one page of zeros everywhere) and at 80
 * elsewhere, writing at 48; and pages nobody writes to take no memory. JavaScript cannot read that fast, so this is a Wasm function
 * over the guest's memory.
 */
export function eraserOf(memory: WebAssembly.Memory): Eraser {
  module ??= new WebAssembly.Module(MODULE_BYTES);
  return new WebAssembly.Instance(module, { m: { m: memory } }).exports['z'] as Eraser;
}

let module: WebAssembly.Module | undefined;

const AT = 0;
const END = 1;
const BLOCK = 2;
const BLOCK_END = 3;
const SEEN = 4;

const LOADS = 16;
const VECTOR_BYTES = 16;

const get = (local: number): number[] => [0x20, local];
const set = (local: number): number[] => [0x21, local];
const tee = (local: number): number[] => [0x22, local];
const i32 = (value: number): number[] => [0x41, ...encodeSigned(value)];
const I32_ADD = 0x6a;
const I32_LESS_UNSIGNED = 0x49;
const LOOP = [0x03, 0x40];
const IF = [0x04, 0x40];
const BRANCH_IF_TO_LOOP = [0x0d, 0x00];
const END_OF_BLOCK = 0x0b;
const V128_ZERO = [0xfd, 0x0c, ...new Uint8Array(VECTOR_BYTES)];
const V128_OR = [0xfd, 0x50];
const V128_ANY_TRUE = [0xfd, 0x53];
const MEMORY_FILL = [0xfc, 0x0b, 0x00];

/** Loads of neighbours, joined pairwise: a chain of them would wait for each other. */
function anyOf(first: number, count: number): number[] {
  if (count === 1) {
    const alignment = 0x04;
    return [...get(BLOCK), 0xfd, 0x00, alignment, ...encodeUnsigned(first * VECTOR_BYTES)];
  }
  return [...anyOf(first, count / 2), ...anyOf(first + count / 2, count / 2), ...V128_OR];
}

const BODY = [
  [0x02, 0x02, 0x7f, 0x01, 0x7b], // locals: BLOCK, BLOCK_END: i32, SEEN: v128
  LOOP,
  [...get(AT), ...tee(BLOCK), ...i32(BLOCK_BYTES), I32_ADD, ...set(BLOCK_END), ...V128_ZERO, ...set(SEEN)],
  LOOP,
  [...get(SEEN), ...anyOf(0, LOADS), ...V128_OR, ...set(SEEN)],
  [...get(BLOCK), ...i32(LOADS * VECTOR_BYTES), I32_ADD, ...tee(BLOCK)],
  [...get(BLOCK_END), I32_LESS_UNSIGNED, ...BRANCH_IF_TO_LOOP, END_OF_BLOCK],
  [...get(SEEN), ...V128_ANY_TRUE, ...IF],
  [...get(AT), ...i32(0), ...i32(BLOCK_BYTES), ...MEMORY_FILL, END_OF_BLOCK],
  [...get(BLOCK_END), ...tee(AT), ...get(END), I32_LESS_UNSIGNED, ...BRANCH_IF_TO_LOOP, END_OF_BLOCK],
  [END_OF_BLOCK],
].flat();

const MODULE_BYTES = Uint8Array.from(
  [
    [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    section(0x01, [0x01, 0x60, 0x02, 0x7f, 0x7f, 0x00]), // one type: two numbers, no result
    section(0x02, [0x01, 0x01, 0x6d, 0x01, 0x6d, 0x02, 0x00, 0x00]), // imports the memory m.m of whatever size
    section(0x03, [0x01, 0x00]),
    section(0x07, [0x01, 0x01, 0x7a, 0x00, 0x00]), // exports the function as z
    section(0x0a, [0x01, ...encodeUnsigned(BODY.length), ...BODY]),
  ].flat(),
);

function section(id: number, payload: readonly number[]): number[] {
  return [id, ...encodeUnsigned(payload.length), ...payload];
}
