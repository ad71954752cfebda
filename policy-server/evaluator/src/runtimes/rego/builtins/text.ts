import { countStep } from '../interruption.ts';
import { isArray, RegoNumber, RegoSet, type RegoValue, typeName } from '../value.ts';
import { type Builtin, BuiltinError, countOperand, operand, stringOperand } from './builtin.ts';

/** Strings, globs and tracing. */
export const textBuiltins: Readonly<Record<string, Builtin>> = {
  trace: (operands, context) => {
    context.trace(stringOperand(operands, 0));
    return true;
  },
  'glob.quote_meta': (operands) => stringOperand(operands, 0).replace(/[*?\\[\]{}]/g, '\\$&'),
  indexof_n: (operands) => indexesOf(stringOperand(operands, 0), stringOperand(operands, 1)),
  'strings.count': (operands) => RegoNumber.of(countOf(stringOperand(operands, 0), stringOperand(operands, 1))),
  'strings.reverse': (operands) => Array.from(stringOperand(operands, 0)).reverse().join(''),
  'strings.split_n': (operands) =>
    splitN(stringOperand(operands, 0), stringOperand(operands, 1), countOperand(operands, 2)),
  'strings.any_prefix_match': (operands) => anyPrefix(textsOperand(operands, 0), textsOperand(operands, 1)),
  'strings.any_suffix_match': (operands) =>
    anyPrefix(textsOperand(operands, 0).map(reversed), textsOperand(operands, 1).map(reversed)),
};

/** Every position, overlapping ones too, counted in characters. */
function indexesOf(text: string, search: string): RegoValue {
  if (search === '') throw new BuiltinError('empty search character');
  const found: RegoValue[] = [];
  let characters = 0;
  let counted = 0;
  for (let at = text.indexOf(search); at !== -1; at = text.indexOf(search, at + 1)) {
    countStep();
    for (; counted < at; counted += (text.codePointAt(counted) ?? 0) > 0xffff ? 2 : 1) characters++;
    found.push(RegoNumber.of(characters));
  }
  return found;
}

/** Without overlaps; the empty text lies between all characters and at both ends. */
function countOf(text: string, search: string): number {
  return search === '' ? Array.from(text).length + 1 : text.split(search).length - 1;
}

/** The first `count` pieces, or the last ones for a negative count; as Go, an empty delimiter splits into characters. */
function splitN(text: string, delimiter: string, count: number): RegoValue {
  const pieces = delimiter === '' ? Array.from(text) : text.split(delimiter);
  return count >= 0 ? pieces.slice(0, count) : pieces.slice(Math.max(pieces.length + count, 0));
}

function textsOperand(operands: readonly (RegoValue | undefined)[], index: number): string[] {
  const value = operand(operands, index);
  if (typeof value === 'string') return [value];
  const items = value instanceof RegoSet ? value.sorted() : value;
  if (!isArray(items)) {
    throw new BuiltinError(`operand ${index + 1} must be one of {string, set, array} but got ${typeName(value)}`);
  }
  return items.map((item) => {
    if (typeof item === 'string') return item;
    const type = typeName(value);
    throw new BuiltinError(
      `operand ${index + 1} must be ${type} of strings but got ${type} containing ${typeName(item)}`,
    );
  });
}

function reversed(text: string): string {
  return text.split('').reverse().join('');
}

/** Texts with a common prefix lie next to each other when sorted: one search per prefix, never all pairs. */
function anyPrefix(texts: string[], prefixes: readonly string[]): boolean {
  const sorted = texts.toSorted((a, b) => Number(a > b) - Number(a < b));
  return prefixes.some((prefix) => {
    let low = 0;
    for (let high = sorted.length; low < high;) {
      const middle = (low + high) >>> 1;
      if ((sorted[middle] ?? '') < prefix) low = middle + 1;
      else high = middle;
    }
    return sorted[low]?.startsWith(prefix) ?? false;
  });
}
