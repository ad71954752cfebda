import { RegoNumber, RegoObject, RegoSet, type RegoValue } from '../value.ts';
import { printValue } from '../value-text.ts';
import { formatFloat } from './go/float.ts';
import { printKey, printText } from './yaml-text.ts';

/** YAML in the layout of go-yaml v3: two spaces, keys in natural order, no line is folded. */
export function printYaml(value: RegoValue): string {
  return `${print(value, '').trimStart()}\n`;
}

/** A value behind `key:` or `-`, with the space or line break that comes first. `indent` is that of the parent's content. */
function print(value: RegoValue, indent: string): string {
  if (typeof value === 'string') return ` ${printText(value, indent)}`;
  if (value === null || typeof value === 'boolean') return ` ${value}`;
  if (value instanceof RegoNumber) return ` ${numberText(value.text)}`;
  const lines = value instanceof RegoObject ? members(value, indent) : items(value, indent);
  if (lines.length === 0) return value instanceof RegoObject ? ' {}' : ' []';
  return lines.map((line) => `\n${indent}${line}`).join('');
}

function members(object: RegoObject, indent: string): string[] {
  const named = [...object.entries()].map(([key, member]) => ({
    name: typeof key === 'string' ? key : printValue(key, 'json'),
    member,
  }));
  named.sort((a, b) => compareNaturally(a.name, b.name));
  return named.map(({ name, member }) => `${printKey(name, indent)}:${print(member, `${indent}  `)}`);
}

/** The first line of a collection in a list stands next to the dash. */
function items(value: readonly RegoValue[] | RegoSet, indent: string): string[] {
  const list = value instanceof RegoSet ? value.sorted() : value;
  return list.map((item) => `- ${print(item, `${indent}  `).trimStart()}`);
}

const MIN_I64 = -(2n ** 63n);
const MAX_U64 = 2n ** 64n - 1n;

function numberText(text: string): string {
  if (/^-?\d{1,20}$/.test(text)) {
    const integer = BigInt(text);
    if (integer >= MIN_I64 && integer <= MAX_U64) return text;
  }
  const float = Number(text);
  if (!Number.isFinite(float)) return float < 0 ? '-.inf' : '.inf';
  return (float < 0 || Object.is(float, -0) ? '-' : '') + formatFloat(float, 'g', -1);
}

/** go-yaml's order of keys: letters after everything else, runs of digits by their number. */
function compareNaturally(a: string, b: string): number {
  const [left, right] = [Array.from(a), Array.from(b)];
  let afterDigit = false;
  for (let i = 0; i < left.length && i < right.length; i++) {
    const [x = '', y = ''] = [left[i], right[i]];
    if (x === y) {
      afterDigit = isDigit(x);
      continue;
    }
    const [xIsLetter, yIsLetter] = [/\p{L}/u.test(x), /\p{L}/u.test(y)];
    if (xIsLetter && yIsLetter) return comparePlainly(x, y);
    if (xIsLetter || yIsLetter) return (afterDigit ? xIsLetter : yIsLetter) ? -1 : 1;
    return compareNumbers(left, right, i);
  }
  return left.length - right.length;
}

/** Both texts are the same up to `start`. */
function compareNumbers(left: readonly string[], right: readonly string[], start: number): number {
  const x = digitsFrom(left, start);
  const y = digitsFrom(right, start);
  let before = start;
  while (before > 0 && isDigit(left[before - 1] ?? '')) before--;
  const isInside = left.slice(before, start).some((digit) => digit !== '0');
  // Behind other digits zeros count, in front they do not.
  const [xs, ys] = isInside ? [x, y] : [x.replace(/^0+/, ''), y.replace(/^0+/, '')];
  if (xs.length !== ys.length) return xs.length - ys.length;
  if (xs !== ys) return comparePlainly(xs, ys);
  if (x.length !== y.length) return x.length - y.length;
  return comparePlainly(left[start] ?? '', right[start] ?? '');
}

function digitsFrom(symbols: readonly string[], start: number): string {
  let end = start;
  while (isDigit(symbols[end] ?? '')) end++;
  return symbols.slice(start, end).join('');
}

function isDigit(symbol: string): boolean {
  return /^\p{Nd}$/u.test(symbol);
}

function comparePlainly(a: string, b: string): number {
  return (a.codePointAt(0) ?? 0) - (b.codePointAt(0) ?? 0) || Number(a > b) - Number(a < b);
}
