import type { Additions, LogicalSize } from './additions.ts';
import { BodyScanner } from './body.ts';
import { Edit } from './edits.ts';
import type { ModuleView } from './module.ts';
import { Op } from './opcodes.ts';
import { malformed, ModuleReader } from './reader.ts';
import type { Payload } from './sections.ts';
import { encodeUnsigned, type ModuleWriter } from './writer.ts';

/** What the proof of the image needs to know of a module's code. */
export interface CodeFacts {
  readonly writesTables: boolean;
  readonly dropsSegments: boolean;
}

/** Writes the payload of the code section with its checks. */
export function writeCode(view: ModuleView, payload: Payload, additions: Additions, writer: ModuleWriter): CodeFacts {
  const { logicalSize } = additions;
  const reader = new ModuleReader(view.bytes, payload.start, payload.end);
  const scanner = new BodyScanner(reader, {
    functions: view.functionCount,
    globals: view.globals.length,
    memories: view.memory === undefined ? 0 : 1,
    logicalSize: logicalSize !== undefined,
  });
  const insertions = insertionsFor(additions);
  const count = reader.count();
  writer.u32(logicalSize === undefined ? count : count + 1);
  for (let i = 0; i < count; i++) {
    const size = reader.u32();
    const start = reader.at;
    if (size > payload.end - start) throw malformed('a function ends after its section', start);
    const codeStart = scanner.scan(start + size);
    writeBody(writer, scanner, insertions, { start, codeStart, end: start + size });
  }
  if (!reader.done) throw malformed('the code section is too long', reader.at);
  if (logicalSize !== undefined) writeGrowFunction(writer, logicalSize);
  return scanner;
}

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

function insertionsFor({ controlIndex, logicalSize }: Additions): Insertions {
  const insertions: Uint8Array[] = [];
  insertions[Edit.check] = Uint8Array.from(checkOf(controlIndex));
  if (logicalSize !== undefined) {
    const { globalIndex, functionIndex } = logicalSize;
    insertions[Edit.size] = Uint8Array.of(Op.globalGet, ...encodeUnsigned(globalIndex));
    insertions[Edit.grow] = Uint8Array.of(Op.call, ...encodeUnsigned(functionIndex));
  }
  return insertions;
}

const ALIGN_4_WITH_MEMORY = 0x42;

/**
 * Traps if bit 0 of the control memory's first word is set. The load is atomic: an ordinary one could be moved out of a loop.
 * No handler of the guest catches a trap.
 */
function checkOf(controlIndex: number): number[] {
  return [
    [0x41, 0x00], // i32.const 0
    [0xfe, 0x10, ALIGN_4_WITH_MEMORY, controlIndex, 0x00], // i32.atomic.load
    [0x41, 0x01, 0x71], // i32.const 1 i32.and
    [0x04, 0x40, 0x00, 0x0b], // if unreachable end
  ].flat();
}

/**
 * `memory.grow` of the logical size. What the engine's memory has beyond it is taken first (the host keeps it zeroed); only what
 * is missing is asked of the engine, which refuses what is beyond the maximum.
 *
 *     if delta > memory.size − logical:
 *       if memory.grow(delta − (memory.size − logical)) = −1: return −1
 *     old := logical; logical := logical + delta; return old
 */
function writeGrowFunction(writer: ModuleWriter, { globalIndex }: LogicalSize): void {
  const logical = [Op.globalGet, ...encodeUnsigned(globalIndex)];
  const delta = [0x20, 0x00];
  const spare = [0x3f, 0x00, ...logical, 0x6b]; // memory.size − logical
  const body = [
    [0x00], // no locals
    delta,
    spare,
    [0x4b, 0x04, 0x40], // i32.gt_u if
    delta,
    spare,
    [0x6b, 0x40, 0x00], // i32.sub memory.grow
    [0x41, 0x7f, 0x46], // i32.const −1 i32.eq
    [0x04, 0x40, 0x41, 0x7f, 0x0f, 0x0b], // if i32.const −1 return end
    [0x0b], // end
    logical,
    logical,
    delta,
    [0x6a, Op.globalSet, ...encodeUnsigned(globalIndex)], // i32.add global.set
    [0x0b], // end
  ].flat();
  writer.u32(body.length);
  writer.append(body);
}
