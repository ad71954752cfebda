import type { Additions } from './additions.ts';
import { BodyScanner } from './body.ts';
import { Edit } from './edits.ts';
import { checkOf } from './functions.ts';
import type { ModuleView } from './module.ts';
import { Op } from './opcodes.ts';
import { malformed, ModuleReader } from './reader.ts';
import type { Payload } from './sections.ts';
import { UnsupportedFeature } from './unsupported.ts';
import { encodeUnsigned, type ModuleWriter } from './writer.ts';

/** What the proof of the image needs to know of a module's code. */
export interface CodeFacts {
  readonly writesTables: boolean;
  readonly dropsSegments: boolean;
}

/** Writes the payload of the code section with its checks. */
export function writeCode(view: ModuleView, payload: Payload, additions: Additions, writer: ModuleWriter): CodeFacts {
  const { logicalSize, functions } = additions;
  const reader = new ModuleReader(view.bytes, payload.start, payload.end, view.typeCount);
  const scanner = new BodyScanner(reader, {
    functions: view.functionCount,
    globals: view.globals.length,
    memories: view.memory === undefined ? 0 : 1,
    logicalSize: logicalSize !== undefined,
  });
  const insertions = insertionsFor(additions);
  const count = reader.count();
  writer.u32(count + functions.list.length);
  for (let i = 0; i < count; i++) {
    const size = reader.u32();
    const start = reader.at;
    if (size > payload.end - start) throw malformed('a function ends after its section', start);
    const codeStart = scanner.scan(start + size);
    writeBody(writer, scanner, insertions, { start, codeStart, end: start + size });
  }
  if (!reader.done) throw malformed('the code section is too long', reader.at);
  for (const { body } of functions.list) {
    writer.u32(body.length);
    writer.append(body);
  }
  return scanner;
}

/** The engine takes no larger ones (JavaScript API of WebAssembly: implementation-defined limits). */
const LARGEST_BODY_BYTES = 7_654_321;

/** What takes the place of an edit, by its kind. */
type Insertions = readonly Uint8Array[];

interface Body extends Payload {
  /** Behind the declarations of locals. */
  readonly codeStart: number;
}

function writeBody(writer: ModuleWriter, scanner: BodyScanner, insertions: Insertions, body: Body): void {
  const { bytes } = scanner.reader;
  const { positions, lengths, kinds, length } = scanner.edits;
  const check = insertions[Edit.check] as Uint8Array;
  const checksEntry = !scanner.isShortLeaf(body.codeStart, body.end);
  let size = body.end - body.start + (checksEntry ? check.length : 0);
  for (let i = 0; i < length; i++) {
    size += (insertions[kinds[i] as number] as Uint8Array).length - (lengths[i] as number);
  }
  if (size > LARGEST_BODY_BYTES) {
    throw new UnsupportedFeature(`it has a function of ${body.end - body.start} bytes, too large for checks`);
  }
  writer.u32(size);
  let from = body.start;
  if (checksEntry) {
    writer.copy(bytes, from, body.codeStart);
    writer.copy(check, 0, check.length);
    from = body.codeStart;
  }
  for (let i = 0; i < length; i++) {
    const insertion = insertions[kinds[i] as number] as Uint8Array;
    const position = positions[i] as number;
    writer.copy(bytes, from, position);
    writer.copy(insertion, 0, insertion.length);
    from = position + (lengths[i] as number);
  }
  writer.copy(bytes, from, body.end);
}

function insertionsFor({ controlIndex, logicalSize, functions }: Additions): Insertions {
  const insertions: Uint8Array[] = [];
  insertions[Edit.check] = Uint8Array.from(checkOf(controlIndex));
  if (logicalSize !== undefined) {
    insertions[Edit.size] = Uint8Array.of(Op.globalGet, ...encodeUnsigned(logicalSize.globalIndex));
  }
  for (const [kind, index] of functions.indices) insertions[kind] = Uint8Array.of(Op.call, ...encodeUnsigned(index));
  return insertions;
}
