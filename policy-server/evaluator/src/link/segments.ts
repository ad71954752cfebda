import { malformed, ModuleReader } from './reader.ts';
import type { ModuleView } from './module.ts';
import { type Payload, SectionId } from './sections.ts';
import { functionIndex, skipConstant } from './types.ts';

/** Flags of an element segment. */
const PASSIVE_OR_DECLARED = 1;
const NAMES_TABLE = 2;
const HOLDS_EXPRESSIONS = 4;

/** Flags of a data segment. */
const PASSIVE = 1;
const NAMES_MEMORY = 2;

/**
 * Segments must not reach what the link step appends: a data segment for the memory behind the module's own would write into the
 * host's control memory.
 */
export function checkSegments(view: ModuleView): void {
  const open = (id: number, check: (reader: ModuleReader, view: ModuleView) => void): void => {
    const payload: Payload | undefined = view.sections.payloads.get(id);
    if (payload === undefined) return;
    const reader = new ModuleReader(view.bytes, payload.start, payload.end, view.typeCount);
    for (let segments = reader.count(); segments > 0; segments--) check(reader, view);
    if (!reader.done) throw malformed('a section is longer than what it holds', reader.at);
  };
  open(SectionId.element, checkElements);
  open(SectionId.data, checkData);
}

function checkElements(reader: ModuleReader, { functionCount }: ModuleView): void {
  const flags = reader.u32();
  const active = (flags & PASSIVE_OR_DECLARED) === 0;
  if (flags > 7) throw malformed('an element segment has unknown flags', reader.at);
  if (active) {
    if ((flags & NAMES_TABLE) !== 0) reader.u32();
    skipConstant(reader, functionCount);
  }
  const expressions = (flags & HOLDS_EXPRESSIONS) !== 0;
  // Segments 0 and 4 are of functions and do not say so.
  if ((flags & (PASSIVE_OR_DECLARED | NAMES_TABLE)) !== 0) {
    if (expressions) reader.valueType();
    else reader.byte();
  }
  for (let elements = reader.count(); elements > 0; elements--) {
    if (expressions) skipConstant(reader, functionCount);
    else functionIndex(reader, functionCount);
  }
}

function checkData(reader: ModuleReader, { functionCount, memory }: ModuleView): void {
  const flags = reader.u32();
  if (flags > NAMES_MEMORY) throw malformed('a data segment has unknown flags', reader.at);
  if (flags !== PASSIVE) {
    const index = flags === NAMES_MEMORY ? reader.u32() : 0;
    if (index > 0 || memory === undefined) throw malformed(`it has no memory ${index}`, reader.at);
    skipConstant(reader, functionCount);
  }
  reader.skip(reader.u32());
}
