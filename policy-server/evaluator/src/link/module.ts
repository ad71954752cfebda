import { EvaluationError } from '../errors.ts';
import { type MemoryType, readMemorySection, readMemoryType } from './memory.ts';
import { LINK_MODULE } from './plan.ts';
import { ModuleReader, unsupported } from './reader.ts';
import { readModuleSections, type Payload, SectionId, type Sections } from './sections.ts';
import { readTableLimits, readTables, type TableLimits } from './tables.ts';
import { functionIndex, type FunctionTypes, NO_TYPES, readTypes, skipConstant } from './types.ts';

/** What an import or an export is of (core spec: external kinds). */
export const ExternalKind = { function: 0, table: 1, memory: 2, global: 3, tag: 4 } as const;

export interface ImportName {
  readonly module: string;
  readonly name: string;
}

export interface ModuleMemory extends MemoryType {
  /** Absent = the module's own. */
  readonly imported?: ImportName & { readonly limits: Payload };
}

export interface ModuleGlobal {
  /** First byte of its value type. */
  readonly type: number;
  readonly mutable: boolean;
  readonly imported: boolean;
}

export interface ModuleExport {
  readonly name: string;
  readonly kind: number;
  readonly index: number;
}

/** What a module says about itself before its code. */
export interface ModuleView {
  readonly bytes: Uint8Array;
  readonly sections: Sections;
  readonly typeCount: number;
  readonly types: FunctionTypes;
  /** The type of each function. */
  readonly functionTypes: readonly number[];
  /** Function imports; the place is the function's index. */
  readonly functionImports: readonly ImportName[];
  /** Imported and own. */
  readonly functionCount: number;
  readonly importCount: number;
  readonly importsTable: boolean;
  /** Those it defines. */
  readonly tables: readonly TableLimits[];
  readonly memory: ModuleMemory | undefined;
  readonly globals: readonly ModuleGlobal[];
  readonly exports: readonly ModuleExport[];
  readonly startFunction: number | undefined;
}

interface Imports {
  readonly functions: ImportName[];
  readonly functionTypes: number[];
  readonly globals: ModuleGlobal[];
  readonly memories: ModuleMemory[];
  count: number;
  hasTable: boolean;
}

/**
 * Reads everything but code, elements and data.
 *
 * @throws EvaluationError `module-invalid` for what is malformed, not supported, or uses names that are the host's
 */
export function viewModule(bytes: Uint8Array): ModuleView {
  const sections = readModuleSections(bytes);
  let typeCount = Infinity;
  const open = <T>(id: number, absent: T, read: (reader: ModuleReader) => T): T => {
    const payload = sections.payloads.get(id);
    return payload === undefined ? absent : read(new ModuleReader(bytes, payload.start, payload.end, typeCount));
  };
  const types = open(SectionId.type, NO_TYPES, readTypes);
  typeCount = types.parameters.length;
  const imports = open(SectionId.import, noImports(), readImports);
  const functionTypes = [...imports.functionTypes];
  open(SectionId.function, undefined, (reader) => readFunctionTypes(reader, functionTypes));
  const functionCount = functionTypes.length;
  const tables = open<TableLimits[]>(SectionId.table, [], (reader) => readTables(reader, functionCount));
  open(SectionId.tag, undefined, skipTags);
  const own = open<ModuleGlobal[]>(SectionId.global, [], (reader) => readGlobals(reader, functionCount));
  return {
    bytes,
    sections,
    typeCount,
    types,
    functionTypes,
    functionImports: imports.functions,
    functionCount,
    importCount: imports.count,
    importsTable: imports.hasTable,
    tables,
    memory: onlyMemory(imports.memories, open(SectionId.memory, undefined, readMemorySection)),
    globals: [...imports.globals, ...own],
    exports: open<ModuleExport[]>(SectionId.export, [], readExports),
    startFunction: open<number | undefined>(SectionId.start, undefined, (reader) =>
      functionIndex(reader, functionCount),
    ),
  };
}

function onlyMemory(imported: readonly ModuleMemory[], own: MemoryType | undefined): ModuleMemory | undefined {
  const count = imported.length + (own === undefined ? 0 : 1);
  if (count > 1) throw new EvaluationError('module-invalid', `the module has ${count} memories, expected one`);
  return imported[0] ?? own;
}

function readFunctionTypes(reader: ModuleReader, types: number[]): undefined {
  for (let count = reader.count(); count > 0; count--) types.push(reader.typeIndex());
}

function skipTags(reader: ModuleReader): undefined {
  for (let count = reader.count(); count > 0; count--) skipTag(reader);
}

function skipTag(reader: ModuleReader): void {
  reader.byte();
  reader.typeIndex();
}

function noImports(): Imports {
  return { functions: [], functionTypes: [], globals: [], memories: [], count: 0, hasTable: false };
}

function readImports(reader: ModuleReader): Imports {
  const imports = noImports();
  imports.count = reader.count();
  for (let i = 0; i < imports.count; i++) {
    const module = reader.name();
    const name = reader.name();
    if (module === LINK_MODULE) {
      throw new EvaluationError('module-invalid', `the module imports from "${LINK_MODULE}", which is the host's own`);
    }
    readImport(reader, imports, { module, name });
  }
  return imports;
}

function readImport(reader: ModuleReader, imports: Imports, importedAs: ImportName): void {
  const at = reader.at;
  const kind = reader.byte();
  switch (kind) {
    case ExternalKind.function:
      imports.functionTypes.push(reader.typeIndex());
      imports.functions.push(importedAs);
      break;
    case ExternalKind.table:
      imports.hasTable = true;
      reader.valueType();
      readTableLimits(reader);
      break;
    case ExternalKind.memory:
      imports.memories.push(readMemoryImport(reader, importedAs));
      break;
    case ExternalKind.global:
      imports.globals.push({ ...readGlobalType(reader), imported: true });
      break;
    case ExternalKind.tag:
      skipTag(reader);
      break;
    default:
      throw unsupported(`an import of kind ${kind}`, at);
  }
}

function readMemoryImport(reader: ModuleReader, importedAs: ImportName): ModuleMemory {
  const start = reader.at;
  const type = readMemoryType(reader);
  return { ...type, imported: { ...importedAs, limits: { start, end: reader.at } } };
}

function readGlobals(reader: ModuleReader, functionCount: number): ModuleGlobal[] {
  const globals: ModuleGlobal[] = [];
  for (let count = reader.count(); count > 0; count--) {
    globals.push({ ...readGlobalType(reader), imported: false });
    skipConstant(reader, functionCount);
  }
  return globals;
}

function readGlobalType(reader: ModuleReader): Pick<ModuleGlobal, 'type' | 'mutable'> {
  const type = reader.valueType();
  return { type, mutable: reader.byte() !== 0 };
}

function readExports(reader: ModuleReader): ModuleExport[] {
  const exports: ModuleExport[] = [];
  for (let count = reader.count(); count > 0; count--) {
    const name = reader.name();
    const kind = reader.byte();
    exports.push({ name, kind, index: reader.u32() });
  }
  return exports;
}
