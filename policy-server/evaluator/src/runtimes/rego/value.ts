import { compareDecimals, integerOf, parseDecimal } from './decimal.ts';
import { countStep } from './interruption.ts';

/** A value of Rego: JSON plus sets, objects with keys of any type, and numbers of any precision. */
export type RegoValue = null | boolean | string | RegoNumber | readonly RegoValue[] | RegoSet | RegoObject;

/** A number as its text: nothing is ever rounded on the way through the host. */
export class RegoNumber {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  static of(value: number | bigint): RegoNumber {
    return new RegoNumber(String(value));
  }

  /** The exact integer this number is (`1`, `1.0`, `1e3`), `undefined` for a fraction. */
  toInteger(): bigint | undefined {
    const decimal = parseDecimal(this.text);
    return decimal && integerOf(decimal);
  }
}

/** A set; members are unique by value. */
export class RegoSet {
  readonly #members = new Map<string, RegoValue>();

  constructor(members: Iterable<RegoValue> = []) {
    for (const member of members) this.#members.set(identityOf(member), member);
  }

  get size(): number {
    return this.#members.size;
  }

  has(value: RegoValue): boolean {
    return this.#members.has(identityOf(value));
  }

  /** Members in Rego's order of values. */
  sorted(): RegoValue[] {
    return [...this.#members.values()].sort(compareValues);
  }
}

/** An object; keys are of any type and unique by value. */
export class RegoObject {
  readonly #members = new Map<string, readonly [RegoValue, RegoValue]>();

  constructor(members: Iterable<readonly [RegoValue, RegoValue]> = []) {
    for (const member of members) this.#members.set(identityOf(member[0]), member);
  }

  get size(): number {
    return this.#members.size;
  }

  get(key: RegoValue): RegoValue | undefined {
    return this.#members.get(identityOf(key))?.[1];
  }

  entries(): Iterable<readonly [RegoValue, RegoValue]> {
    return this.#members.values();
  }

  /** Members in Rego's order of keys. */
  sorted(): (readonly [RegoValue, RegoValue])[] {
    return [...this.#members.values()].sort((a, b) => compareValues(a[0], b[0]));
  }
}

/** The name of a value's type as Rego's error texts spell it. */
export function typeName(value: RegoValue): string {
  if (value === null) return 'null';
  if (typeof value === 'boolean') return 'boolean';
  if (typeof value === 'string') return 'string';
  if (value instanceof RegoNumber) return 'number';
  if (value instanceof RegoSet) return 'set';
  return value instanceof RegoObject ? 'object' : 'array';
}

export function isArray(value: RegoValue | undefined): value is readonly RegoValue[] {
  return Array.isArray(value);
}

export function valuesEqual(a: RegoValue, b: RegoValue): boolean {
  return a === b || identityOf(a) === identityOf(b);
}

/** A text that is the same for equal values only; `1` and `1.0` are equal. */
function identityOf(value: RegoValue): string {
  countStep();
  if (typeof value === 'string') return JSON.stringify(value);
  if (value === null || typeof value === 'boolean') return String(value);
  if (value instanceof RegoNumber) return numberIdentity(value.text);
  if (value instanceof RegoSet) return `<${value.sorted().map(identityOf).join(',')}>`;
  if (value instanceof RegoObject) {
    return `{${value
      .sorted()
      .map(([key, member]) => `${identityOf(key)}:${identityOf(member)}`)
      .join(',')}}`;
  }
  return `[${value.map(identityOf).join(',')}]`;
}

function numberIdentity(text: string): string {
  const decimal = parseDecimal(text);
  return decimal === undefined ? text : `${decimal.coefficient}e${decimal.exponent}`;
}

const TYPE_ORDER = ['null', 'boolean', 'number', 'string', 'array', 'object', 'set'];

/** Rego's order over all values: by type, then by content. */
export function compareValues(a: RegoValue, b: RegoValue): number {
  countStep();
  const types = TYPE_ORDER.indexOf(typeName(a)) - TYPE_ORDER.indexOf(typeName(b));
  if (types !== 0) return types;
  if (typeof a === 'string') return compareTexts(a, typeof b === 'string' ? b : '');
  if (typeof a === 'boolean') return Number(a) - Number(b);
  if (a instanceof RegoNumber) return compareNumbers(a, b);
  if (a instanceof RegoSet) return compareLists(a.sorted(), b instanceof RegoSet ? b.sorted() : []);
  if (a instanceof RegoObject) return compareObjects(a, b);
  return a === null ? 0 : compareLists(a, isArray(b) ? b : []);
}

/** By code points, as the bytes of UTF-8 are ordered. JavaScript compares units of UTF-16: the same but for surrogates. */
function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  if (SURROGATE.test(a) || SURROGATE.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b));
  return a < b ? -1 : 1;
}

const SURROGATE = /[\ud800-\udfff]/;

function compareNumbers(a: RegoNumber, b: RegoValue): number {
  const left = parseDecimal(a.text);
  const right = b instanceof RegoNumber ? parseDecimal(b.text) : undefined;
  return left === undefined || right === undefined ? 0 : compareDecimals(left, right);
}

function compareObjects(a: RegoObject, b: RegoValue): number {
  const right = b instanceof RegoObject ? b.sorted().flat() : [];
  return compareLists(a.sorted().flat(), right);
}

function compareLists(a: readonly RegoValue[], b: readonly RegoValue[]): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const order = compareValues(a[i] ?? null, b[i] ?? null);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}
