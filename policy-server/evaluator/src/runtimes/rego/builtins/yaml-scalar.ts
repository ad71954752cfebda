import { RegoNumber, type RegoValue } from '../value.ts';
import { BuiltinError } from './builtin.ts';

const MIN_I64 = -(2n ** 63n);
const MAX_U64 = 2n ** 64n - 1n;

const WORDS: ReadonlyMap<string, RegoValue> = new Map<string, RegoValue>([
  ['', null],
  ['~', null],
  ['null', null],
  ['Null', null],
  ['NULL', null],
  ['true', true],
  ['True', true],
  ['TRUE', true],
  ['false', false],
  ['False', false],
  ['FALSE', false],
]);

const INFINITE = /^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;
const FLOAT = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/;
const INTEGER = /^([-+]?)(?:0x([0-9a-fA-F]+)|0b([01]+)|0o?([0-7]+)|(0|[1-9][0-9]*))$/;
/** Longer ones are no 64-bit numbers. */
const MAX_INTEGER_LENGTH = 80;

interface Style {
  readonly plain: boolean;
  readonly tag: string | undefined;
}

/** A scalar as go-yaml v3 reads it: YAML 1.2 words and numbers, octal `0777` of YAML 1.1 too; dates are texts. */
export function resolveScalar(text: string, { plain, tag }: Style): RegoValue {
  const kind = tag?.replace('tag:yaml.org,2002:', '');
  switch (kind) {
    case undefined:
      return plain ? resolvePlain(text) : text;
    case 'binary':
      return Buffer.from(text, 'base64').toString();
    case 'null':
    case 'bool':
    case 'int':
    case 'float':
      return resolveAs(text, kind);
    default:
      return text;
  }
}

function resolvePlain(text: string): RegoValue {
  const word = WORDS.get(text);
  if (word !== undefined) return word;
  if (INFINITE.test(text)) throw new BuiltinError(`json: unsupported value: ${text}`);
  return /^[-+.0-9]/.test(text) ? (resolveNumber(text) ?? text) : text;
}

function resolveNumber(text: string): RegoNumber | undefined {
  const plain = text.replaceAll('_', '');
  const integer = plain.length <= MAX_INTEGER_LENGTH ? INTEGER.exec(plain) : null;
  if (integer !== null) {
    const value = integerValue(integer);
    if (value >= MIN_I64 && value <= MAX_U64) return RegoNumber.of(value);
  }
  if (!FLOAT.test(plain)) return undefined;
  const float = Number(plain);
  return Number.isFinite(float) ? RegoNumber.of(Object.is(float, -0) ? 0 : float) : undefined;
}

function integerValue([, sign, hexadecimal, binary, octal, decimal = '0']: RegExpExecArray): bigint {
  let literal = decimal;
  if (hexadecimal !== undefined) literal = `0x${hexadecimal}`;
  else if (binary !== undefined) literal = `0b${binary}`;
  else if (octal !== undefined) literal = `0o${octal}`;
  return sign === '-' ? -BigInt(literal) : BigInt(literal);
}

function resolveAs(text: string, kind: 'null' | 'bool' | 'int' | 'float'): RegoValue {
  const value = resolvePlain(text);
  const fits = {
    null: value === null,
    bool: typeof value === 'boolean',
    int: value instanceof RegoNumber && value.toInteger() !== undefined,
    float: value instanceof RegoNumber,
  };
  if (!fits[kind]) throw new BuiltinError(`yaml: cannot decode ${JSON.stringify(text)} as a !!${kind}`);
  return value;
}

/** Texts that an older or laxer reader would take for something else. */
const OLD_WORDS = /^(?:y|Y|yes|Yes|YES|on|On|ON|n|N|no|No|NO|off|Off|OFF|<<)$/;
const SEXAGESIMAL = /^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$/;
const DATE = /^\d{4}-\d\d?-\d\d?(?:[Tt\s]|$)/;

/** Whether a text must be quoted to stay one. */
export function looksLikeAnother(text: string): boolean {
  if (WORDS.has(text) || INFINITE.test(text) || OLD_WORDS.test(text) || SEXAGESIMAL.test(text) || DATE.test(text))
    return true;
  return /^[-+.0-9]/.test(text) && resolveNumber(text) !== undefined;
}
