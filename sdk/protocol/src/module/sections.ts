import { ModuleError } from '../errors.ts';
import { encodeUtf8 } from '../utf8.ts';
import { BinaryReader, concatBytes, encodeU32 } from './binary.ts';

/** One section of a module: `bytes[start, end)` holds its id, size and payload. */
export interface Section {
  readonly id: number;
  readonly start: number;
  readonly payloadStart: number;
  readonly end: number;
}

const CUSTOM_SECTION = 0;
export const IMPORT_SECTION = 2;
export const EXPORT_SECTION = 7;
export const DATA_SECTION = 11;

const PREAMBLE_LENGTH = 8;

/**
 * Tells a core module from a component by the preamble.
 *
 * @throws {@link ModuleError} when it is neither.
 */
export function moduleKind(bytes: Uint8Array): 'module' | 'component' {
  const magic = [0x00, 0x61, 0x73, 0x6d];
  if (bytes.length < PREAMBLE_LENGTH || magic.some((byte, index) => bytes[index] !== byte)) {
    throw new ModuleError('not a WebAssembly binary – expected it to begin with "\\0asm"', 0);
  }
  const version = [...bytes.subarray(4, PREAMBLE_LENGTH)].join('.');
  if (version === '1.0.0.0') return 'module';
  if (version === '13.0.1.0') return 'component';
  throw new ModuleError(`unknown WebAssembly version – expected a core module or a component, got ${version}`, 4);
}

/**
 * The sections of a module or component in their order. Payloads are not looked into.
 *
 * @throws {@link ModuleError}
 */
export function readSections(bytes: Uint8Array): Section[] {
  moduleKind(bytes);
  const reader = new BinaryReader(bytes, PREAMBLE_LENGTH);
  const sections: Section[] = [];
  while (!reader.atEnd) {
    const start = reader.offset;
    const id = reader.byte();
    const length = reader.u32();
    const payloadStart = reader.offset;
    reader.take(length);
    sections.push({ id, start, payloadStart, end: reader.offset });
  }
  return sections;
}

/** A reader over the payload of a core module's section; `undefined` when there is none. */
export function openSection(bytes: Uint8Array, id: number): BinaryReader | undefined {
  const section = readSections(bytes).find((candidate) => candidate.id === id);
  return section && new BinaryReader(bytes, section.payloadStart, section.end);
}

/** The content of the first custom section of that name. */
export function readCustomSection(bytes: Uint8Array, name: string): Uint8Array | undefined {
  for (const section of readSections(bytes)) {
    const content = customContent(bytes, section, name);
    if (content !== undefined) return content.bytes;
  }
  return undefined;
}

/** Where the first custom section of that name starts, or 0. */
export function customSectionOffset(bytes: Uint8Array, name: string): number {
  return readSections(bytes).find((section) => customContent(bytes, section, name) !== undefined)?.start ?? 0;
}

/**
 * A copy of the module with exactly one custom section of that name, at the end. Readers take the first they find, so
 * the old ones must go.
 */
export function replaceCustomSection(bytes: Uint8Array, name: string, content: Uint8Array): Uint8Array {
  const kept = readSections(bytes).filter((section) => customContent(bytes, section, name) === undefined);
  const encodedName = encodeUtf8(name);
  const payload = [encodeU32(encodedName.length), encodedName, content];
  return concatBytes([
    bytes.subarray(0, PREAMBLE_LENGTH),
    ...kept.map((section) => bytes.subarray(section.start, section.end)),
    ...encodeSection(CUSTOM_SECTION, payload),
  ]);
}

/** Id, size and payload of a section. */
export function encodeSection(id: number, payload: readonly Uint8Array[]): Uint8Array[] {
  const length = payload.reduce((sum, part) => sum + part.length, 0);
  return [Uint8Array.of(id), encodeU32(length), ...payload];
}

function customContent(bytes: Uint8Array, section: Section, name: string): { bytes: Uint8Array } | undefined {
  if (section.id !== CUSTOM_SECTION) return undefined;
  const reader = new BinaryReader(bytes, section.payloadStart, section.end);
  if (reader.name() !== name) return undefined;
  return { bytes: bytes.subarray(reader.offset, section.end) };
}
