import { createSchema, mismatch, refuse } from './schema.ts';
import type { Schema } from './schema.ts';

export interface StringLimits {
  /** @default 0 */
  readonly minLength?: number;
  /**
   * In UTF-16 code units.
   *
   * @default 4096
   */
  readonly maxLength?: number;
}

export interface NumberLimits {
  readonly min?: number;
  readonly max?: number;
}

export function string({ minLength = 0, maxLength = 4096 }: StringLimits = {}): Schema<string> {
  return createSchema((value, site) => {
    if (typeof value !== 'string') return mismatch(site, 'a string', value);
    if (value.length < minLength) {
      return refuse(site, minLength === 1 ? 'must not be empty' : `must have at least ${minLength} characters`);
    }
    if (value.length > maxLength) return refuse(site, `must have at most ${maxLength} characters, has ${value.length}`);
    return { value };
  });
}

export function boolean(): Schema<boolean> {
  return createSchema((value, site) =>
    typeof value === 'boolean' ? { value } : mismatch(site, 'true or false', value),
  );
}

export function number(limits: NumberLimits = {}): Schema<number> {
  return createSchema((value, site) => {
    if (typeof value !== 'number') return mismatch(site, 'a number', value);
    const { min = -Infinity, max = Infinity } = limits;
    return value < min || value > max ? refuse(site, `must be ${describeRange(limits)}`) : { value };
  });
}

/** An integer that JavaScript holds exactly. */
export function integer(limits: NumberLimits = {}): Schema<number> {
  return number(limits).check((value) =>
    Number.isSafeInteger(value) ? undefined : 'must be an integer between -(2^53 - 1) and 2^53 - 1',
  );
}

/** One of a fixed set of strings. */
export function oneOf<const Value extends string>(...values: readonly [Value, ...Value[]]): Schema<Value> {
  const expected = `one of ${values.map((value) => JSON.stringify(value)).join(', ')}`;
  return createSchema((value, site) => {
    if (typeof value !== 'string') return mismatch(site, expected, value);
    const found = values.find((candidate) => candidate === value);
    return found === undefined ? refuse(site, `must be ${expected}`) : { value: found };
  });
}

function describeRange({ min, max }: NumberLimits): string {
  if (min === undefined) return `at most ${max}`;
  return max === undefined ? `at least ${min}` : `between ${min} and ${max}`;
}
