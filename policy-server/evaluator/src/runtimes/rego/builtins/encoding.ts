import { countStep } from '../interruption.ts';
import { isArray, RegoObject, RegoSet, type RegoValue } from '../value.ts';
import { printValue } from '../value-text.ts';
import { type Builtin, BuiltinError, objectOperand, stringOperand } from './builtin.ts';

/** base64url, hexadecimal and URL query encodings. */
export const encodingBuiltins: Readonly<Record<string, Builtin>> = {
  'base64url.encode_no_pad': (operands) => Buffer.from(stringOperand(operands, 0)).toString('base64url'),
  'hex.encode': (operands) => Buffer.from(stringOperand(operands, 0)).toString('hex'),
  'hex.decode': (operands) => decodeHex(stringOperand(operands, 0)),
  'urlquery.encode': (operands) => encodeQuery(stringOperand(operands, 0)),
  'urlquery.decode': (operands) => decodeQuery(stringOperand(operands, 0)),
  'urlquery.encode_object': (operands) => encodeQueryObject(objectOperand(operands, 0)),
  'urlquery.decode_object': (operands) => decodeQueryObject(stringOperand(operands, 0)),
};

function decodeHex(text: string): string {
  const bad = /[^0-9a-fA-F]/u.exec(text);
  if (bad !== null) {
    // Go works on bytes: the first one of the offending character is named.
    const byte = Buffer.from(bad[0])[0] ?? 0;
    const code = byte.toString(16).toUpperCase().padStart(4, '0');
    throw new BuiltinError(`encoding/hex: invalid byte: U+${code} '${String.fromCharCode(byte)}'`);
  }
  if (text.length % 2 === 1) throw new BuiltinError('encoding/hex: odd length hex string');
  return Buffer.from(text, 'hex').toString();
}

/** application/x-www-form-urlencoded as Go's `url.QueryEscape` has it: all but letters, digits and `-_.~`. */
function encodeQuery(text: string): string {
  const escaped = encodeURIComponent(text.toWellFormed());
  return escaped
    .replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+');
}

function decodeQuery(text: string): string {
  const bad = /%(?![0-9a-fA-F]{2})/.exec(text);
  if (bad !== null) {
    const fragment = text.slice(bad.index, bad.index + 3);
    throw new BuiltinError(`invalid URL escape ${JSON.stringify(fragment)}`);
  }
  const bytes: Buffer[] = [];
  for (const [part] of text.matchAll(/(?:%[0-9a-fA-F]{2})+|[^%]+/g)) {
    countStep();
    bytes.push(
      part.startsWith('%') ? Buffer.from(part.replaceAll('%', ''), 'hex') : Buffer.from(part.replaceAll('+', ' ')),
    );
  }
  return Buffer.concat(bytes).toString();
}

function encodeQueryObject(object: RegoObject): string {
  const named = [...object.entries()].map(([key, value]) => ({
    name: typeof key === 'string' ? key : printValue(key, 'json'),
    values: queryValues(value),
  }));
  named.sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
  return named
    .flatMap(({ name, values }) => values.map((value) => `${encodeQuery(name)}=${encodeQuery(value)}`))
    .join('&');
}

function queryValues(value: RegoValue): string[] {
  const values = value instanceof RegoSet ? value.sorted() : value;
  if (typeof values === 'string') return [values];
  if (isArray(values)) {
    return values.map((item) => (typeof item === 'string' ? item : refuseQueryValue()));
  }
  return refuseQueryValue();
}

function refuseQueryValue(): never {
  throw new BuiltinError('operand 1 values must be string, array[string], or set[string]');
}

function decodeQueryObject(text: string): RegoObject {
  const values = new Map<string, string[]>();
  for (const pair of text.split('&')) {
    countStep();
    if (pair.includes(';')) throw new BuiltinError('invalid semicolon separator in query');
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = decodeQuery(equals === -1 ? pair : pair.slice(0, equals));
    const value = equals === -1 ? '' : decodeQuery(pair.slice(equals + 1));
    const known = values.get(name);
    if (known === undefined) values.set(name, [value]);
    else known.push(value);
  }
  return new RegoObject(values);
}
