/** What follows an opcode in a function's body. */
export const Immediate = {
  /** Nothing. */
  none: 0,
  /** One number that is of no interest here. */
  number: 1,
  /** A memory access: alignment, perhaps a memory, offset. */
  memory: 2,
  /** A block's type. */
  block: 3,
  /** A function's index. */
  function: 4,
  /** A global's index. */
  global: 5,
  /** Four or eight bytes. */
  f32: 6,
  f64: 7,
  /** Anything that is rare enough to be looked at one by one. */
  special: 8,
  /** Nothing; the end of a block, or its other part. */
  end: 9,
} as const;

/** Opcodes with a meaning for the link step. */
export const Op = {
  loop: 0x03,
  else: 0x05,
  catch: 0x07,
  throw: 0x08,
  rethrow: 0x09,
  throwReference: 0x0a,
  end: 0x0b,
  branchTable: 0x0e,
  call: 0x10,
  callIndirect: 0x11,
  returnCall: 0x12,
  returnCallIndirect: 0x13,
  callReference: 0x14,
  returnCallReference: 0x15,
  delegate: 0x18,
  catchAll: 0x19,
  selectTyped: 0x1c,
  tryTable: 0x1f,
  globalGet: 0x23,
  globalSet: 0x24,
  tableSet: 0x26,
  memorySize: 0x3f,
  memoryGrow: 0x40,
  i32Const: 0x41,
  nullReference: 0xd0,
  referenceFunction: 0xd2,
  bulk: 0xfc,
  simd: 0xfd,
  atomic: 0xfe,
} as const;

/** Every opcode of one byte that the engine knows without a flag; the others stay `special` and are refused there. */
export const IMMEDIATES: Uint8Array = tableOfImmediates();

function tableOfImmediates(): Uint8Array {
  const table = new Uint8Array(256).fill(Immediate.special);
  const set = (immediate: number, opcodes: readonly number[]): void => {
    for (const opcode of opcodes) table[opcode] = immediate;
  };
  const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);
  // unreachable, nop, return, drop, select; comparisons, arithmetic, conversions;
  // ref.is_null, ref.eq, ref.as_non_null
  set(Immediate.none, [0x00, 0x01, 0x0f, 0x1a, 0x1b, ...range(0x45, 0xc4), 0xd1, 0xd3, 0xd4]);
  // br, br_if; local.*, table.get; i32.const, i64.const; br_on_null, br_on_non_null
  set(Immediate.number, [0x0c, 0x0d, 0x20, 0x21, 0x22, 0x25, 0x41, 0x42, 0xd5, 0xd6]);
  set(Immediate.end, [Op.else, Op.end, Op.catchAll]);
  set(Immediate.memory, range(0x28, 0x3e));
  // block, loop, if, try
  set(Immediate.block, [0x02, Op.loop, 0x04, 0x06]);
  set(Immediate.function, [Op.call, Op.returnCall, Op.referenceFunction]);
  set(Immediate.global, [Op.globalGet, Op.globalSet]);
  set(Immediate.f32, [0x43]);
  set(Immediate.f64, [0x44]);
  return table;
}
