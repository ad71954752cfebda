import { decodeUtf8 } from '../utf8.ts';
import { CLOSE_LIST, CLOSE_OBJECT, COLON, COMMA, OPEN_LIST, OPEN_OBJECT, QUOTE } from './characters.ts';
import { writeString } from './json-bytes.ts';
import { JsonNumber } from './number.ts';
import type { Tape } from './tape.ts';
import {
  CANONICAL,
  FIRST,
  FLAGS,
  KEY_END,
  KEY_START,
  KEY_UNESCAPED,
  NEXT,
  NONE,
  VALUE_END,
  VALUE_START,
} from './tape-entry.ts';

/** From here on a call to the engine is cheaper than a loop. */
const LONG = 28;

/** Writes values of a tape in canonical form, into the room the tape has behind its text. */
export class CanonicalWriter {
  readonly #tape: Tape;
  #at = 0;

  constructor(tape: Tape) {
    this.#tape = tape;
  }

  start(): void {
    this.#at = this.#tape.roomStart;
  }

  /** What was written, in a buffer of its own. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#tape.bytes.slice(this.#tape.roomStart, this.#at);
  }

  writeByte(byte: number): void {
    this.#tape.bytes[this.#at++] = byte;
  }

  /** The value of an entry. */
  writeValue(entry: number): void {
    const { bytes, fields } = this.#tape;
    const start = fields[entry + VALUE_START] ?? 0;
    const end = fields[entry + VALUE_END] ?? 0;
    if (((fields[entry + FLAGS] ?? 0) & CANONICAL) !== 0) return this.#copy(start, end);
    switch (bytes[start] ?? 0) {
      case OPEN_OBJECT:
        return this.#writeObject(fields[entry + FIRST] ?? NONE);
      case OPEN_LIST:
        return this.#writeList(fields[entry + FIRST] ?? NONE);
      case QUOTE:
        this.#at = writeString(bytes, { start: start + 1, end: end - 1, to: this.#at });
        return;
      default:
        return this.#writeNumber(start, end);
    }
  }

  /** The key of a member and the colon behind it. */
  writeKey(entry: number): void {
    const { bytes, fields } = this.#tape;
    const start = fields[entry + KEY_START] ?? 0;
    const end = fields[entry + KEY_END] ?? 0;
    if (((fields[entry + FLAGS] ?? 0) & KEY_UNESCAPED) === 0) this.#copy(start - 1, end + 1);
    else this.#at = writeString(bytes, { start, end, to: this.#at });
    bytes[this.#at++] = COLON;
  }

  #writeObject(first: number): void {
    const { fields } = this.#tape;
    this.writeByte(OPEN_OBJECT);
    for (let member = first; member !== NONE;) {
      if (this.#isWhole(member)) member = this.#writeRun(member);
      else {
        this.writeKey(member);
        this.writeValue(member);
      }
      member = fields[member + NEXT] ?? NONE;
      if (member !== NONE) this.writeByte(COMMA);
    }
    this.writeByte(CLOSE_OBJECT);
  }

  /** Whether key, colon and value are canonical as they stand. */
  #isWhole(member: number): boolean {
    const { fields } = this.#tape;
    const flags = (fields[member + FLAGS] ?? 0) & (CANONICAL | KEY_UNESCAPED);
    return flags === CANONICAL && fields[member + VALUE_START] === (fields[member + KEY_END] ?? 0) + 2;
  }

  /** Writes a whole member and those that follow it in the text as well; returns the last one. */
  #writeRun(first: number): number {
    const { fields } = this.#tape;
    let last = first;
    let end = fields[last + VALUE_END] ?? 0;
    for (let next = fields[last + NEXT] ?? NONE; next !== NONE; next = fields[last + NEXT] ?? NONE) {
      if (fields[next + KEY_START] !== end + 2 || !this.#isWhole(next)) break;
      last = next;
      end = fields[last + VALUE_END] ?? 0;
    }
    this.#copy((fields[first + KEY_START] ?? 0) - 1, end);
    return last;
  }

  #writeList(first: number): void {
    this.writeByte(OPEN_LIST);
    for (let item = first; item !== NONE;) {
      this.writeValue(item);
      item = this.#tape.fields[item + NEXT] ?? NONE;
      if (item !== NONE) this.writeByte(COMMA);
    }
    this.writeByte(CLOSE_LIST);
  }

  #writeNumber(start: number, end: number): void {
    const { bytes } = this.#tape;
    const { text } = new JsonNumber(decodeUtf8(bytes.subarray(start, end)));
    for (let index = 0; index < text.length; index++) bytes[this.#at++] = text.charCodeAt(index);
  }

  #copy(start: number, end: number): void {
    const { bytes } = this.#tape;
    let to = this.#at;
    this.#at = to + end - start;
    if (end - start >= LONG) bytes.copyWithin(to, start, end);
    else for (let from = start; from < end; from++) bytes[to++] = bytes[from] ?? 0;
  }
}
