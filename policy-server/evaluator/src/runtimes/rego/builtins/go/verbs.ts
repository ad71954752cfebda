import { type FloatFormat, formatFloat } from './float.ts';
import { isPrintable, quoteCharacter, quoteText } from './quote.ts';

/** An argument as OPA hands it to Go's fmt. */
export type GoArgument =
  | { readonly type: 'int64' | '*big.Int'; readonly value: bigint }
  | { readonly type: 'float64'; readonly value: number }
  | { readonly type: 'string'; readonly value: string };

/** What stands between `%` and the verb. */
export interface Directive {
  plus: boolean;
  minus: boolean;
  sharp: boolean;
  space: boolean;
  zero: boolean;
  width: number | undefined;
  precision: number | undefined;
}

/** One argument under one verb; a verb that does not fit is shown as `%!verb(type=value)`, as in Go. */
export function formatArgument(argument: GoArgument, verb: string, given: Directive): string {
  if (verb === 'T') return pad(truncate(argument.type, given), given);
  if (argument.type === '*big.Int') {
    // math/big formats by rules of its own and writes its refusals itself.
    return formatBigInteger(argument.value, verb, given) ?? `%!${verb}(big.Int=${argument.value})`;
  }
  if (verb !== 'v' && verb !== 'w') {
    return formatFitting(argument, verb, given) ?? badVerb(argument, verb, formatFitting(argument, 'v', given));
  }
  // `%+v` and `%#v` ask for Go syntax: only texts have one that differs. `%w` shares their flags and is no verb here.
  const text = formatFitting(argument, given.sharp ? '#v' : 'v', { ...given, plus: false, sharp: false });
  return verb === 'v' ? (text ?? '') : badVerb(argument, verb, text);
}

function badVerb({ type }: GoArgument, verb: string, text = ''): string {
  return `%!${verb}(${type}=${text})`;
}

function formatFitting(argument: GoArgument, verb: string, directive: Directive): string | undefined {
  switch (argument.type) {
    case 'string':
      return formatText(argument.value, verb, directive);
    case 'float64':
      return formatNumber(argument.value, verb.replace('#', ''), directive);
    case 'int64':
    case '*big.Int':
      return formatInteger(argument.value, verb.replace('#', ''), directive);
  }
}

function formatText(value: string, verb: string, directive: Directive): string | undefined {
  if (verb === 'q' || verb === '#v') {
    const text = truncate(value, directive);
    if (directive.sharp && canBackquote(text)) return pad(`\`${text}\``, directive);
    return pad(quoteText(text, directive.plus), directive);
  }
  if (verb === 'v' || verb === 's') return pad(truncate(value, directive), directive);
  if (verb === 'x' || verb === 'X') return formatHexText(value, verb, directive);
  return undefined;
}

function canBackquote(text: string): boolean {
  return !/[`\p{Cc}\ufeff]/u.test(text.replaceAll('\t', ''));
}

function formatHexText(value: string, verb: 'x' | 'X', directive: Directive): string {
  const bytes = Buffer.from(value).subarray(0, directive.precision);
  if (bytes.length === 0) return padding(directive.width ?? 0, directive);
  const prefix = directive.sharp ? `0${verb}` : '';
  const digits = bytes.toString('hex');
  const text = verb === 'X' ? digits.toUpperCase() : digits;
  const pairs = text.match(/../g) ?? [];
  return pad(directive.space ? pairs.map((pair) => prefix + pair).join(' ') : prefix + text, directive);
}

const INTEGER_BASES = new Map([
  ['v', 10],
  ['d', 10],
  ['b', 2],
  ['o', 8],
  ['O', 8],
  ['x', 16],
  ['X', 16],
]);

function formatInteger(value: bigint, verb: string, directive: Directive): string | undefined {
  const base = INTEGER_BASES.get(verb);
  if (base !== undefined) return formatInBase(value, verb, base, directive);
  if (verb === 'c') return pad(characterOf(value), directive);
  if (verb === 'q') return pad(quoteCharacter(characterOf(value), directive.plus), directive);
  return verb === 'U' ? formatCodePoint(value, directive) : undefined;
}

function formatInBase(value: bigint, verb: string, base: number, directive: Directive): string {
  const spaces = { ...directive, zero: false };
  if (directive.precision === 0 && value === 0n) return padding(directive.width ?? 0, spaces);
  const sign = signOf(value < 0n, directive);
  const { width = 0, precision } = directive;
  const filled = directive.zero && !directive.minus ? width - sign.length : 0;
  const digits = digitsOf(value, verb, base).padStart(precision ?? filled, '0');
  return pad(sign + basePrefix(verb, digits, directive) + digits, spaces);
}

function basePrefix(verb: string, digits: string, directive: Directive): string {
  if (verb === 'O') return directive.sharp && !digits.startsWith('0') ? '0o0' : '0o';
  if (!directive.sharp) return '';
  if (verb === 'b') return '0b';
  if (verb === 'o') return digits.startsWith('0') ? '' : '0';
  return verb === 'x' || verb === 'X' ? `0${verb}` : '';
}

/** `math/big` formats by its own rules: zeros come after the prefix, `%s` is a verb too. */
function formatBigInteger(value: bigint, verb: string, directive: Directive): string | undefined {
  const base = verb === 's' ? 10 : INTEGER_BASES.get(verb);
  if (base === undefined) return undefined;
  const { width = 0, precision, minus, zero, sharp } = directive;
  const digits = digitsOf(value, verb, base).padStart(precision ?? 0, '0');
  const prefixes: Readonly<Record<string, string>> = { b: '0b', o: '0', x: '0x', X: '0X' };
  const prefix = verb === 'O' ? '0o' : ((sharp ? prefixes[verb] : undefined) ?? '');
  const lead = signOf(value < 0n, directive) + prefix;
  if (minus) return (lead + digits).padEnd(width);
  if (zero && precision === undefined) return lead + digits.padStart(width - lead.length, '0');
  return (lead + digits).padStart(width);
}

function digitsOf(value: bigint, verb: string, base: number): string {
  const digits = (value < 0n ? -value : value).toString(base);
  return verb === 'X' ? digits.toUpperCase() : digits;
}

function signOf(negative: boolean, { plus, space }: Directive): string {
  if (negative) return '-';
  if (plus) return '+';
  return space ? ' ' : '';
}

function characterOf(value: bigint): string {
  const known = value >= 0n && value <= 0x10ffffn && !(value >= 0xd800n && value < 0xe000n);
  return known ? String.fromCodePoint(Number(value)) : '\ufffd';
}

function formatCodePoint(value: bigint, directive: Directive): string {
  const digits = BigInt.asUintN(64, value).toString(16).toUpperCase();
  const text = `U+${digits.padStart(Math.max(directive.precision ?? 4, 4), '0')}`;
  const known = value >= 0n && value <= 0x10ffffn && isPrintable(characterOf(value));
  return pad(directive.sharp && known ? `${text} '${characterOf(value)}'` : text, { ...directive, zero: false });
}

const FLOAT_FORMATS: ReadonlyMap<string, FloatFormat> = new Map([
  ['v', 'g'],
  ['g', 'g'],
  ['G', 'g'],
  ['e', 'e'],
  ['E', 'e'],
  ['f', 'f'],
  ['F', 'f'],
  ['b', 'b'],
  ['x', 'x'],
  ['X', 'x'],
]);

function formatNumber(value: number, verb: string, directive: Directive): string | undefined {
  const format = FLOAT_FORMATS.get(verb);
  if (format === undefined) return undefined;
  const precision = directive.precision ?? (format === 'e' || format === 'f' ? 6 : -1);
  const plain = formatFloat(value, format, precision);
  const marked = directive.sharp && format !== 'b' ? withPoint(plain, verb, precision) : plain;
  const text = /[EGX]/.test(verb) ? marked.toUpperCase() : marked;
  const sign = signOf(value < 0 || Object.is(value, -0), directive);
  const { width = 0, zero, minus } = directive;
  if (zero && !minus) return sign + text.padStart(width - sign.length, '0');
  return pad(sign + text, directive);
}

/** `#`: always a decimal point, and for `%g` as many digits as its precision says. */
function withPoint(text: string, verb: string, precision: number): string {
  const mark = text.includes('p') ? text.indexOf('p') : text.indexOf('e');
  const mantissa = mark === -1 ? text : text.slice(0, mark);
  const tail = mark === -1 ? '' : text.slice(mark);
  let missing = /[vgGx]/.test(verb) ? (precision < 0 ? 6 : precision) : 0;
  const significant = mantissa.replace('.', '').replace(/^0+/, '');
  missing -= significant.length;
  if (mantissa === '0') missing--;
  const pointed = mantissa.includes('.') ? mantissa : `${mantissa}.`;
  return pointed + '0'.repeat(Math.max(missing, 0)) + tail;
}

function truncate(text: string, { precision }: Directive): string {
  if (precision === undefined || text.length <= precision) return text;
  return Array.from(text).slice(0, precision).join('');
}

/** Widths count characters. Zeros fill only from the left. */
function pad(text: string, directive: Directive): string {
  const { width = 0 } = directive;
  if (width === 0) return text;
  const missing = width - (text.length >= width * 2 ? width : Array.from(text).length);
  if (missing <= 0) return text;
  const fill = padding(missing, directive);
  return directive.minus ? text + fill : fill + text;
}

function padding(count: number, { zero, minus }: Directive): string {
  return (zero && !minus ? '0' : ' ').repeat(count);
}
