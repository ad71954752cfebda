import { ModuleError, readSections, type Section } from '@portcullis/protocol';
import { EvaluationError } from '../errors.ts';
import { malformed, ModuleReader, unsupported } from './reader.ts';

export const SectionId = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  global: 6,
  export: 7,
  start: 8,
  element: 9,
  code: 10,
  data: 11,
  dataCount: 12,
  tag: 13,
} as const;

/** How sections stand in a module (core spec: modules; exception handling: tags lie between memories and globals). */
export const SECTION_ORDER: readonly number[] = [
  SectionId.type,
  SectionId.import,
  SectionId.function,
  SectionId.table,
  SectionId.memory,
  SectionId.tag,
  SectionId.global,
  SectionId.export,
  SectionId.start,
  SectionId.element,
  SectionId.dataCount,
  SectionId.code,
  SectionId.data,
];

export const PREAMBLE: readonly number[] = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

/** Functions' names, which backtraces show. Every other custom section is of no use to an engine. */
const NAME_SECTION = 'name';

/** Where the payload of a section stands. */
export interface Payload {
  readonly start: number;
  readonly end: number;
}

export interface Sections {
  /** By id, in their order; custom sections are not among them. */
  readonly payloads: ReadonlyMap<number, Payload>;
  readonly names: Payload | undefined;
}

/** Finds the sections of a core module. Each may be there once, in the one order there is. */
export function readModuleSections(bytes: Uint8Array): Sections {
  if (PREAMBLE.some((byte, index) => bytes[index] !== byte)) throw malformed('it is not a WebAssembly module', 0);
  const reader = new ModuleReader(bytes, PREAMBLE.length, bytes.length);
  const payloads = new Map<number, Payload>();
  let names: Payload | undefined;
  let place = -1;
  while (!reader.done) {
    const at = reader.at;
    const id = reader.byte();
    const length = reader.u32();
    const start = reader.skip(length);
    const payload = { start, end: reader.at };
    if (id === SectionId.custom) {
      if (new ModuleReader(bytes, payload.start, payload.end).name() === NAME_SECTION) names ??= payload;
      continue;
    }
    const next = SECTION_ORDER.indexOf(id);
    if (next === -1) throw unsupported(`a section of kind ${id}`, at);
    if (next <= place) throw malformed('a section is not where it belongs', at);
    place = next;
    payloads.set(id, payload);
  }
  return { payloads, names };
}

function sectionsOf(bytes: Uint8Array): Section[] {
  try {
    return readSections(bytes);
  } catch (error) {
    throw error instanceof ModuleError ? malformed(error.message, error.offset) : error;
  }
}

/**
 * What every instance makes anew outside of its memory, by section: 200,000 exports took 0.4 s and 66 MB each time. The largest
 * real modules have some hundred.
 */
const MOST_ENTRIES: ReadonlyMap<number, readonly [most: number, what: string]> = new Map([
  [SectionId.import, [10_000, 'imports']],
  [SectionId.table, [100, 'tables']],
  [SectionId.export, [10_000, 'exports']],
]);

/** @throws EvaluationError `module-invalid` */
export function checkEntries(bytes: Uint8Array): void {
  for (const { id, payloadStart, end } of sectionsOf(bytes)) {
    const [most, what] = MOST_ENTRIES.get(id) ?? [Infinity, ''];
    const entries = most === Infinity ? 0 : new ModuleReader(bytes, payloadStart, end).u32();
    if (entries > most) {
      throw new EvaluationError('module-invalid', `the module has ${entries} ${what}, at most ${most} are allowed`);
    }
  }
}
