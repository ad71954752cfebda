import { ModuleError } from '../errors.ts';
import type { BinaryReader } from './binary.ts';
import { DATA_SECTION, moduleKind, openSection } from './sections.ts';

/** The contents of a core module's data segments, as views; empty for components. */
export function dataSegments(bytes: Uint8Array): Uint8Array[] {
  const reader = moduleKind(bytes) === 'module' ? openSection(bytes, DATA_SECTION) : undefined;
  if (reader === undefined) return [];
  const count = reader.u32();
  const segments: Uint8Array[] = [];
  for (let index = 0; index < count; index++) {
    const flags = reader.u32();
    if (flags > 2) throw new ModuleError(`unknown kind of data segment – expected 0 to 2, got ${flags}`, reader.offset);
    if (flags === 2) reader.u32();
    if (flags !== 1) skipConstantExpression(reader);
    segments.push(reader.take(reader.u32()));
  }
  return segments;
}

const END = 0x0b;
/** Core specification 5.4: bytes that follow the opcodes allowed in constant expressions. */
const IMMEDIATES: ReadonlyMap<number, (reader: BinaryReader) => unknown> = new Map([
  [0x23, (reader: BinaryReader) => reader.u32()],
  [0x41, (reader: BinaryReader) => reader.skipLeb(5)],
  [0x42, (reader: BinaryReader) => reader.skipLeb(10)],
  [0x43, (reader: BinaryReader) => reader.take(4)],
  [0x44, (reader: BinaryReader) => reader.take(8)],
  [0x6a, () => undefined],
  [0x6b, () => undefined],
  [0x6c, () => undefined],
  [0x7c, () => undefined],
  [0x7d, () => undefined],
  [0x7e, () => undefined],
  [0xd0, (reader: BinaryReader) => reader.skipLeb(5)],
  [0xd2, (reader: BinaryReader) => reader.u32()],
]);

function skipConstantExpression(reader: BinaryReader): void {
  for (let opcode = reader.byte(); opcode !== END; opcode = reader.byte()) {
    const skipImmediate = IMMEDIATES.get(opcode);
    if (skipImmediate === undefined) {
      throw new ModuleError(`opcode 0x${opcode.toString(16)} in the offset of a data segment`, reader.offset - 1);
    }
    skipImmediate(reader);
  }
}
