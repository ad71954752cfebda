import { encodeUtf8, readSections } from '@portcullis/protocol';
import { OUT_OF_MEMORY, OUT_OF_MEMORY_ADDRESS, RESERVED_ADDRESS } from './glue.ts';
import { encodeSigned, encodeUnsigned } from './leb128.ts';

const MEMORY_SECTION = 5;
const CODE_SECTION = 10;
const DATA_SECTION = 11;
const DATA_COUNT_SECTION = 12;
/** Custom sections, a start function and the engine's own data: replaced by the image, or of no use to it. */
const DROPPED_SECTIONS = new Set([0, 8, DATA_SECTION, DATA_COUNT_SECTION]);

const I32_CONST = 0x41;
const END = 0x0b;

const PREAMBLE_BYTES = 8;
const PAGE_BYTES = 65_536;
/** A run of zeros shorter than this costs less inside a segment than another segment's header. */
const MIN_GAP_BYTES = 12;

/** Linear memory of an engine that has evaluated a policy and waits for its first call. */
export interface PolicyImage {
  readonly memory: Uint8Array;
  /** Everything below is dead stack. */
  readonly stackPointer: number;
  /** Address of the handle on the policy's dispatcher. */
  readonly dispatcher: number;
}

/** Puts a policy's image into the linked engine: a module that begins where the policy is ready for its first call. */
export function placeImage(engine: Uint8Array, image: PolicyImage, maxMemoryBytes: number): Uint8Array {
  const memory = cleanMemory(image);
  const segments = findSegments(memory);
  const count = encodeUnsigned(segments.length);
  const parts: Uint8Array[] = [engine.subarray(0, PREAMBLE_BYTES)];
  for (const section of readSections(engine)) {
    if (DROPPED_SECTIONS.has(section.id)) continue;
    // The count stands before the code that refers to segments by number.
    if (section.id === CODE_SECTION) parts.push(encodeSection(DATA_COUNT_SECTION, [count]));
    parts.push(
      section.id === MEMORY_SECTION
        ? encodeSection(MEMORY_SECTION, encodeLimits(memory.length, maxMemoryBytes))
        : engine.subarray(section.start, section.end),
    );
  }
  parts.push(
    encodeSection(DATA_SECTION, [count, ...segments.flatMap(({ start, end }) => encodeSegment(memory, start, end))]),
  );
  return join(parts);
}

/** Nothing reads the dead stack again; zeros keep it out of the module, and make equal policies equal bytes. */
function cleanMemory({ memory, stackPointer, dispatcher }: PolicyImage): Uint8Array {
  const clean = memory.slice().fill(0, 0, stackPointer);
  new DataView(clean.buffer).setUint32(RESERVED_ADDRESS, dispatcher, true);
  clean.set(encodeUtf8(OUT_OF_MEMORY), OUT_OF_MEMORY_ADDRESS);
  return clean;
}

interface Segment {
  readonly start: number;
  readonly end: number;
}

function findSegments(memory: Uint8Array): Segment[] {
  const segments: Segment[] = [];
  let start = -1;
  let lastUsed = -1;
  for (let address = 0; address < memory.length; address++) {
    if (memory[address] === 0) continue;
    if (start !== -1 && address - lastUsed > MIN_GAP_BYTES) {
      segments.push({ start, end: lastUsed + 1 });
      start = -1;
    }
    if (start === -1) start = address;
    lastUsed = address;
  }
  if (start !== -1) segments.push({ start, end: lastUsed + 1 });
  return segments;
}

function encodeSegment(memory: Uint8Array, start: number, end: number): Uint8Array[] {
  return [
    Uint8Array.of(0, I32_CONST),
    encodeSigned(start),
    Uint8Array.of(END),
    encodeUnsigned(end - start),
    memory.subarray(start, end),
  ];
}

function encodeLimits(initialBytes: number, maxBytes: number): Uint8Array[] {
  const one = Uint8Array.of(1);
  const hasMaximum = Uint8Array.of(1);
  return [one, hasMaximum, encodeUnsigned(initialBytes / PAGE_BYTES), encodeUnsigned(maxBytes / PAGE_BYTES)];
}

function encodeSection(id: number, payload: readonly Uint8Array[]): Uint8Array {
  const content = join(payload);
  return join([Uint8Array.of(id), encodeUnsigned(content.length), content]);
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}
