import { compareUtf8, encodeUtf8 } from '../utf8.ts';
import { JsonNumber } from './number.ts';

/** Any JSON value without loss: exact numbers, and members under any name (`__proto__` and `1` included). */
export type JsonValue = null | boolean | string | JsonNumber | JsonValue[] | JsonObject;

/** A JSON object. A `Map`, because its keys come from strangers. */
export type JsonObject = Map<string, JsonValue>;

/** Compact JSON with the keys of every object in the order of their UTF-8 bytes: what policies are handed. */
export function stringifyJson(value: JsonValue): string {
  if (typeof value === 'string') return quote(value);
  if (value === null || typeof value === 'boolean') return String(value);
  if (value instanceof JsonNumber) return value.text;
  return Array.isArray(value) ? stringifyList(value) : stringifyObject(value);
}

/** {@link stringifyJson} as UTF-8. */
export function encodeJson(value: JsonValue): Uint8Array {
  return encodeUtf8(stringifyJson(value));
}

/** Most strings are short and plain; asking `JSON.stringify` for each costs more than looking. */
function quote(text: string): string {
  if (text.length > 40) return JSON.stringify(text);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x20 || unit === 0x22 || unit === 0x5c || unit >= 0xd800) return JSON.stringify(text);
  }
  return `"${text}"`;
}

function stringifyList(items: readonly JsonValue[]): string {
  let text = '[';
  for (const item of items) text += text.length === 1 ? stringifyJson(item) : `,${stringifyJson(item)}`;
  return `${text}]`;
}

function stringifyObject(object: JsonObject): string {
  let text = '{';
  for (const key of sortedKeys(object)) {
    const member = `${quote(key)}:${stringifyJson(object.get(key) ?? null)}`;
    text += text.length === 1 ? member : `,${member}`;
  }
  return `${text}}`;
}

/** Keys in the order of their UTF-8 bytes. */
export function sortedKeys(object: ReadonlyMap<string, unknown>): string[] {
  return [...object.keys()].sort(compareUtf8);
}

/** Deep equality; member order does not count, `1` and `1.0` differ. */
export function jsonEquals(a: JsonValue, b: JsonValue): boolean {
  if (a === b) return true;
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return false;
  if (a instanceof JsonNumber) return b instanceof JsonNumber && numbersEqual(a, b);
  if (Array.isArray(a)) return Array.isArray(b) && listsEqual(a, b);
  return b instanceof Map && objectsEqual(a, b);
}

function numbersEqual(a: JsonNumber, b: JsonNumber): boolean {
  return a.text === b.text || (a.text === '0.0' && b.text === '-0.0') || (a.text === '-0.0' && b.text === '0.0');
}

function listsEqual(a: readonly JsonValue[], b: readonly JsonValue[]): boolean {
  return a.length === b.length && a.every((item, index) => jsonEquals(item, b[index] ?? null));
}

function objectsEqual(a: JsonObject, b: JsonObject): boolean {
  if (a.size !== b.size) return false;
  for (const [key, value] of a) {
    const other = b.get(key);
    if (other === undefined || !jsonEquals(value, other)) return false;
  }
  return true;
}

/**
 * From plain JavaScript values: `bigint` is welcome, `undefined` members are dropped, `Map` counts as an object.
 *
 * @throws TypeError for functions, symbols, `NaN`, infinities and values nested deeper than 127 levels (or in a circle).
 */
export function jsonFrom(value: unknown): JsonValue {
  return convert(value, 127);
}

function convert(value: unknown, levels: number): JsonValue {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
  if (typeof value === 'bigint') return JsonNumber.from(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError(`cannot convert to JSON – expected a finite number, got ${value}`);
    return JsonNumber.from(value);
  }
  if (value instanceof JsonNumber) return value;
  if (typeof value !== 'object') throw new TypeError(`cannot convert to JSON – expected a value, got ${typeof value}`);
  if (levels === 0) throw new TypeError('cannot convert to JSON – expected at most 127 levels, got more');
  if (Array.isArray(value)) return value.map((item) => convert(item ?? null, levels - 1));
  return convertMembers(value, levels - 1);
}

function convertMembers(value: object, levels: number): JsonObject {
  const object: JsonObject = new Map();
  const entries: Iterable<[unknown, unknown]> = value instanceof Map ? value : Object.entries(value);
  for (const [key, member] of entries) {
    if (member !== undefined) object.set(String(key), convert(member, levels));
  }
  return object;
}

/**
 * To plain JavaScript values: null-prototype objects and ordinary numbers.
 * Lossy: integers beyond 2^53 are rounded, and `1.0` becomes `1`.
 */
export function jsonToPlain(value: JsonValue): unknown {
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof JsonNumber) return value.toNumber();
  if (Array.isArray(value)) return value.map(jsonToPlain);
  const object: Record<string, unknown> = Object.create(null);
  for (const [key, member] of value) object[key] = jsonToPlain(member);
  return object;
}
