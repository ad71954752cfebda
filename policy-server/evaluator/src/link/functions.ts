import { Op } from './opcodes.ts';
import { encodeSigned, encodeUnsigned } from './writer.ts';

/** A function the link step appends. */
export interface AddedFunction {
  /** Its entry in the type section. */
  readonly type: readonly number[];
  /** Locals and code. */
  readonly body: readonly number[];
}

const I32 = 0x7f;
const ALIGN_4_WITH_MEMORY = 0x42;

/**
 * Traps if bit 0 of the control memory's first word is set. The load is atomic: an ordinary one could be moved out of a loop.
 * No handler of the guest catches a trap.
 */
export function checkOf(controlIndex: number): number[] {
  return [
    [0x41, 0x00], // i32.const 0
    [0xfe, 0x10, ALIGN_4_WITH_MEMORY, controlIndex, 0x00], // i32.atomic.load
    [0x41, 0x01, 0x71], // i32.const 1 i32.and
    [0x04, 0x40, 0x00, 0x0b], // if unreachable end
  ].flat();
}

/**
 * `memory.grow` of the logical size. What the engine's memory has beyond it is taken first (the host keeps it zeroed); only what
 * is missing is asked of the engine, which refuses what is beyond the maximum.
 *
 *     if delta > memory.size − logical:
 *       if memory.grow(delta − (memory.size − logical)) = −1: return −1
 *     old := logical; logical := logical + delta; return old
 */
export function growFunction(controlIndex: number, logicalIndex: number): AddedFunction {
  const logical = [Op.globalGet, ...encodeUnsigned(logicalIndex)];
  const delta = get(0);
  const spare = [Op.memorySize, 0x00, ...logical, SUB];
  const body = [
    [0x00], // no locals
    checkOf(controlIndex),
    [...delta, ...spare, GT_U, IF, 0x40],
    [...delta, ...spare, SUB, Op.memoryGrow, 0x00],
    [Op.i32Const, 0x7f, EQ, IF, 0x40, Op.i32Const, 0x7f, RETURN, Op.end],
    [Op.end],
    [...logical, ...logical, ...delta, ADD],
    [Op.globalSet, ...encodeUnsigned(logicalIndex)],
    [Op.end],
  ].flat();
  return { type: [0x60, 0x01, I32, 0x01, I32], body };
}

/** A bulk instruction of this length takes some hundred microseconds at worst, when no page of it was touched before. */
const STRIDE_BYTES = 1024 * 1024;

const THREE_NUMBERS: readonly number[] = [0x60, 0x03, I32, I32, I32, 0x00];

const MEMORY_FILL = [Op.bulk, 0x0b, 0x00];
const MEMORY_COPY = [Op.bulk, 0x0a, 0x00, 0x00];
const ADD = 0x6a;
const SUB = 0x6b;
const EQ = 0x46;
const GT_U = 0x4b;
const LE_U = 0x4d;
const I64_EXTEND_U = 0xad;
const I64_ADD = 0x7c;
const I64_SHIFT_LEFT = 0x86;
const I64_GT_U = 0x56;
const BLOCK = 0x02;
const IF = 0x04;
const ELSE = 0x05;
const BR_IF = 0x0d;
const RETURN = 0x0f;

const get = (local: number): number[] => [0x20, local];
const set = (local: number): number[] => [0x21, local];
const STRIDE = [Op.i32Const, ...encodeSigned(STRIDE_BYTES)];
const isLong = (length: number): number[] => [...get(length), ...STRIDE, GT_U];
const advance = (local: number): number[] => [...get(local), ...STRIDE, ADD, ...set(local)];
const shorten = (length: number): number[] => [...get(length), ...STRIDE, SUB, ...set(length)];

/** Whether an address and a length (locals) leave the memory: such an instruction traps before it writes anything. */
function leavesMemory(address: number, length: number): number[] {
  return [
    [...get(address), I64_EXTEND_U, ...get(length), I64_EXTEND_U, I64_ADD],
    [Op.memorySize, 0x00, I64_EXTEND_U, 0x42, 16, I64_SHIFT_LEFT, I64_GT_U],
  ].flat();
}

/**
 * `memory.fill` in strides, with a check before each: filling the largest memory in one go takes longer than a stopped guest may.
 *
 *     unless length ≤ stride or it leaves the memory:
 *       while length > stride: fill(address, stride); address += stride; length −= stride
 *     fill(address, length)
 */
export function fillFunction(controlIndex: number): AddedFunction {
  const [address, value, length] = [0, 1, 2] as const;
  const check = checkOf(controlIndex);
  const body = [
    [0x00], // no locals
    check,
    [BLOCK, 0x40],
    [...get(length), ...STRIDE, LE_U, BR_IF, 0],
    [...leavesMemory(address, length), BR_IF, 0],
    [Op.loop, 0x40],
    check,
    [...get(address), ...get(value), ...STRIDE, ...MEMORY_FILL],
    [...advance(address), ...shorten(length), ...isLong(length), BR_IF, 0],
    [Op.end, Op.end],
    [...get(address), ...get(value), ...get(length), ...MEMORY_FILL],
    [Op.end],
  ].flat();
  return { type: THREE_NUMBERS, body };
}

/**
 * `memory.copy` in strides. Where the ranges overlap, a copy towards lower addresses begins at the front and one towards higher
 * addresses at the back, so that nothing is overwritten before it was read.
 */
export function copyFunction(controlIndex: number): AddedFunction {
  const [to, from, length] = [0, 1, 2] as const;
  const check = checkOf(controlIndex);
  const again = [...isLong(length), BR_IF, 0];
  const behind = (address: number): number[] => [...get(address), ...get(length), ADD];
  const body = [
    [0x00], // no locals
    check,
    [BLOCK, 0x40],
    [...get(length), ...STRIDE, LE_U, BR_IF, 0],
    [...leavesMemory(to, length), BR_IF, 0],
    [...leavesMemory(from, length), BR_IF, 0],
    [...get(to), ...get(from), LE_U, IF, 0x40],
    [Op.loop, 0x40],
    check,
    [...get(to), ...get(from), ...STRIDE, ...MEMORY_COPY],
    [...advance(to), ...advance(from), ...shorten(length), ...again, Op.end],
    [ELSE],
    [Op.loop, 0x40],
    check,
    shorten(length),
    [...behind(to), ...behind(from), ...STRIDE, ...MEMORY_COPY],
    [...again, Op.end],
    [Op.end, Op.end],
    [...get(to), ...get(from), ...get(length), ...MEMORY_COPY],
    [Op.end],
  ].flat();
  return { type: THREE_NUMBERS, body };
}
