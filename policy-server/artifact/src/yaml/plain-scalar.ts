import { JsonNumber } from '@portcullis/protocol';
import { YamlError } from './node.ts';

const NULLS = new Set(['', '~', 'null', 'Null', 'NULL']);
const TRUES = new Set(['true', 'True', 'TRUE']);
const FALSES = new Set(['false', 'False', 'FALSE']);
const INFINITE_OR_NAN = /^(?:[+-]?\.(?:inf|Inf|INF)|\.nan|\.NaN|\.NAN)$/;
const DECIMAL = /^[+-]?\d+$/;
const RADIX = /^([+-]?)0([xob])([0-9a-fA-F]+)$/;
const LEADING_ZERO = /^[+-]?0\d+$/;
const FLOAT = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

const MIN_I64 = -(2n ** 63n);
const MAX_U64 = 2n ** 64n - 1n;
const MIN_I128 = -(2n ** 127n);
const MAX_U128 = 2n ** 128n - 1n;

/** Longer texts are no integers anybody means, and BigInt takes quadratic time to read them. */
const MAX_DIGITS = 200;

/**
 * Resolves an unquoted scalar by the YAML 1.2 core schema as serde_yaml applies it: `0x1f`, `0o17` and `0b11` are
 * integers, `017`, `1_000`, `yes` and dates are text, `.nan` and `.inf` have no JSON form and become null.
 *
 * @throws YamlError for integers that fit 128 bits but not 64
 */
export function resolvePlainScalar(text: string): null | boolean | string | JsonNumber {
  if (NULLS.has(text) || INFINITE_OR_NAN.test(text)) return null;
  if (TRUES.has(text)) return true;
  if (FALSES.has(text)) return false;
  const integer = parseInteger(text);
  if (integer !== undefined) {
    if (integer >= MIN_I64 && integer <= MAX_U64) return new JsonNumber(integer.toString());
    if (integer >= MIN_I128 && integer <= MAX_U128) throw new YamlError('JSON number out of range');
  }
  if (FLOAT.test(text) && !LEADING_ZERO.test(text)) return resolveFloat(Number(text), text);
  return text;
}

/** True when an unquoted `text` would be read as something else than text. */
export function isAmbiguous(text: string): boolean {
  if (NULLS.has(text) || INFINITE_OR_NAN.test(text) || TRUES.has(text) || FALSES.has(text)) return true;
  if (LEADING_ZERO.test(text) || parseInteger(text) !== undefined) return true;
  return FLOAT.test(text) && Number.isFinite(Number(text));
}

function parseInteger(text: string): bigint | undefined {
  if (text.length > MAX_DIGITS || LEADING_ZERO.test(text)) return undefined;
  if (DECIMAL.test(text)) return BigInt(text.startsWith('+') ? text.slice(1) : text);
  const match = RADIX.exec(text);
  if (match === null) return undefined;
  try {
    const magnitude = BigInt(`0${match[2]}${match[3]}`);
    return match[1] === '-' ? -magnitude : magnitude;
  } catch {
    return undefined; // digits that the radix does not have, as in 0o9
  }
}

function resolveFloat(value: number, text: string): string | JsonNumber {
  if (!Number.isFinite(value)) return text;
  const shortest = Object.is(value, -0) ? '-0' : String(value);
  return new JsonNumber(/[.e]/.test(shortest) ? shortest : `${shortest}.0`);
}
