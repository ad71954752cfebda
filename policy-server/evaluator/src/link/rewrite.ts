import type { Additions } from './additions.ts';
import { type CodeFacts, writeCode } from './code.ts';
import { encodeMemoryType } from './memory.ts';
import { ExternalKind, type ModuleView } from './module.ts';
import { CONTROL_IMPORT, LINK_MODULE, MEMORY_IMPORT } from './plan.ts';
import { ModuleReader } from './reader.ts';
import { PREAMBLE, SECTION_ORDER, type Payload, SectionId } from './sections.ts';
import { cappedTables } from './tables.ts';
import { encodeSigned, encodeUnsigned, ModuleWriter } from './writer.ts';

export interface RewrittenModule {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Absent = the module has no code. */
  readonly facts: CodeFacts | undefined;
}

/** Checks cost 2–5 % of a module. */
const EXPECTED_GROWTH = 1.08;
const ROOM_FOR_ADDITIONS = 65_536;

/** Writes the module with everything that is added to it. */
export function rewriteModule(view: ModuleView, additions: Additions): RewrittenModule {
  const writer = new ModuleWriter(Math.ceil(view.bytes.length * EXPECTED_GROWTH) + ROOM_FOR_ADDITIONS);
  writer.append(PREAMBLE);
  let facts: CodeFacts | undefined;
  const entries = addedEntries(view, additions);
  for (const id of SECTION_ORDER) {
    const payload = view.sections.payloads.get(id);
    const added = entries.get(id);
    if (id === SectionId.code) {
      if (payload !== undefined) {
        writer.section(id, () => {
          facts = writeCode(view, payload, additions, writer);
        });
      }
    } else if (id === SectionId.import) writeImports(writer, view, additions);
    else if (id === SectionId.table && payload !== undefined) {
      const tables = cappedTables(view.bytes, payload, view.tables);
      writeSection(writer, id, tables, { start: 0, end: tables.length });
    } else if (added !== undefined && added.length > 0) writeAppended(writer, { id, payload, view, added });
    else if (payload !== undefined && !isReplaced(id, additions)) writeSection(writer, id, view.bytes, payload);
  }
  if (view.sections.names !== undefined) writeSection(writer, SectionId.custom, view.bytes, view.sections.names);
  facts?.positions.write(writer, view.functionCount);
  return { bytes: writer.written(), facts };
}

/** The own memory became an import, the start function an export. */
function isReplaced(id: number, { importsMemory, takesStart }: Additions): boolean {
  return (id === SectionId.memory && importsMemory) || (id === SectionId.start && takesStart);
}

function writeSection(writer: ModuleWriter, id: number, bytes: Uint8Array, { start, end }: Payload): void {
  writer.byte(id);
  writer.u32(end - start);
  writer.copy(bytes, start, end);
}

/** What is appended to the lists of sections, by section. */
function addedEntries(view: ModuleView, additions: Additions): ReadonlyMap<number, readonly (readonly number[])[]> {
  const { logicalSize, functions, exports } = additions;
  return new Map([
    [SectionId.type, functions.list.map(({ type }) => type)],
    [SectionId.function, functions.list.map((_, index) => encodeUnsigned(view.typeCount + index))],
    // (mut i32)
    [
      SectionId.global,
      logicalSize === undefined ? [] : [[0x7f, 0x01, 0x41, ...encodeSigned(logicalSize.initialPages), 0x0b]],
    ],
    [SectionId.export, exports.map(({ name, kind, index }) => [...encodeName(name), kind, ...encodeUnsigned(index)])],
  ]);
}

interface AppendedSection {
  readonly id: number;
  readonly payload: Payload | undefined;
  readonly view: ModuleView;
  readonly added: readonly (readonly number[])[];
}

/** A section that is a list, with more entries at its end. */
function writeAppended(writer: ModuleWriter, { id, payload, view, added }: AppendedSection): void {
  writer.section(id, () => {
    if (payload === undefined) writer.u32(added.length);
    else {
      const reader = new ModuleReader(view.bytes, payload.start, payload.end, view.typeCount);
      writer.u32(reader.u32() + added.length);
      writer.copy(view.bytes, reader.at, payload.end);
    }
    for (const entry of added) writer.append(entry);
  });
}

function writeImports(writer: ModuleWriter, view: ModuleView, { memory, importsMemory }: Additions): void {
  const { bytes, sections, importCount } = view;
  const payload = sections.payloads.get(SectionId.import);
  writer.section(SectionId.import, () => {
    writer.u32(importCount + (importsMemory ? 2 : 1));
    if (payload !== undefined) {
      const reader = new ModuleReader(bytes, payload.start, payload.end);
      reader.u32();
      const limits = view.memory?.imported?.limits;
      if (limits === undefined || memory === undefined) writer.copy(bytes, reader.at, payload.end);
      else {
        writer.copy(bytes, reader.at, limits.start);
        writer.append(encodeMemoryType(memory));
        writer.copy(bytes, limits.end, payload.end);
      }
    }
    if (importsMemory && memory !== undefined) {
      writeMemoryImport(writer, MEMORY_IMPORT, encodeMemoryType(memory));
    }
    writeMemoryImport(writer, CONTROL_IMPORT, CONTROL_LIMITS);
  });
}

/** Shared, one page at least and at most. */
const CONTROL_LIMITS = encodeMemoryType({ shared: true, minimumPages: 1, maximumPages: 1 });

function writeMemoryImport(writer: ModuleWriter, name: string, type: readonly number[]): void {
  writer.name(LINK_MODULE);
  writer.name(name);
  writer.byte(ExternalKind.memory);
  writer.append(type);
}

function encodeName(name: string): number[] {
  const bytes = new TextEncoder().encode(name);
  return [...encodeUnsigned(bytes.length), ...bytes];
}
