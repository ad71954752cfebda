import { JsonError } from '../errors.ts';
import type { JsonNumber } from './number.ts';
import { JsonReader } from './reader.ts';
import { stringifyJson, type JsonValue } from './value.ts';

/** What a place in a JSON text must look like, and what is made of it. */
export interface Shape<T> {
  /** In error texts: `expected …`. */
  readonly expecting: string;
  read(reader: JsonReader): T;
}

/** A member of a {@link struct}. `absent` answers for a missing member; without it the member is required. */
export interface Field<T> {
  readonly shape: Shape<T>;
  readonly absent?: () => T;
}

type Fields = Readonly<Record<string, Field<unknown>>>;
type Struct<F extends Fields> = { [K in keyof F]: F[K] extends Field<infer T> ? T : never };

/** Reads a whole text as `shape`; errors carry the position. */
export function readAs<T>(shape: Shape<T>, input: Uint8Array | string): T {
  try {
    return readWithPaths(shape, input);
  } catch (error) {
    throw error instanceof JsonError ? error.withoutPath() : error;
  }
}

/** {@link readAs} whose errors also name the way to the value. */
export function readWithPaths<T>(shape: Shape<T>, input: Uint8Array | string): T {
  return readWhole(shape, new JsonReader(input));
}

/** Refuses what {@link readWithPaths} refuses, in the same words, and makes nothing of values of any kind. */
export function checkWithPaths(shape: Shape<unknown>, input: Uint8Array | string): void {
  readWhole(shape, new JsonReader(input, { discardsValues: true }));
}

function readWhole<T>(shape: Shape<T>, reader: JsonReader): T {
  const value = shape.read(reader);
  reader.end();
  return value;
}

/** Reads a value already parsed as `shape`; errors carry neither path nor position. */
export function convertTo<T>(shape: Shape<T>, value: JsonValue): T {
  try {
    return readAs(shape, stringifyJson(value));
  } catch (error) {
    throw error instanceof JsonError ? error.withoutPosition() : error;
  }
}

export const string: Shape<string> = scalar('a string', 'string', (reader) => reader.readString());
export const boolean: Shape<boolean> = scalar('a boolean', 'boolean', (reader) => reader.readBoolean());

/** Any value, `null` included. */
export const any: Shape<JsonValue> = { expecting: 'any value', read: (reader) => reader.readValue() };

/** A whole number from 0 to `max`, spelt as an integer. `name` is its type in error texts (`u16`). */
export function unsigned(name: string, max: number): Shape<number> {
  return {
    expecting: name,
    read(reader) {
      if (reader.token() !== 'number') throw invalidType(reader, name);
      const number = reader.readNumber();
      if (!number.isInteger) throw reader.error('data', `invalid type: ${describeNumber(number)}, expected ${name}`);
      const value = number.toNumber();
      if (value >= 0 && value <= max) return value;
      throw reader.error('data', `invalid value: ${describeNumber(number)}, expected ${name}`);
    },
  };
}

/** One of a closed set of texts. */
export function variant<const V extends string>(variants: readonly V[]): Shape<V> {
  return {
    expecting: 'a string',
    read(reader) {
      const text = string.read(reader);
      const found = variants.find((candidate) => candidate === text);
      if (found !== undefined) return found;
      throw reader.error('data', `unknown variant \`${clip(text)}\`, expected ${listVariants(variants)}`);
    },
  };
}

export function list<T>(item: Shape<T>): Shape<T[]> {
  return {
    expecting: 'a sequence',
    read(reader) {
      if (reader.token() !== 'list') throw invalidType(reader, 'a sequence');
      const items: T[] = [];
      reader.enter();
      for (let more = reader.nextItem(true); more; more = reader.nextItem(false)) {
        items.push(readWithin(`[${items.length}]`, item, reader));
      }
      return items;
    },
  };
}

/** An object with open keys; of duplicates the last one wins. */
export function map<T>(member: Shape<T>): Shape<Map<string, T>> {
  return {
    expecting: 'a map',
    read(reader) {
      if (reader.token() !== 'object') throw invalidType(reader, 'a map');
      const members = new Map<string, T>();
      reader.enter();
      for (let key = reader.nextKey(true); key !== undefined; key = reader.nextKey(false)) {
        reader.readColon();
        members.set(key, readWithin(clip(key), member, reader));
      }
      return members;
    },
  };
}

/** {@link map} as a null-prototype object: the keys are a stranger's. */
export function record<T>(member: Shape<T>): Shape<Record<string, T>> {
  const entries = map(member);
  return {
    expecting: entries.expecting,
    read(reader) {
      const members: Record<string, T> = Object.create(null);
      for (const [key, value] of entries.read(reader)) members[key] = value;
      return members;
    },
  };
}

export function required<T>(shape: Shape<T>): Field<T> {
  return { shape };
}

/** May be missing or `null`. */
export function optional<T>(shape: Shape<T>): Field<T | undefined> {
  return {
    shape: { expecting: shape.expecting, read: (reader) => (readsNull(reader) ? undefined : shape.read(reader)) },
    absent: () => undefined,
  };
}

/** May be missing, not `null`. */
export function withDefault<T>(shape: Shape<T>, absent: () => T): Field<T> {
  return { shape, absent };
}

/** An object with known members. Unknown members are read and dropped; a known one given twice is an error. */
export function struct<const F extends Fields>(name: string, fields: F): Shape<Struct<F>> {
  const known = new Map(Object.entries(fields));
  return {
    expecting: name,
    read(reader) {
      if (reader.token() !== 'object') throw invalidType(reader, name);
      const members = readMembers(reader, known);
      const result: Record<string, unknown> = {};
      for (const [key, field] of known) {
        if (!members.has(key) && field.absent === undefined) throw reader.error('data', `missing field \`${key}\``);
        const value = members.has(key) ? members.get(key) : field.absent?.();
        if (value !== undefined) result[key] = value;
      }
      return result as Struct<F>;
    },
  };
}

function readMembers(reader: JsonReader, known: ReadonlyMap<string, Field<unknown>>): Map<string, unknown> {
  const members = new Map<string, unknown>();
  reader.enter();
  for (let key = reader.nextKey(true); key !== undefined; key = reader.nextKey(false)) {
    const field = known.get(key);
    if (members.has(key)) {
      reader.skipWhitespace();
      throw reader.error('data', `duplicate field \`${key}\``);
    }
    reader.readColon();
    if (field === undefined) reader.readValue();
    else members.set(key, readWithin(key, field.shape, reader));
  }
  return members;
}

function readWithin<T>(segment: string, shape: Shape<T>, reader: JsonReader): T {
  try {
    return shape.read(reader);
  } catch (error) {
    throw error instanceof JsonError ? error.within(segment) : error;
  }
}

function readsNull(reader: JsonReader): boolean {
  if (reader.token() !== 'null') return false;
  reader.readNull();
  return true;
}

function scalar<T>(expecting: string, token: string, read: (reader: JsonReader) => T): Shape<T> {
  return {
    expecting,
    read(reader) {
      if (reader.token() !== token) throw invalidType(reader, expecting);
      return read(reader);
    },
  };
}

/** The value at the reader's place has the wrong type. Scalars are read and shown, containers only named. */
function invalidType(reader: JsonReader, expecting: string): JsonError {
  const found = describe(reader);
  return reader.error('data', `invalid type: ${found}, expected ${expecting}`);
}

function describe(reader: JsonReader): string {
  const token = reader.token();
  if (token === 'object') return 'map';
  if (token === 'list') return 'sequence';
  if (token === 'null') return String(reader.readNull());
  if (token === 'boolean') return `boolean \`${reader.readBoolean()}\``;
  return token === 'number' ? describeNumber(reader.readNumber()) : `string ${debugQuote(clip(reader.readString()))}`;
}

function describeNumber(number: JsonNumber): string {
  return `${number.isInteger ? 'integer' : 'floating point'} \`${number.text}\``;
}

/** Error texts travel into logs and answers: they quote strangers' strings only up to here. */
function clip(text: string): string {
  return text.length <= 200 ? text : `${text.slice(0, 200).toWellFormed()}…`;
}

function debugQuote(text: string): string {
  const escaped = text.replace(/["\\\p{Cc}]/gu, (character) => {
    const short = { '"': '\\"', '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t', '\0': '\\0' }[character];
    return short ?? `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
  });
  return `"${escaped}"`;
}

function listVariants(variants: readonly string[]): string {
  const quoted = variants.map((name) => `\`${name}\``);
  if (quoted.length <= 2) return quoted.join(' or ');
  return `one of ${quoted.join(', ')}`;
}
