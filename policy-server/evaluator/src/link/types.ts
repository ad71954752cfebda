import { instructionText, malformed, type ModuleReader, unsupported } from './reader.ts';

const FUNCTION = 0x60;
const STRUCT = 0x5f;
const ARRAY = 0x5e;
const SUBTYPE = 0x50;
const FINAL_SUBTYPE = 0x4f;
const RECURSION_GROUP = 0x4e;
/** i8 and i16, as fields. */
const PACKED_TYPES: readonly number[] = [0x78, 0x77];

/** The types of a module; groups of types that refer to each other count as one entry, but not as one type. */
export interface FunctionTypes {
  /** How many parameters each has; 0 if it is no function type. */
  readonly parameters: readonly number[];
  readonly results: readonly number[];
}

export const NO_TYPES: FunctionTypes = { parameters: [], results: [] };

export function readTypes(reader: ModuleReader): FunctionTypes {
  const types = { parameters: [], results: [] };
  for (let entries = reader.count(); entries > 0; entries--) {
    let members = 1;
    if (reader.bytes[reader.at] === RECURSION_GROUP) {
      reader.byte();
      members = reader.count();
    }
    for (; members > 0; members--) readSubtype(reader, types);
  }
  return types;
}

function readSubtype(reader: ModuleReader, types: { parameters: number[]; results: number[] }): void {
  let [parameters, results] = [0, 0];
  let form = reader.byte();
  if (form === SUBTYPE || form === FINAL_SUBTYPE) {
    for (let supertypes = reader.count(); supertypes > 0; supertypes--) reader.number();
    form = reader.byte();
  }
  switch (form) {
    case FUNCTION:
      parameters = skipValueTypes(reader);
      results = skipValueTypes(reader);
      break;
    case STRUCT:
      for (let fields = reader.count(); fields > 0; fields--) skipField(reader);
      break;
    case ARRAY:
      skipField(reader);
      break;
    default:
      throw unsupported(`a type of kind 0x${form.toString(16)}`, reader.at - 1);
  }
  types.parameters.push(parameters);
  types.results.push(results);
}

export function skipValueTypes(reader: ModuleReader): number {
  const count = reader.count();
  for (let types = count; types > 0; types--) reader.valueType();
  return count;
}

/** The labels of a `br_table`; the one it takes otherwise is not counted. */
export function skipLabels(reader: ModuleReader): void {
  for (let labels = reader.count(); labels >= 0; labels--) reader.number();
}

/** The handlers of a `try_table`. */
export function skipHandlers(reader: ModuleReader): void {
  for (let handlers = reader.count(); handlers > 0; handlers--) {
    // catch and catch_ref name a tag and a label, catch_all and catch_all_ref a label.
    if (reader.byte() < 2) reader.number();
    reader.number();
  }
}

function skipField(reader: ModuleReader): void {
  if (PACKED_TYPES.includes(reader.bytes[reader.at] ?? 0)) reader.byte();
  else reader.valueType();
  reader.byte();
}

const Constant = {
  end: 0x0b,
  globalGet: 0x23,
  i32: 0x41,
  i64: 0x42,
  f32: 0x43,
  f64: 0x44,
  nullReference: 0xd0,
  function: 0xd2,
  simd: 0xfd,
} as const;

/** i32 and i64 additions, subtractions and multiplications (extended constant expressions). */
const ARITHMETIC: readonly number[] = [0x6a, 0x6b, 0x6c, 0x7c, 0x7d, 0x7e];

/** Skips a constant expression. It may name functions of the module, never one that the link step appends. */
export function skipConstant(reader: ModuleReader, functionCount: number): void {
  for (;;) {
    const at = reader.at;
    const opcode = reader.byte();
    switch (opcode) {
      case Constant.end:
        return;
      case Constant.globalGet:
      case Constant.i32:
      case Constant.i64:
        reader.number();
        break;
      case Constant.nullReference:
        reader.heapType();
        break;
      case Constant.f32:
        reader.skip(4);
        break;
      case Constant.f64:
        reader.skip(8);
        break;
      case Constant.function:
        functionIndex(reader, functionCount);
        break;
      case Constant.simd:
        // v128.const is the only constant there.
        if (reader.u32() !== 12) throw unsupported(instructionText(opcode), at);
        reader.skip(16);
        break;
      default:
        if (!ARITHMETIC.includes(opcode)) throw unsupported(instructionText(opcode), at);
    }
  }
}

export function functionIndex(reader: ModuleReader, functionCount: number): number {
  const index = reader.u32();
  if (index >= functionCount) throw malformed(`it has no function ${index}`, reader.at);
  return index;
}
