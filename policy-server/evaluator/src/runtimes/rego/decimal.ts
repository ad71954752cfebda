/** A decimal number without loss: `coefficient` × 10^`exponent`, no trailing zeros in the coefficient. */
export interface Decimal {
  readonly coefficient: bigint;
  readonly exponent: number;
}

const NUMBER = /^(-?)(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/;

/** BigInt arithmetic grows faster than linearly: longer spellings are refused, no policy counts that far. */
const MAX_DIGITS = 4096;
const MAX_EXPONENT = 1_000_000_000;

/** Reads the spelling of a number as OPA prints it; `undefined` when it is none or absurdly long. */
export function parseDecimal(text: string): Decimal | undefined {
  if (text.length > MAX_DIGITS) return undefined;
  const match = NUMBER.exec(text);
  if (match === null) return undefined;
  const [, sign = '', whole = '', fraction = '', power = '0'] = match;
  const digits = (whole + fraction).replace(/0+$/, '');
  if (/^0*$/.test(digits)) return { coefficient: 0n, exponent: 0 };
  const exponent = Number(power) + whole.length - digits.length;
  if (Math.abs(exponent) > MAX_EXPONENT) return undefined;
  return { coefficient: BigInt(sign + digits), exponent };
}

/** The exact integer, `undefined` for fractions and for integers too long to write down. */
export function integerOf({ coefficient, exponent }: Decimal): bigint | undefined {
  if (exponent < 0 || exponent > MAX_DIGITS) return undefined;
  return coefficient * 10n ** BigInt(exponent);
}

export function compareDecimals(a: Decimal, b: Decimal): number {
  const signs = signOf(a) - signOf(b);
  if (signs !== 0 || a.coefficient === 0n) return signs;
  // Numbers of different magnitude are told apart without ever being written out.
  const magnitudes = magnitudeOf(a) - magnitudeOf(b);
  if (magnitudes !== 0) return magnitudes * signOf(a);
  const shared = Math.min(a.exponent, b.exponent);
  const left = a.coefficient * 10n ** BigInt(a.exponent - shared);
  const right = b.coefficient * 10n ** BigInt(b.exponent - shared);
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

function signOf({ coefficient }: Decimal): number {
  if (coefficient === 0n) return 0;
  return coefficient < 0n ? -1 : 1;
}

function magnitudeOf({ coefficient, exponent }: Decimal): number {
  return (coefficient < 0n ? -coefficient : coefficient).toString().length + exponent;
}
