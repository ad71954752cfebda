import { ModuleError } from '../errors.ts';
import { encodeUtf8 } from '../utf8.ts';
import { concatBytes, encodeU32, type BinaryReader } from './binary.ts';
import { encodeSection, EXPORT_SECTION, IMPORT_SECTION, moduleKind, openSection, readSections } from './sections.ts';

export interface ImportName {
  module: string;
  name: string;
}

interface Import extends ImportName {
  readonly start: number;
  /** Where the names end and the type begins. */
  readonly typeStart: number;
  readonly end: number;
}

/** Names of everything a core module exports; empty for components, whose exports are of another kind. */
export function exportNames(bytes: Uint8Array): string[] {
  const reader = moduleKind(bytes) === 'module' ? openSection(bytes, EXPORT_SECTION) : undefined;
  if (reader === undefined) return [];
  const count = reader.u32();
  const names: string[] = [];
  for (let index = 0; index < count; index++) {
    names.push(reader.name());
    reader.byte();
    reader.u32();
  }
  return names;
}

/** Everything a core module imports, in order; empty for components. */
export function importNames(bytes: Uint8Array): ImportName[] {
  return readImports(bytes).map(({ module, name }) => ({ module, name }));
}

/** Whether a module was compiled from Rego: it then exports functions such as `opa_eval_ctx_new`. */
export function isRegoModule(bytes: Uint8Array): boolean {
  return exportNames(bytes).some((name) => name.startsWith('opa_'));
}

/** A copy of a core module in which the imports called `from` are called `to`; the same bytes when there are none. */
export function renameImport(bytes: Uint8Array, from: ImportName, to: ImportName): Uint8Array {
  const imports = readImports(bytes);
  const isRenamed = (entry: ImportName): boolean => entry.module === from.module && entry.name === from.name;
  if (!imports.some(isRenamed)) return bytes;
  const entries = imports.map((entry) =>
    isRenamed(entry)
      ? concatBytes([encodeName(to.module), encodeName(to.name), bytes.subarray(entry.typeStart, entry.end)])
      : bytes.subarray(entry.start, entry.end),
  );
  const [section] = readSections(bytes).filter(({ id }) => id === IMPORT_SECTION);
  if (section === undefined) return bytes;
  return concatBytes([
    bytes.subarray(0, section.start),
    ...encodeSection(IMPORT_SECTION, [encodeU32(entries.length), ...entries]),
    bytes.subarray(section.end),
  ]);
}

function encodeName(name: string): Uint8Array {
  const encoded = encodeUtf8(name);
  return concatBytes([encodeU32(encoded.length), encoded]);
}

function readImports(bytes: Uint8Array): Import[] {
  const reader = moduleKind(bytes) === 'module' ? openSection(bytes, IMPORT_SECTION) : undefined;
  if (reader === undefined) return [];
  const count = reader.u32();
  const imports: Import[] = [];
  for (let index = 0; index < count; index++) {
    const start = reader.offset;
    const module = reader.name();
    const name = reader.name();
    const typeStart = reader.offset;
    skipExternType(reader);
    imports.push({ module, name, start, typeStart, end: reader.offset });
  }
  return imports;
}

/** Core specification 5.5.5, with reference types, 64-bit memories, custom page sizes and tags. */
function skipExternType(reader: BinaryReader): void {
  const kind = reader.byte();
  switch (kind) {
    case 0x00:
      reader.u32();
      return;
    case 0x01:
      skipValueType(reader);
      skipLimits(reader);
      return;
    case 0x02:
      skipLimits(reader);
      return;
    case 0x03:
      skipValueType(reader);
      reader.byte();
      return;
    case 0x04:
      reader.byte();
      reader.u32();
      return;
    default:
      throw new ModuleError(`unknown kind of import – expected 0 to 4, got ${kind}`, reader.offset - 1);
  }
}

function skipValueType(reader: BinaryReader): void {
  const type = reader.byte();
  if (type === 0x63 || type === 0x64) reader.skipLeb(5);
}

function skipLimits(reader: BinaryReader): void {
  const flags = reader.byte();
  reader.skipLeb(10);
  if ((flags & 0x01) !== 0) reader.skipLeb(10);
  if ((flags & 0x08) !== 0) reader.u32();
}
