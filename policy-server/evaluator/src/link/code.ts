import { EvaluationError } from '../errors.ts';
import type { Additions } from './additions.ts';
import { BodyScanner } from './body.ts';
import { Edit } from './edits.ts';
import { checkOf } from './functions.ts';
import type { ModuleView } from './module.ts';
import { Op } from './opcodes.ts';
import { PositionNotes } from './positions.ts';
import { malformed, ModuleReader } from './reader.ts';
import type { Payload } from './sections.ts';
import { encodeUnsigned, type ModuleWriter } from './writer.ts';

/** What is known about a module's code once it is written. */
export interface CodeFacts {
  readonly writesTables: boolean;
  readonly dropsSegments: boolean;
  readonly positions: PositionNotes;
}

/** Writes the payload of the code section with its checks. */
export function writeCode(view: ModuleView, payload: Payload, additions: Additions, writer: ModuleWriter): CodeFacts {
  const { logicalSize, functions } = additions;
  const reader = new ModuleReader(view.bytes, payload.start, payload.end, view.typeCount);
  const scanner = new BodyScanner(reader, {
    functions: view.functionCount,
    globals: view.globals.length,
    memories: view.memory === undefined ? 0 : 1,
    types: view.types,
    functionTypes: view.functionTypes,
    logicalSize: logicalSize !== undefined,
  });
  const bodies = new BodyWriter(writer, scanner, insertionsFor(additions));
  const count = reader.count();
  writer.u32(count + functions.list.length);
  for (let i = 0; i < count; i++) {
    const size = reader.u32();
    const start = reader.at;
    if (size > payload.end - start) throw malformed('a function ends after its section', start);
    const codeStart = scanner.scan(start + size, view.functionImports.length + i);
    bodies.write({ start, codeStart, end: start + size });
  }
  if (!reader.done) throw malformed('the code section is too long', reader.at);
  for (const { body } of functions.list) {
    writer.u32(body.length);
    writer.append(body);
  }
  const { writesTables, dropsSegments } = scanner;
  return { writesTables, dropsSegments, positions: bodies.positions };
}

/** The engine takes no larger ones (JavaScript API of WebAssembly: implementation-defined limits). */
const LARGEST_BODY_BYTES = 7_654_321;

/** What takes the place of an edit, by its kind. */
type Insertions = readonly Uint8Array[];

interface Body extends Payload {
  /** Behind the declarations of locals. */
  readonly codeStart: number;
}

/** Writes the bodies a scanner has looked at, each with its edits. */
class BodyWriter {
  readonly positions = new PositionNotes();
  readonly #writer: ModuleWriter;
  readonly #scanner: BodyScanner;
  readonly #insertions: Insertions;
  readonly #check: Uint8Array;
  /** How far the original is copied. */
  #from = 0;

  constructor(writer: ModuleWriter, scanner: BodyScanner, insertions: Insertions) {
    this.#writer = writer;
    this.#scanner = scanner;
    this.#insertions = insertions;
    this.#check = insertions[Edit.check] as Uint8Array;
  }

  write(body: Body): void {
    const { positions, lengths, kinds, length } = this.#scanner.edits;
    const checksEntry = !this.#scanner.isShortLeaf(body.codeStart, body.end);
    this.#writer.u32(this.#sizeOf(body, checksEntry));
    this.#from = body.start;
    this.positions.moved(body.start, this.#writer.length);
    if (checksEntry) this.#replace(body.codeStart, 0, this.#check);
    for (let i = 0; i < length; i++) {
      this.#replace(positions[i] as number, lengths[i] as number, this.#insertions[kinds[i] as number] as Uint8Array);
    }
    this.#writer.copy(this.#scanner.reader.bytes, this.#from, body.end);
  }

  #sizeOf({ start, end }: Body, checksEntry: boolean): number {
    const { lengths, kinds, length } = this.#scanner.edits;
    let size = end - start + (checksEntry ? this.#check.length : 0);
    for (let i = 0; i < length; i++) {
      size += (this.#insertions[kinds[i] as number] as Uint8Array).length - (lengths[i] as number);
    }
    if (size <= LARGEST_BODY_BYTES) return size;
    throw new EvaluationError(
      'module-invalid',
      `cannot compile the module: its function of ${end - start} bytes at offset ${start} is too large for deadline checks; ` +
        'build the policy with smaller functions',
    );
  }

  /** Copies up to a position and puts something in place of the bytes there. */
  #replace(position: number, length: number, insertion: Uint8Array): void {
    const writer = this.#writer;
    writer.copy(this.#scanner.reader.bytes, this.#from, position);
    writer.copy(insertion, 0, insertion.length);
    this.#from = position + length;
    this.positions.moved(this.#from, writer.length);
  }
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
