import { CLOSE_OBJECT, COMMA, OPEN_LIST, OPEN_OBJECT, QUOTE } from './json/characters.ts';
import { odd, skipPlain } from './json/json-bytes.ts';
import type { CanonicalWriter } from './json/canonical-writer.ts';
import type { Tape } from './json/tape.ts';
import {
  CANONICAL,
  DUPLICATES,
  FIRST,
  FLAGS,
  KEY_END,
  KEY_START,
  NEXT,
  NONE,
  STRINGS,
  VALUE_END,
  VALUE_START,
} from './json/tape-entry.ts';
import { decodeUtf8, encodeUtf8 } from './utf8.ts';

/** What a typed member may be. A list of members is an object of its own. */
type TypedValue = 'string' | 'boolean' | 'any' | 'strings' | 'lists-of-strings' | readonly TypedMember[];

interface TypedMember {
  readonly name: Uint8Array;
  readonly value: TypedValue;
  /** Otherwise it may be missing or `null`, which is the same. */
  readonly isRequired: boolean;
}

/** Members by name; a question mark marks those that may be missing. In canonical order, as the tape has them. */
function typedMembers(values: Readonly<Record<string, TypedValue>>): readonly TypedMember[] {
  return Object.entries(values)
    .map(([key, value]) => ({ name: encodeUtf8(key.replace('?', '')), value, isRequired: !key.endsWith('?') }))
    .sort((a, b) => (decodeUtf8(a.name) < decodeUtf8(b.name) ? -1 : 1));
}

const KIND = typedMembers({ group: 'string', version: 'string', kind: 'string' });
const RESOURCE = typedMembers({ group: 'string', version: 'string', resource: 'string' });
const REQUEST = typedMembers({
  uid: 'string',
  kind: KIND,
  resource: RESOURCE,
  'subResource?': 'string',
  'requestKind?': KIND,
  'requestResource?': RESOURCE,
  'requestSubResource?': 'string',
  'name?': 'string',
  'namespace?': 'string',
  operation: 'string',
  userInfo: typedMembers({
    'username?': 'string',
    'uid?': 'string',
    'groups?': 'strings',
    'extra?': 'lists-of-strings',
  }),
  'object?': 'any',
  'oldObject?': 'any',
  'dryRun?': 'boolean',
  'options?': 'any',
});
const NAMES = {
  apiVersion: encodeUtf8('apiVersion'),
  kind: encodeUtf8('kind'),
  request: encodeUtf8('request'),
};

/** Up to here a call to the engine costs more than it saves. */
const SHORT = 16;

/** Looks at the typed levels of a review on a tape, and writes them. Whatever is not as it should be is an {@link OddText}. */
export class AdmissionTape {
  readonly #tape: Tape;
  readonly #writer: CanonicalWriter;

  constructor(tape: Tape, writer: CanonicalWriter) {
    this.#tape = tape;
    this.#writer = writer;
  }

  /** The entry of `request` in a review, whose other members are checked. */
  requestOf(review: number): number {
    for (const name of [NAMES.kind, NAMES.apiVersion]) {
      const member = this.find(review, name);
      if (member !== NONE && !this.#isNull(member)) this.#check(member, 'string');
    }
    return this.rawRequestOf(review);
  }

  /** The entry of `request` in a review, whatever it is. */
  rawRequestOf(review: number): number {
    this.#checkObject(review);
    const request = this.find(review, NAMES.request);
    if (request === NONE) throw odd();
    return request;
  }

  writeRequest(request: number): void {
    this.#writeObject(request, REQUEST);
  }

  /** The member of that name; {@link NONE} where there is none, or where nothing is that could have members. */
  find(object: number, name: Uint8Array): number {
    const { bytes, fields } = this.#tape;
    if (bytes[fields[object + VALUE_START] ?? 0] !== OPEN_OBJECT) return NONE;
    let member = fields[object + FIRST] ?? NONE;
    while (member !== NONE && this.#compareKey(member, name) !== 0) member = fields[member + NEXT] ?? NONE;
    return member;
  }

  /** The text of a string; `undefined` for anything else, and for what is not there. */
  textOf(entry: number): string | undefined {
    if (entry === NONE || this.#firstByte(entry) !== QUOTE) return undefined;
    const { bytes, fields } = this.#tape;
    const start = (fields[entry + VALUE_START] ?? 0) + 1;
    const end = (fields[entry + VALUE_END] ?? 0) - 1;
    if (end - start <= SHORT && skipPlain(bytes, start) === end) return shortText(bytes, start, end);
    const text = decodeUtf8(bytes.subarray(start, end));
    const mayHaveEscapes = ((fields[entry + FLAGS] ?? 0) & CANONICAL) !== 0;
    return mayHaveEscapes && text.includes('\\') ? String(JSON.parse(`"${text}"`)) : text;
  }

  #writeObject(object: number, members: readonly TypedMember[]): void {
    this.#checkObject(object);
    const writer = this.#writer;
    let separator = OPEN_OBJECT;
    let member = this.#tape.fields[object + FIRST] ?? NONE;
    for (const { name, value, isRequired } of members) {
      let order = 1;
      while (member !== NONE && (order = this.#compareKey(member, name)) < 0) {
        member = this.#tape.fields[member + NEXT] ?? NONE;
      }
      const isThere = member !== NONE && order === 0 && (isRequired || !this.#isNull(member));
      if (!isThere) {
        if (isRequired) throw odd();
        continue;
      }
      writer.writeByte(separator);
      separator = COMMA;
      writer.writeKey(member);
      this.#writeMember(member, value);
    }
    if (separator === OPEN_OBJECT) writer.writeByte(OPEN_OBJECT);
    writer.writeByte(CLOSE_OBJECT);
  }

  #writeMember(member: number, value: TypedValue): void {
    if (typeof value !== 'string') return this.#writeObject(member, value);
    this.#check(member, value);
    this.#writer.writeValue(member);
  }

  #check(member: number, value: Exclude<TypedValue, readonly TypedMember[]>): void {
    switch (value) {
      case 'any':
        return;
      case 'string':
        if (this.#firstByte(member) !== QUOTE) throw odd();
        return;
      case 'boolean':
        if (this.#firstByte(member) !== 0x74 && this.#firstByte(member) !== 0x66) throw odd();
        return;
      case 'strings':
        return this.#checkStrings(member);
      case 'lists-of-strings':
        return this.#checkListsOfStrings(member);
    }
  }

  #checkStrings(list: number): void {
    const isAllStrings = ((this.#tape.fields[list + FLAGS] ?? 0) & STRINGS) !== 0;
    if (this.#firstByte(list) !== OPEN_LIST || !isAllStrings) throw odd();
  }

  #checkListsOfStrings(object: number): void {
    this.#checkObject(object);
    const { fields } = this.#tape;
    for (let member = fields[object + FIRST] ?? NONE; member !== NONE; member = fields[member + NEXT] ?? NONE) {
      this.#checkStrings(member);
    }
  }

  #checkObject(object: number): void {
    const hasDuplicates = ((this.#tape.fields[object + FLAGS] ?? 0) & DUPLICATES) !== 0;
    if (this.#firstByte(object) !== OPEN_OBJECT || hasDuplicates) throw odd();
  }

  #isNull(entry: number): boolean {
    return this.#firstByte(entry) === 0x6e;
  }

  #firstByte(entry: number): number | undefined {
    return this.#tape.bytes[this.#tape.fields[entry + VALUE_START] ?? 0];
  }

  #compareKey(member: number, name: Uint8Array): number {
    const { bytes, fields } = this.#tape;
    const start = fields[member + KEY_START] ?? 0;
    const length = (fields[member + KEY_END] ?? 0) - start;
    const shared = Math.min(length, name.length);
    for (let index = 0; index < shared; index++) {
      const difference = (bytes[start + index] ?? 0) - (name[index] ?? 0);
      if (difference !== 0) return difference;
    }
    return length - name.length;
  }
}

function shortText(bytes: Uint8Array, start: number, end: number): string {
  let text = '';
  for (let at = start; at < end; at++) text += String.fromCharCode(bytes[at] ?? 0);
  return text;
}
