import type { BodyScanner } from './body.ts';
import { Edit } from './edits.ts';
import { instructionText, type ModuleReader, unsupported } from './reader.ts';

/** Instructions behind the prefix 0xfc. */
const LAST_SATURATING_CONVERSION = 7;
const Bulk = {
  memoryInit: 8,
  dataDrop: 9,
  memoryCopy: 10,
  memoryFill: 11,
  tableInit: 12,
  elementDrop: 13,
  tableCopy: 14,
  tableGrow: 15,
  tableSize: 16,
  tableFill: 17,
} as const;

/** How many operands each takes more than it leaves. */
const BULK_OPERANDS: Readonly<Record<number, number>> = {
  [Bulk.memoryInit]: 3,
  [Bulk.memoryCopy]: 3,
  [Bulk.memoryFill]: 3,
  [Bulk.tableInit]: 3,
  [Bulk.tableCopy]: 3,
  [Bulk.tableGrow]: 1,
  [Bulk.tableSize]: -1,
  [Bulk.tableFill]: 3,
};

/**
 * Bulk instructions run for long without a loop. Those that may run over the whole memory are replaced by functions that do it in
 * strides. The others are bounded by the size of the module and of its tables: they have a check in front of them.
 */
export function scanBulk(reader: ModuleReader, scanner: BodyScanner): void {
  const at = reader.at - 1;
  const opcode = reader.u32();
  if (opcode <= LAST_SATURATING_CONVERSION) return;
  scanner.takes(BULK_OPERANDS[opcode] ?? 0);
  switch (opcode) {
    case Bulk.memoryInit:
      reader.number();
      scanner.memoryIndex(reader.u32());
      break;
    case Bulk.memoryCopy:
      scanner.memoryIndex(reader.u32());
      scanner.memoryIndex(reader.u32());
      scanner.edits.add(Edit.copy, at, reader.at - at);
      return;
    case Bulk.memoryFill:
      scanner.memoryIndex(reader.u32());
      scanner.edits.add(Edit.fill, at, reader.at - at);
      return;
    case Bulk.dataDrop:
    case Bulk.elementDrop:
      scanner.dropsSegments = true;
      reader.number();
      return;
    case Bulk.tableSize:
      reader.number();
      return;
    default:
      scanTable(opcode, at, reader, scanner);
  }
  scanner.edits.add(Edit.check, at);
}

function scanTable(opcode: number, at: number, reader: ModuleReader, scanner: BodyScanner): void {
  switch (opcode) {
    case Bulk.tableInit:
    case Bulk.tableCopy:
      reader.number();
      reader.number();
      break;
    case Bulk.tableGrow:
    case Bulk.tableFill:
      reader.number();
      break;
    default:
      throw unsupported(instructionText(0xfc, opcode), at);
  }
  scanner.writesTables = true;
}

const LAST_RELAXED_SIMD = 0x113;

/** How many operands an instruction takes more than it leaves; where that is not told apart, as if it left as many as it takes. */
function simdOperands(opcode: number): number {
  if (opcode === 12) return -1;
  if (opcode === 11) return 2;
  const isBinary = opcode === 13 || opcode === 14 || (opcode >= 35 && opcode <= 76) || (opcode >= 78 && opcode <= 81);
  return isBinary ? 1 : 0;
}

/** Instructions behind the prefix 0xfd. */
export function scanSimd(reader: ModuleReader, scanner: BodyScanner): void {
  const at = reader.at - 1;
  const opcode = reader.u32();
  scanner.takes(simdOperands(opcode));
  if (opcode <= 11 || opcode === 92 || opcode === 93) scanner.memoryAccess();
  // v128.const and i8x16.shuffle
  else if (opcode === 12 || opcode === 13) reader.skip(16);
  // extract_lane and replace_lane
  else if (opcode >= 21 && opcode <= 34) reader.skip(1);
  // load_lane and store_lane
  else if (opcode >= 84 && opcode <= 91) {
    scanner.memoryAccess();
    reader.skip(1);
  } else if (opcode > LAST_RELAXED_SIMD) throw unsupported(instructionText(0xfd, opcode), at);
}

const FENCE = 3;
const FIRST_ATOMIC_ACCESS = 0x10;
const LAST_ATOMIC_ACCESS = 0x4e;

/** Instructions behind the prefix 0xfe. */
export function scanAtomic(reader: ModuleReader, scanner: BodyScanner): void {
  const at = reader.at - 1;
  const opcode = reader.u32();
  if (opcode === FENCE) reader.skip(1);
  else if (opcode < FENCE || (opcode >= FIRST_ATOMIC_ACCESS && opcode <= LAST_ATOMIC_ACCESS)) scanner.memoryAccess();
  else throw unsupported(instructionText(0xfe, opcode), at);
}
