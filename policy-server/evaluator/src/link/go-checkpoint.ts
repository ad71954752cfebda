import { readSections } from '@portcullis/protocol';
import { LONGEST_SHAPE_BYTES, LOOPS, matchShape, READS, type Shape, START } from './go-shape.ts';
import { ModuleReader } from './reader.ts';

/** Two functions of a Go program, by their index, or why there are none. */
export type GoCheckpoint =
  | { readonly found: true; readonly readFunction: number; readonly resumeFunction: number }
  | { readonly found: false; readonly reason: string };

const SECTION = { type: 1, import: 2, function: 3, global: 6, export: 7, start: 8, code: 10 } as const;
const FUNCTION_TYPE = 0x60;
const KIND_FUNCTION = 0;
const I32 = 0x7f;
const V128 = 0x7b;
const END = 0x0b;

/** What `[] → []` and `[i32] → [i32]` look like here. */
const NOTHING = '>';
const I32_TO_I32 = `${I32}>${I32}`;

/**
 * Finds the functions through which a Go program goes on from its first read of standard input.
 *
 * Go's code keeps nothing in Wasm locals across a call during which it may be unwound: goroutines live in linear memory, and the
 * loop in `_start` calls whatever the stack there says is next. So after the memory and the globals of a program inside
 * `fd_read` were brought back, `readFunction` (its only caller of `fd_read`) performs the read again and `resumeFunction` (that
 * loop) goes on as if `_start` had been run up to there.
 *
 * Only what Go's own linker writes is accepted, byte for byte. The shapes say nothing about the functions in between, so a module
 * that merely looks like Go could be resumed where its `_start` would not have gone: whoever uses a checkpoint has to check that
 * both ways lead to the same state. A module that fools that check as well gains nothing that its author could not have written
 * into `_start`: sandbox, limits and deadline are the same, and an image is taken before anything of a request is there.
 *
 * @param bytes a module the link step accepts
 * @throws EvaluationError or ModuleError when they are malformed
 */
export function findGoCheckpoint(bytes: Uint8Array): GoCheckpoint {
  try {
    return { found: true, ...recognise(new Sections(bytes)) };
  } catch (error) {
    if (error instanceof NotGo) return { found: false, reason: error.message };
    throw error;
  }
}

class NotGo extends Error {}

function recognise(sections: Sections): { readFunction: number; resumeFunction: number } {
  if (sections.has('start')) throw new NotGo('it has a start function beside its _start');
  const imports = functionImports(sections.open('import'));
  const fdRead = onlyRead(imports);
  const bodies = smallBodies(sections.open('code'), imports.length);
  const startFunction = exportedFunction(sections.open('export'), '_start');
  const start = matchOf(bodies, startFunction, [START]);
  if (start === undefined) throw new NotGo('its _start is not that of a Go program');
  const loop = matchOf(bodies, start.loop, LOOPS);
  if (loop === undefined) throw new NotGo('its _start does not end in the loop of a Go program');
  const [readFunction, read] = onlyReader(bodies, fdRead);
  const { stackPointer } = start;
  if (loop.stackPointer !== stackPointer || read.stackPointer !== stackPointer)
    throw new NotGo('its functions do not agree on the stack pointer');
  checkVariables(globals(sections.open('global')), stackPointer, loop.pause);

  const typeOf = functionTypes(sections, imports.length);
  const types = [startFunction, start.loop, readFunction].map(typeOf).join(' ');
  if (types !== `${NOTHING} ${NOTHING} ${I32_TO_I32}`)
    throw new NotGo('its functions do not have the types of a Go program');
  return { readFunction, resumeFunction: start.loop ?? 0 };
}

/** The sections of a module; Go's linker writes each of those needed here. */
class Sections {
  readonly #bytes: Uint8Array;
  readonly #payloads: ReadonlyMap<number, { readonly payloadStart: number; readonly end: number }>;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#payloads = new Map(readSections(bytes).map((section) => [section.id, section]));
  }

  has(name: keyof typeof SECTION): boolean {
    return this.#payloads.has(SECTION[name]);
  }

  open(name: keyof typeof SECTION): ModuleReader {
    const payload = this.#payloads.get(SECTION[name]);
    if (payload === undefined) throw new NotGo(`it has no ${name} section`);
    return new ModuleReader(this.#bytes, payload.payloadStart, payload.end);
  }
}

function list<T>(reader: ModuleReader, read: (index: number) => T): T[] {
  return Array.from({ length: reader.count() }, (_, index) => read(index));
}

/** The names of what is imported: functions only, so that the n-th is function n. */
function functionImports(reader: ModuleReader): string[] {
  return list(reader, () => {
    reader.name();
    const name = reader.name();
    if (reader.byte() !== KIND_FUNCTION) throw new NotGo('it imports something else than functions');
    reader.number();
    return name;
  });
}

function onlyRead(imports: readonly string[]): number {
  const reads = imports.filter((name) => name === 'fd_read').length;
  if (reads !== 1) throw new NotGo(`it imports fd_read ${reads} times, not once`);
  return imports.indexOf('fd_read');
}

function exportedFunction(reader: ModuleReader, wanted: string): number {
  const exported = list(reader, () => ({ name: reader.name(), kind: reader.byte(), index: reader.u32() }));
  const found = exported.find(({ name, kind }) => name === wanted && kind === KIND_FUNCTION);
  if (found === undefined) throw new NotGo(`it exports no function ${wanted}`);
  return found.index;
}

/** The bodies, by index, of all functions that are not too long to be one of those looked for. */
function smallBodies(reader: ModuleReader, firstIndex: number): Map<number, Uint8Array> {
  const bodies = new Map<number, Uint8Array>();
  list(reader, (index) => {
    const length = reader.u32();
    const start = reader.skip(length);
    if (length <= LONGEST_SHAPE_BYTES) bodies.set(firstIndex + index, reader.bytes.subarray(start, start + length));
  });
  return bodies;
}

type Numbers = Readonly<Record<string, number>>;

function matchOf(
  bodies: ReadonlyMap<number, Uint8Array>,
  index: number | undefined,
  shapes: readonly Shape[],
): Numbers | undefined {
  const body = bodies.get(index ?? -1);
  return body === undefined ? undefined : matchAny(body, shapes);
}

function matchAny(body: Uint8Array, shapes: readonly Shape[]): Numbers | undefined {
  for (const shape of shapes) {
    const numbers = matchShape(body, shape);
    if (numbers !== undefined) return numbers;
  }
  return undefined;
}

/** The one function of the shape of Go's `syscall.fd_read` that calls this import. */
function onlyReader(bodies: ReadonlyMap<number, Uint8Array>, fdRead: number): readonly [number, Numbers] {
  const readers: (readonly [number, Numbers])[] = [];
  for (const [index, body] of bodies) {
    const numbers = matchAny(body, READS);
    if (numbers !== undefined && numbers.fdRead === fdRead) readers.push([index, numbers]);
  }
  const [reader] = readers;
  if (reader === undefined || readers.length > 1)
    throw new NotGo(`${readers.length} of its functions call fd_read as Go does, not one`);
  return reader;
}

interface Variable {
  readonly type: number;
  readonly mutable: boolean;
}

/** Go's registers: numbers that start as zero. */
function globals(reader: ModuleReader): Variable[] {
  return list(reader, () => {
    const type = reader.byte();
    const mutable = reader.byte() === 1;
    const initial = [reader.byte(), reader.byte(), reader.byte()];
    if (initial[1] !== 0 || initial[2] !== END) throw new NotGo('its globals do not start as those of a Go program');
    return { type, mutable };
  });
}

function checkVariables(variables: readonly Variable[], stackPointer = -1, pause = -1): void {
  const isVariable = (index: number): boolean => variables[index]?.type === I32 && variables[index].mutable;
  if (stackPointer === pause || !isVariable(stackPointer) || !isVariable(pause))
    throw new NotGo('it does not have the global variables of a Go program');
}

/** Parameters and results of a function, as the bytes that stand for them. */
function functionTypes(sections: Sections, importCount: number): (index: number | undefined) => string | undefined {
  const types = sections.open('type');
  const known = list(types, () => {
    if (types.byte() !== FUNCTION_TYPE) throw new NotGo('it has types that Go does not use');
    return `${numberTypes(types)}>${numberTypes(types)}`;
  });
  const functions = sections.open('function');
  const indices = list(functions, () => functions.u32());
  return (index) => known[indices[(index ?? -1) - importCount] ?? -1];
}

function numberTypes(reader: ModuleReader): string {
  return list(reader, () => {
    const type = reader.byte();
    if (type < V128 || type > I32) throw new NotGo('it has types that Go does not use');
    return type;
  }).join();
}
