import { countStep } from './interruption.ts';
import { RegoNumber, RegoObject, RegoSet, type RegoValue } from './value.ts';

/** Deeper values are refused: reading and writing recurse. */
const MAX_DEPTH = 512;

/** A text that is no Rego value. */
export class ValueSyntaxError extends SyntaxError {}

/**
 * Reads what `opa_value_dump` (JSON plus `{1, 2}`, `set()` and keys of any type) and `opa_json_dump` write. Numbers keep
 * their spelling, which `JSON.parse` would round.
 */
export function parseValue(text: string): RegoValue {
  const reader = new ValueReader(text);
  const value = reader.value(0);
  reader.end();
  return value;
}

/** Writes a value for `opa_value_parse`; for `opa_json_parse` (old modules) sets become arrays and all keys strings. */
export function printValue(value: RegoValue, form: 'rego' | 'json'): string {
  countStep();
  if (typeof value === 'string') return JSON.stringify(value.toWellFormed());
  if (value === null || typeof value === 'boolean') return String(value);
  if (value instanceof RegoNumber) return value.text;
  if (value instanceof RegoSet) {
    const members = value.sorted();
    if (form === 'rego') return members.length === 0 ? 'set()' : `{${printList(members, form)}}`;
    return `[${printList(members, form)}]`;
  }
  if (value instanceof RegoObject) return `{${printMembers(value, form)}}`;
  return `[${printList(value, form)}]`;
}

function printList(items: readonly RegoValue[], form: 'rego' | 'json'): string {
  return items.map((item) => printValue(item, form)).join(',');
}

function printMembers(object: RegoObject, form: 'rego' | 'json'): string {
  const members: string[] = [];
  for (const [key, value] of object.sorted()) {
    const name =
      form === 'json' && typeof key !== 'string' ? JSON.stringify(printValue(key, form)) : printValue(key, form);
    members.push(`${name}:${printValue(value, form)}`);
  }
  return members.join(',');
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d*)?(?:[eE][+-]?\d+)?/y;
/** Whatever a JSON reader must look at twice: escapes and what may not stand in a string. */
const UNUSUAL = /[\\\p{Cc}]/u;

/** Character codes of the marks. */
const [QUOTE, COMMA, COLON] = [0x22, 0x2c, 0x3a];
const [OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE] = [0x5b, 0x5d, 0x7b, 0x7d];
const [LETTER_F, LETTER_N, LETTER_S, LETTER_T] = [0x66, 0x6e, 0x73, 0x74];

class ValueReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): RegoValue {
    if (depth > MAX_DEPTH) throw new ValueSyntaxError(`the value is nested deeper than ${MAX_DEPTH} levels`);
    countStep();
    switch (this.#next()) {
      case QUOTE:
        return this.#string();
      case OPEN_BRACKET:
        return this.#array(depth);
      case OPEN_BRACE:
        return this.#objectOrSet(depth);
      case LETTER_N:
        return this.#word('null', null);
      case LETTER_T:
        return this.#word('true', true);
      case LETTER_F:
        return this.#word('false', false);
      case LETTER_S:
        return this.#word('set()', new RegoSet());
      default:
        return this.#number();
    }
  }

  end(): void {
    this.#next();
    if (this.#at !== this.#text.length) this.#fail();
  }

  #string(): string {
    const end = endOfString(this.#text, this.#at);
    const content = this.#text.slice(this.#at + 1, end - 1);
    const isClosed = end - this.#at >= 2 && this.#text.charCodeAt(end - 1) === QUOTE;
    if (isClosed && !UNUSUAL.test(content)) {
      this.#at = end;
      return content;
    }
    try {
      const text: unknown = JSON.parse(this.#text.slice(this.#at, end));
      this.#at = end;
      return typeof text === 'string' ? text : this.#fail();
    } catch {
      return this.#fail();
    }
  }

  #number(): RegoNumber {
    NUMBER.lastIndex = this.#at;
    const text = NUMBER.exec(this.#text)?.[0] ?? this.#fail();
    this.#at += text.length;
    return new RegoNumber(text);
  }

  #array(depth: number): RegoValue[] {
    this.#at++;
    const items: RegoValue[] = [];
    if (this.#skip(CLOSE_BRACKET)) return items;
    do items.push(this.value(depth + 1));
    while (this.#skip(COMMA));
    this.#expect(CLOSE_BRACKET);
    return items;
  }

  #objectOrSet(depth: number): RegoValue {
    this.#at++;
    if (this.#skip(CLOSE_BRACE)) return new RegoObject();
    const first = this.value(depth + 1);
    if (this.#skip(COLON)) return new RegoObject(this.#members(first, depth + 1));
    return new RegoSet(this.#elements(first, depth + 1));
  }

  *#members(firstKey: RegoValue, depth: number): Generator<readonly [RegoValue, RegoValue]> {
    yield [firstKey, this.value(depth)];
    while (this.#skip(COMMA)) {
      const key = this.value(depth);
      this.#expect(COLON);
      yield [key, this.value(depth)];
    }
    this.#expect(CLOSE_BRACE);
  }

  *#elements(first: RegoValue, depth: number): Generator<RegoValue> {
    yield first;
    while (this.#skip(COMMA)) yield this.value(depth);
    this.#expect(CLOSE_BRACE);
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) this.#fail();
    this.#at += word.length;
    return value;
  }

  /** The code of the next character that is no white space; NaN at the end. */
  #next(): number {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return code;
      this.#at++;
    }
  }

  #skip(mark: number): boolean {
    if (this.#next() !== mark) return false;
    this.#at++;
    return true;
  }

  #expect(mark: number): void {
    if (!this.#skip(mark)) this.#fail();
  }

  #fail(): never {
    throw new ValueSyntaxError(`expected a Rego value at offset ${this.#at}`);
  }
}

/** Offset behind the closing quote. A search, not a regular expression: those need stack for every character of a string. */
function endOfString(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let first = quote;
    while (text[first - 1] === '\\') first--;
    if ((quote - first) % 2 === 0) return quote + 1;
  }
  return text.length;
}
