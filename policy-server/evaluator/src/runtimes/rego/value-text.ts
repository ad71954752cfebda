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
const WHITE_SPACE = /[ \t\r\n]*/y;

class ValueReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): RegoValue {
    if (depth > MAX_DEPTH) throw new ValueSyntaxError(`the value is nested deeper than ${MAX_DEPTH} levels`);
    this.#match(WHITE_SPACE);
    switch (this.#text.charAt(this.#at)) {
      case '"':
        return this.#string();
      case '[':
        return this.#array(depth);
      case '{':
        return this.#objectOrSet(depth);
      case 'n':
        return this.#word('null', null);
      case 't':
        return this.#word('true', true);
      case 'f':
        return this.#word('false', false);
      case 's':
        return this.#word('set()', new RegoSet());
      default:
        return new RegoNumber(this.#match(NUMBER) ?? this.#fail());
    }
  }

  end(): void {
    this.#match(WHITE_SPACE);
    if (this.#at !== this.#text.length) this.#fail();
  }

  #string(): string {
    const end = endOfString(this.#text, this.#at);
    const literal = this.#text.slice(this.#at, end);
    try {
      const text: unknown = JSON.parse(literal);
      this.#at = end;
      return typeof text === 'string' ? text : this.#fail();
    } catch {
      return this.#fail();
    }
  }

  #array(depth: number): RegoValue[] {
    this.#expect('[');
    const items: RegoValue[] = [];
    if (this.#skip(']')) return items;
    do items.push(this.value(depth + 1));
    while (this.#skip(','));
    this.#expect(']');
    return items;
  }

  #objectOrSet(depth: number): RegoValue {
    this.#expect('{');
    if (this.#skip('}')) return new RegoObject();
    const first = this.value(depth + 1);
    return this.#skip(':') ? this.#object(first, depth) : this.#set(first, depth);
  }

  #object(firstKey: RegoValue, depth: number): RegoObject {
    const members: [RegoValue, RegoValue][] = [[firstKey, this.value(depth + 1)]];
    while (this.#skip(',')) {
      const key = this.value(depth + 1);
      this.#expect(':');
      members.push([key, this.value(depth + 1)]);
    }
    this.#expect('}');
    return new RegoObject(members);
  }

  #set(first: RegoValue, depth: number): RegoSet {
    const members = [first];
    while (this.#skip(',')) members.push(this.value(depth + 1));
    this.#expect('}');
    return new RegoSet(members);
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) this.#fail();
    this.#at += word.length;
    return value;
  }

  #skip(mark: string): boolean {
    this.#match(WHITE_SPACE);
    if (this.#text[this.#at] !== mark) return false;
    this.#at++;
    return true;
  }

  #expect(mark: string): void {
    if (!this.#skip(mark)) this.#fail();
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const text = pattern.exec(this.#text)?.[0];
    this.#at += text?.length ?? 0;
    return text;
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
