import { JsonNumber } from '@portcullis/protocol';

/** A scalar as the YAML library resolved it by the 1.2 core schema, and how it was written. */
export interface ScalarText {
  readonly value: unknown;
  /** Absent for quoted scalars. */
  readonly plain: string | undefined;
}

/**
 * A scalar in the JSON model: integers keep all their digits, floats keep being floats, `017` is the text it looks like
 * (a file mode, a version), not a number. `undefined` when JSON has no such value (`.nan`, `.inf`).
 */
export function jsonScalar({ value, plain }: ScalarText): null | boolean | string | JsonNumber | undefined {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
  if (plain !== undefined && /^[-+]?0\d/.test(plain)) return plain;
  if (typeof value === 'bigint') return new JsonNumber(String(value));
  if (typeof value !== 'number' || !Number.isFinite(value)) return undefined;
  if (Object.is(value, -0)) return new JsonNumber('-0.0');
  // An exponent makes the literal a float, also where its value is whole: 1.0 in the file is 1.0 for the policy.
  return new JsonNumber(value.toExponential());
}
