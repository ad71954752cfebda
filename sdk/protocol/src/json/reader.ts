import type { JsonError, JsonErrorCode } from '../errors.ts';
import { BACKSLASH, CLOSE_LIST, CLOSE_OBJECT, COLON, COMMA, OPEN_LIST, OPEN_OBJECT, QUOTE } from './characters.ts';
import { JsonNumber, NumberRangeError } from './number.ts';
import { readEscapedString, StringFault } from './string.ts';
import { errorAt, errorAtCharacter, readableText } from './text-place.ts';
import type { JsonObject, JsonValue } from './value.ts';

export interface JsonReadOptions {
  /** Objects and lists inside one another; more is a syntax error. @default 127 */
  maxDepth?: number;
}

interface ReaderOptions extends JsonReadOptions {
  /** Values of any kind are checked like all others, but not made: they come out as `null`. */
  readonly discardsValues?: boolean;
}

/**
 * Objects in one text. An empty one is 3 bytes of text and some 200 in memory: without a bound a body of 8 MiB would take
 * half a gigabyte. Real objects are a hundred times sparser.
 */
const MAX_OBJECTS = 500_000;

const END = -1;

/** What stands at the reader's place, told from its first character. */
export type JsonToken = 'object' | 'list' | 'string' | 'number' | 'boolean' | 'null';

/**
 * Reads one JSON text from front to back, a piece at a time. Whoever drives it decides what to expect, so an error of
 * syntax and an error of shape are met in the order of the text. Messages and positions are those of serde_json, which
 * users of policy servers know.
 */
export class JsonReader {
  readonly #text: string;
  readonly #maxDepth: number;
  readonly #discardsValues: boolean;
  #index = 0;
  #depth = 0;
  #objects = 0;

  constructor(input: Uint8Array | string, options: ReaderOptions = {}) {
    this.#text = readableText(input);
    this.#maxDepth = options.maxDepth ?? 127;
    this.#discardsValues = options.discardsValues === true;
  }

  /** The kind of the value that comes next. */
  token(): JsonToken {
    const unit = this.#peek();
    if (unit === QUOTE) return 'string';
    if (unit === OPEN_OBJECT) return 'object';
    if (unit === OPEN_LIST) return 'list';
    if (unit === 0x74 || unit === 0x66) return 'boolean';
    if (unit === 0x6e) return 'null';
    if (unit === 0x2d || (unit >= 0x30 && unit <= 0x39)) return 'number';
    throw this.#unexpected(unit === END ? 'EOF while parsing a value' : 'expected value');
  }

  /** Any value; of duplicate keys the last one wins. */
  readValue(): JsonValue {
    if (this.#discardsValues) return this.#skipValue();
    switch (this.token()) {
      case 'string':
        return this.readString();
      case 'object':
        return this.#readObject();
      case 'list':
        return this.#readList();
      case 'number':
        return this.readNumber();
      case 'boolean':
        return this.readBoolean();
      case 'null':
        return this.readNull();
    }
  }

  readNull(): null {
    this.#readWord('null');
    return null;
  }

  readBoolean(): boolean {
    const isTrue = this.#text.charCodeAt(this.#index) === 0x74;
    this.#readWord(String(isTrue));
    return isTrue;
  }

  readString(): string {
    const text = this.#text;
    const start = this.#index + 1;
    for (let at = start; ; at++) {
      const unit = text.charCodeAt(at);
      if (unit === QUOTE) {
        this.#index = at + 1;
        return text.slice(start, at);
      }
      if (unit === BACKSLASH || !(unit >= 0x20)) return this.#readRest(start, at);
    }
  }

  readNumber(): JsonNumber {
    const literal = this.#readNumberLiteral();
    try {
      return new JsonNumber(literal);
    } catch (error) {
      if (error instanceof NumberRangeError) throw this.error('syntax', 'number out of range');
      throw error;
    }
  }

  /** Opens the object or list at the reader's place. */
  enter(): void {
    if (++this.#depth > this.#maxDepth) throw this.#unexpected('recursion limit exceeded');
    this.#index++;
  }

  /** The next key of an open object, before its colon; `undefined` once the object is closed. */
  nextKey(isFirst: boolean): string | undefined {
    if (!this.#nextMember(isFirst, 'object')) return undefined;
    if (this.#peek() !== QUOTE) {
      throw this.#unexpected(this.#atEnd() ? 'EOF while parsing a value' : 'key must be a string');
    }
    return this.readString();
  }

  /** The colon after a key. */
  readColon(): void {
    const unit = this.#peek();
    if (unit !== COLON) throw this.#unexpected(unit === END ? 'EOF while parsing an object' : 'expected `:`');
    this.#index++;
  }

  /** Whether an open list has another item; closes it otherwise. */
  nextItem(isFirst: boolean): boolean {
    return this.#nextMember(isFirst, 'list');
  }

  /** The text must end here. */
  end(): void {
    if (this.#peek() !== END) throw this.#unexpected('trailing characters');
  }

  /** An error at the reader's place. */
  error(code: JsonErrorCode, detail: string): JsonError {
    return errorAt(this.#text, this.#index, { code, detail });
  }

  /** Where a key was read: serde_json looks past the white space before it reports a duplicate. */
  skipWhitespace(): void {
    this.#peek();
  }

  #countObject(): void {
    if (++this.#objects > MAX_OBJECTS) throw this.#unexpected(`more than ${MAX_OBJECTS} objects`);
  }

  #readObject(): JsonObject {
    this.#countObject();
    const object: JsonObject = new Map();
    this.enter();
    for (let key = this.nextKey(true); key !== undefined; key = this.nextKey(false)) {
      this.readColon();
      object.set(key, this.readValue());
    }
    return object;
  }

  #readList(): JsonValue[] {
    const list: JsonValue[] = [];
    this.enter();
    for (let more = this.nextItem(true); more; more = this.nextItem(false)) list.push(this.readValue());
    return list;
  }

  #skipValue(): null {
    const token = this.token();
    if (token === 'object') {
      this.#countObject();
      this.enter();
      for (let key = this.nextKey(true); key !== undefined; key = this.nextKey(false)) {
        this.readColon();
        this.#skipValue();
      }
    } else if (token === 'list') {
      this.enter();
      for (let more = this.nextItem(true); more; more = this.nextItem(false)) this.#skipValue();
    } else if (token === 'string') this.readString();
    else if (token === 'number') this.#skipNumber();
    else if (token === 'boolean') this.readBoolean();
    else this.readNull();
    return null;
  }

  #nextMember(isFirst: boolean, container: 'object' | 'list'): boolean {
    const close = container === 'object' ? CLOSE_OBJECT : CLOSE_LIST;
    const unit = this.#peek();
    if (unit === close) {
      this.#index++;
      this.#depth--;
      return false;
    }
    if (unit === END) throw this.#unexpected(`EOF while parsing ${container === 'object' ? 'an object' : 'a list'}`);
    if (isFirst) return true;
    if (unit !== COMMA) throw this.#unexpected(`expected \`,\` or \`${String.fromCharCode(close)}\``);
    this.#index++;
    if (this.#peek() === close) throw this.#unexpected('trailing comma');
    return true;
  }

  #readRest(start: number, stop: number): string {
    try {
      const { value, end } = readEscapedString(this.#text, start, stop);
      this.#index = end;
      return value;
    } catch (error) {
      if (!(error instanceof StringFault)) throw error;
      // Where the text ends nothing is wrong but that.
      this.#index = error.index === this.#text.length ? error.index : error.index - 1;
      throw this.#unexpected(error.message);
    }
  }

  #skipNumber(): void {
    if (!Number.isFinite(Number(this.#readNumberLiteral()))) throw this.error('syntax', 'number out of range');
  }

  #readNumberLiteral(): string {
    const start = this.#index;
    if (this.#text.charCodeAt(start) === 0x2d) this.#index++;
    this.#readIntegerPart();
    if (this.#text.charCodeAt(this.#index) === 0x2e) {
      this.#index++;
      if (!this.#skipDigits()) throw this.#unexpected(this.#atEnd() ? 'EOF while parsing a value' : 'invalid number');
    }
    if ((this.#text.charCodeAt(this.#index) | 0x20) === 0x65) this.#readExponent();
    return this.#text.slice(start, this.#index);
  }

  #readIntegerPart(): void {
    const unit = this.#text.charCodeAt(this.#index);
    if (unit === 0x30) {
      this.#index++;
      const next = this.#text.charCodeAt(this.#index);
      if (next >= 0x30 && next <= 0x39) throw this.#unexpected('invalid number');
    } else if (!this.#skipDigits()) {
      throw this.#consumed('invalid number');
    }
  }

  #readExponent(): void {
    this.#index++;
    const sign = this.#text.charCodeAt(this.#index);
    if (sign === 0x2b || sign === 0x2d) this.#index++;
    if (!this.#skipDigits()) throw this.#consumed('invalid number');
  }

  #skipDigits(): boolean {
    const start = this.#index;
    for (let unit = this.#text.charCodeAt(this.#index); unit >= 0x30 && unit <= 0x39;) {
      unit = this.#text.charCodeAt(++this.#index);
    }
    return this.#index > start;
  }

  #readWord(word: string): void {
    for (let i = 0; i < word.length; i++) {
      if (this.#text.charCodeAt(this.#index) !== word.charCodeAt(i)) throw this.#consumed('expected ident');
      this.#index++;
    }
  }

  #peek(): number {
    const text = this.#text;
    let at = this.#index;
    let unit = text.charCodeAt(at);
    while (unit === 0x20 || unit === 0x0a || unit === 0x0d || unit === 0x09) unit = text.charCodeAt(++at);
    this.#index = at;
    return at < text.length ? unit : END;
  }

  #atEnd(): boolean {
    return this.#index >= this.#text.length;
  }

  /** The character at the reader's place is wrong and counts as read. */
  #consumed(detail: string): JsonError {
    return this.#unexpected(this.#atEnd() ? 'EOF while parsing a value' : detail);
  }

  /** The character at the reader's place is wrong; the position names it without reading it. */
  #unexpected(detail: string): JsonError {
    return errorAtCharacter(this.#text, this.#index, detail);
  }
}
