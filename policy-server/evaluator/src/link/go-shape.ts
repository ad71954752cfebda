/**
 * The three functions by which a Go program is recognised, as Go's compiler and linker write them for wasip1, from Go 1.21, the first
 * that knew it, to 1.26. They are told in bytes: nothing but these instructions in this order, each number in its shortest form.
 */

/** A number that differs between modules; every place of one name must hold the same. */
interface Hole {
  readonly name: string;
  readonly signed: boolean;
}

/** A function's body, from its locals to its end. */
export type Shape = readonly (number | Hole)[];

const hole = (name: string): Hole => ({ name, signed: false });
const signedHole = (name: string): Hole => ({ name, signed: true });

const UNREACHABLE = 0x00;
const IF = 0x04;
const LOOP = 0x03;
const END = 0x0b;
const BR_IF = 0x0d;
const RETURN = 0x0f;
const CALL = 0x10;
const CALL_INDIRECT = 0x11;
const DROP = 0x1a;
const LOCAL_GET = 0x20;
const LOCAL_SET = 0x21;
const LOCAL_TEE = 0x22;
const GLOBAL_GET = 0x23;
const GLOBAL_SET = 0x24;
const I32_LOAD = 0x28;
const I64_LOAD = 0x29;
const I32_LOAD16_U = 0x2f;
const I32_STORE = 0x36;
const I64_STORE32 = 0x3e;
const I32_CONST = 0x41;
const I64_CONST = 0x42;
const I32_EQZ = 0x45;
const I32_ADD = 0x6a;
const I32_SUB = 0x6b;
const I32_WRAP_I64 = 0xa7;
const I64_EXTEND_I32_U = 0xad;
const NO_RESULT = 0x40;
const I32 = 0x7f;
const I64 = 0x7e;

/** Go emits it after every function that ends with a return. */
const EPILOGUE = [RETURN, UNREACHABLE, END];

const STACK_POINTER = hole('stackPointer');
const PAUSE = hole('pause');

/** `_rt0_wasm_wasip1`: sets the stack pointer, prepares the runtime, then runs goroutines until the program pauses or exits. */
export const START: Shape = [
  [0, I64_CONST, signedHole('stack'), I32_WRAP_I64, GLOBAL_SET, STACK_POINTER],
  [I32_CONST, 0, CALL, hole('initialise'), DROP],
  [CALL, hole('loop'), ...EPILOGUE],
].flat();

/** `wasm_pc_f_loop`: while not paused, calls the function whose number and entry block lie below the stack pointer. */
function loop(loadFunctionNumber: readonly number[]): Shape {
  const belowStackPointer = [GLOBAL_GET, STACK_POINTER, I32_CONST, 8, I32_SUB];
  return [
    [0, GLOBAL_GET, PAUSE, I32_EQZ, IF, NO_RESULT, LOOP, NO_RESULT],
    [...belowStackPointer, I32_LOAD16_U, 1, 0],
    [...belowStackPointer, ...loadFunctionNumber],
    [CALL_INDIRECT, hole('goFunction'), 0, DROP],
    [GLOBAL_GET, PAUSE, I32_EQZ, BR_IF, 0, END, END],
    [I32_CONST, 0, GLOBAL_SET, PAUSE, ...EPILOGUE],
  ].flat();
}

/** The number of a function has 16 bits at first and 32 in Go 1.26. */
export const LOOPS: readonly Shape[] = [loop([I32_LOAD16_U, 1, 2]), loop([I32_LOAD, 2, 2])];

/** Loads a 32-bit parameter, or a pointer, which Go before 1.24 keeps in 64 bits. */
const load = (offset: number): number[] => [LOCAL_GET, 1, I32_LOAD, 2, offset];
const loadPointer = (offset: number): number[] => [LOCAL_GET, 1, I64_LOAD, 3, offset, I32_WRAP_I64];

const TAKE_STACK_POINTER = [GLOBAL_GET, STACK_POINTER, LOCAL_SET, 1];
const CALL_READ = [CALL, hole('fdRead'), ...TAKE_STACK_POINTER];
const POP_AND_RETURN_NORMALLY = [
  [LOCAL_GET, 1, I32_CONST, 8, I32_ADD, LOCAL_TEE, 1, GLOBAL_SET, STACK_POINTER],
  [I32_CONST, 0, ...EPILOGUE],
].flat();

/**
 * `syscall.fd_read`: has no frame of its own, takes the parameters from the caller's, calls the import, stores its result there,
 * pops the return address. Whatever it does it does again when it is called again with the same stack pointer.
 */
export const READS: readonly Shape[] = [
  [
    [1, 1, I32, ...TAKE_STACK_POINTER, LOCAL_GET, 1],
    [...load(8), ...loadPointer(16), ...load(24), ...loadPointer(32), ...CALL_READ],
    [I32_STORE, 2, 40, ...POP_AND_RETURN_NORMALLY],
  ].flat(),
  [
    [2, 1, I32, 1, I64, ...TAKE_STACK_POINTER],
    [...load(8), ...load(16), ...load(24), ...load(32), ...CALL_READ],
    [I64_EXTEND_I32_U, LOCAL_SET, 2, LOCAL_GET, 1, LOCAL_GET, 2, I64_STORE32, 2, 40, ...POP_AND_RETURN_NORMALLY],
  ].flat(),
];

/** No function of these shapes is longer: what is need not be looked at. */
export const LONGEST_SHAPE_BYTES = 96;

/** The numbers in a body's holes, or `undefined` when it has another shape. */
export function matchShape(body: Uint8Array, shape: Shape): Readonly<Record<string, number>> | undefined {
  const numbers: Record<string, number> = {};
  let at = 0;
  for (const expected of shape) {
    const end = typeof expected === 'number' ? at + 1 : endOfNumber(body, at);
    if (typeof expected === 'number' ? body[at] !== expected : !fill(numbers, expected, body.subarray(at, end)))
      return undefined;
    at = end;
  }
  return at === body.length ? numbers : undefined;
}

/** A name that has another number already is not filled. */
function fill(numbers: Record<string, number>, { name, signed }: Hole, leb: Uint8Array): boolean {
  if (leb.length === 0 || leb.length > MAX_LEB_BYTES) return false;
  if (signed) return true;
  const number = leb.reduceRight((value, byte) => value * 0x80 + (byte & 0x7f), 0);
  numbers[name] ??= number;
  return numbers[name] === number;
}

const MAX_LEB_BYTES = 5;

/** Behind the LEB128 number that starts here; where it starts, if it does not end. */
function endOfNumber(body: Uint8Array, start: number): number {
  const last = body.subarray(start).findIndex((byte) => byte < 0x80);
  return start + last + 1;
}
