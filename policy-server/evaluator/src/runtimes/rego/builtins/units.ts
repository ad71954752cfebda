import { RegoNumber } from '../value.ts';
import { type Builtin, BuiltinError, stringOperand } from './builtin.ts';

export const unitsBuiltins: Readonly<Record<string, Builtin>> = {
  'units.parse': (operands) => parseUnits(stringOperand(operands, 0)),
  'units.parse_bytes': (operands) => parseBytes(stringOperand(operands, 0)),
};

const PREFIXES = ['k', 'm', 'g', 't', 'p', 'e'];

/** As in OPA. */
const LONG_EXPONENT = /e[+-]?\d{7,}/i;
/** No quantity reaches that far, and what is read is also computed. */
const MAX_EXPONENT = 4096;
const MAX_DIGITS = 4096;

/** A quantity as `numerator` / 10^`scale`. */
interface Rational {
  readonly numerator: bigint;
  readonly scale: number;
}

/** Kubernetes' quantities: `100m`, `1.5Gi`; case tells milli from mega. */
function parseUnits(text: string): RegoNumber {
  const { amount, unit } = readQuantity(text.replaceAll('"', ''), 'units.parse', 'amount');
  if (unit === 'm') return printRational({ numerator: amount.numerator, scale: amount.scale + 3 });
  const factor = unit === '' ? 1n : unitFactor(unit);
  if (factor === undefined) throw new BuiltinError(`units.parse: unit ${foldTail(unit)} not recognized`);
  return printRational({ numerator: amount.numerator * factor, scale: amount.scale });
}

function unitFactor(unit: string): bigint | undefined {
  const [letter = '', ...rest] = unit;
  const power = PREFIXES.indexOf(letter.toLowerCase()) + 1;
  const tail = rest.join('').toLowerCase();
  if (power === 0 || (tail !== '' && tail !== 'i')) return undefined;
  return tail === 'i' ? 1024n ** BigInt(power) : 1000n ** BigInt(power);
}

function foldTail(unit: string): string {
  return unit.slice(0, 1) + unit.slice(1).toLowerCase();
}

/** Sizes in bytes: `10KB`, `1.5GiB`, `3m`; fractions of a byte are dropped. */
function parseBytes(text: string): RegoNumber {
  const { amount, unit } = readQuantity(text.toLowerCase().replaceAll('"', ''), 'units.parse_bytes', 'byte amount');
  const match = /^(?:([kmgtpe])(i?)b?)?$/.exec(unit);
  if (match === null) throw new BuiltinError(`units.parse_bytes: byte unit ${unit} not recognized`);
  const [, letter, binary] = match;
  const power = letter === undefined ? 0 : PREFIXES.indexOf(letter) + 1;
  const total = amount.numerator * (binary === 'i' ? 1024n : 1000n) ** BigInt(power);
  return RegoNumber.of(amount.scale > 0 ? total / 10n ** BigInt(amount.scale) : total * 10n ** BigInt(-amount.scale));
}

interface Quantity {
  readonly amount: Rational;
  readonly unit: string;
}

function readQuantity(text: string, name: string, noun: string): Quantity {
  if (text.includes(' ')) throw new BuiltinError(`${name}: spaces not allowed in resource strings`);
  // The longest run of number characters; an `e` belongs to it only with an exponent behind.
  const [number = ''] = /^(?:[\d.+-]|e(?=[\d+-]))*/i.exec(text) ?? [];
  if (LONG_EXPONENT.test(number)) throw new BuiltinError(`${name}: exponent too large`);
  if (number === '') throw new BuiltinError(`${name}: no ${noun} provided`);
  const amount = readAmount(number);
  if (amount === undefined) throw new BuiltinError(`${name}: could not parse ${noun} to a number`);
  return { amount, unit: text.slice(number.length) };
}

function readAmount(text: string): Rational | undefined {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?\d+))?$/i.exec(text);
  if (match === null || text.length > MAX_DIGITS) return undefined;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  const scale = fraction.length - Number(exponent);
  if (whole + fraction === '' || Math.abs(scale) > MAX_EXPONENT) return undefined;
  return { numerator: BigInt(`${sign === '-' ? '-' : ''}${whole}${fraction}`), scale };
}

/** An integer where it is one, else ten digits behind the point, halves away from zero. */
function printRational({ numerator, scale }: Rational): RegoNumber {
  if (scale <= 0) return RegoNumber.of(numerator * 10n ** BigInt(-scale));
  const unit = 10n ** BigInt(scale);
  if (numerator % unit === 0n) return RegoNumber.of(numerator / unit);
  const magnitude = numerator < 0n ? -numerator : numerator;
  const scaled = (magnitude * 10n ** 10n * 2n + unit) / (unit * 2n);
  const digits = String(scaled).padStart(11, '0');
  return new RegoNumber(`${numerator < 0n ? '-' : ''}${digits.slice(0, -10)}.${digits.slice(-10)}`);
}
