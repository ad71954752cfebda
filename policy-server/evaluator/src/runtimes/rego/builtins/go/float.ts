/** A finite number in decimal: 0.`digits` × 10^`point`; no trailing zeros, no digits for zero. */
interface Digits {
  readonly digits: string;
  readonly point: number;
}

interface Bits {
  readonly mantissa: bigint;
  readonly exponent: number;
}

/** Formats of Go's `strconv.FormatFloat`. */
export type FloatFormat = 'e' | 'f' | 'g' | 'b' | 'x';

/** Writes the absolute value of a number. `precision` −1 asks for the fewest digits that read back as the same number. */
export function formatFloat(value: number, format: FloatFormat, precision: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : 'Inf';
  const magnitude = Math.abs(value);
  switch (format) {
    case 'b': {
      const { mantissa, exponent } = bitsOf(magnitude);
      return `${mantissa}p${exponent < 0 ? '' : '+'}${exponent}`;
    }
    case 'x':
      return hexadecimal(magnitude, precision);
    case 'e':
      return scientific(precision < 0 ? shortest(magnitude) : rounded(exact(magnitude), precision + 1), precision);
    case 'f': {
      const digits = precision < 0 ? shortest(magnitude) : exact(magnitude);
      return plain(precision < 0 ? digits : rounded(digits, digits.point + precision), precision);
    }
    case 'g':
      return general(magnitude, precision);
  }
}

function general(magnitude: number, precision: number): string {
  const wanted = precision === 0 ? 1 : precision;
  const value = wanted < 0 ? shortest(magnitude) : rounded(exact(magnitude), wanted);
  const { digits, point } = value;
  let threshold = wanted;
  if (threshold > digits.length && digits.length >= point) threshold = digits.length;
  if (wanted < 0) threshold = 6;
  const exponent = point - 1;
  const trimmed = digits.length - 1;
  if (exponent < -4 || exponent >= threshold) return scientific(value, wanted < 0 ? -1 : Math.min(wanted - 1, trimmed));
  return plain(value, Math.max(digits.length - point, 0));
}

function scientific({ digits, point }: Digits, precision: number): string {
  const fraction = digits.slice(1).padEnd(Math.max(precision, 0), '0');
  const exponent = digits === '' ? 0 : point - 1;
  const power = String(Math.abs(exponent)).padStart(2, '0');
  return `${digits[0] ?? '0'}${fraction === '' ? '' : `.${fraction}`}e${exponent < 0 ? '-' : '+'}${power}`;
}

function plain({ digits, point }: Digits, precision: number): string {
  const whole = point > 0 ? digits.slice(0, point).padEnd(point, '0') : '0';
  const fraction = point >= 0 ? digits.slice(point) : '0'.repeat(-point) + digits;
  const wanted = precision < 0 ? fraction : fraction.slice(0, precision).padEnd(precision, '0');
  return wanted === '' ? whole : `${whole}.${wanted}`;
}

function shortest(magnitude: number): Digits {
  const [mantissa = '', exponent = '0'] = magnitude.toExponential().split('e');
  const digits = mantissa.replace('.', '').replace(/0+$/, '');
  return { digits, point: digits === '' ? 0 : Number(exponent) + 1 };
}

/** Every digit of the number: m × 2^−k is m × 5^k / 10^k, at most 767 digits that are not leading zeros. */
function exact(magnitude: number): Digits {
  const { mantissa, exponent } = bitsOf(magnitude);
  if (mantissa === 0n) return { digits: '', point: 0 };
  const shift = BigInt(Math.abs(exponent));
  const text = exponent >= 0 ? String(mantissa << shift) : String(mantissa * 5n ** shift);
  return { digits: text.replace(/0+$/, ''), point: exponent >= 0 ? text.length : text.length + exponent };
}

/** Rounds to `count` digits, halves to the even digit. */
function rounded({ digits, point }: Digits, count: number): Digits {
  if (count >= digits.length) return { digits, point };
  if (count < 0) return { digits: '', point: 0 };
  const kept = digits.slice(0, count);
  const tail = digits.slice(count);
  const isHalf = /^50*$/.test(tail);
  const isOdd = Number(kept.at(-1) ?? '0') % 2 === 1;
  const up = isHalf ? isOdd : tail >= '5';
  if (!up) {
    const trimmed = kept.replace(/0+$/, '');
    return { digits: trimmed, point: trimmed === '' ? 0 : point };
  }
  const raised = String(BigInt(kept === '' ? '0' : kept) + 1n).padStart(count, '0');
  return { digits: raised.replace(/0+$/, ''), point: point + raised.length - count };
}

/** The number as mantissa × 2^exponent. */
function bitsOf(magnitude: number): Bits {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, magnitude);
  const raw = view.getBigUint64(0);
  const exponent = Number((raw >> 52n) & 0x7ffn);
  const fraction = raw & 0xf_ffff_ffff_ffffn;
  return exponent === 0
    ? { mantissa: fraction, exponent: -1074 }
    : { mantissa: fraction | (1n << 52n), exponent: exponent - 1075 };
}

/** `0x1.8p+01`: one binary digit before the point, then hexadecimal ones. */
function hexadecimal(magnitude: number, precision: number): string {
  let { mantissa, exponent } = bitsOf(magnitude);
  if (mantissa === 0n) return `0x0${precision > 0 ? `.${'0'.repeat(precision)}` : ''}p+00`;
  while (mantissa >> 52n === 0n) {
    mantissa <<= 1n;
    exponent--;
  }
  if (precision >= 0 && precision < 13) {
    const unit = 1n << BigInt(4 * (13 - precision));
    const remainder = mantissa % unit;
    mantissa -= remainder;
    if (remainder * 2n > unit || (remainder * 2n === unit && (mantissa / unit) % 2n === 1n)) mantissa += unit;
    if (mantissa >> 53n !== 0n) {
      mantissa >>= 1n;
      exponent++;
    }
  }
  const all = (mantissa & 0xf_ffff_ffff_ffffn).toString(16).padStart(13, '0');
  const fraction = precision < 0 ? all.replace(/0+$/, '') : all.slice(0, precision).padEnd(precision, '0');
  const power = exponent + 52;
  return `0x1${fraction === '' ? '' : `.${fraction}`}p${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
}
