const MIN_I64 = -(2n ** 63n);
const MAX_U64 = 2n ** 64n - 1n;

/** A literal that no 64-bit number can hold, such as `1e400`. */
export class NumberRangeError extends RangeError {}

/**
 * A JSON number as policies see it: integers from −2^63 to 2^64−1 are exact, everything else is a 64-bit float that is
 * written in its shortest form and keeps a mark of being one (`1e3` is `1000.0`). `1` and `1.0` are different numbers.
 */
export class JsonNumber {
  /** The canonical spelling. */
  readonly text: string;

  /**
   * @param literal - any JSON number literal.
   * @throws SyntaxError when it is none, RangeError when it is beyond a 64-bit float.
   */
  constructor(literal: string) {
    this.text = isShortInteger(literal) ? literal : canonicalNumber(literal);
  }

  /** From a JavaScript number or bigint; a whole number becomes an integer. */
  static from(value: number | bigint): JsonNumber {
    if (typeof value === 'bigint' || Number.isSafeInteger(value)) return new JsonNumber(String(value));
    if (!Number.isFinite(value)) throw new NumberRangeError(`${value} is not a JSON number`);
    return new JsonNumber(formatFloat(value));
  }

  /** True for exact integers; `1.0` is a float. */
  get isInteger(): boolean {
    return !/[.e]/.test(this.text);
  }

  /** The nearest JavaScript number; integers beyond 2^53 lose digits. */
  toNumber(): number {
    return Number(this.text);
  }

  /** The exact integer, `undefined` for floats. */
  toBigInt(): bigint | undefined {
    return this.isInteger ? BigInt(this.text) : undefined;
  }
}

/** Nearly every number of an AdmissionReview: up to 15 digits, no sign, no leading zero. */
function isShortInteger(literal: string): boolean {
  const { length } = literal;
  if (length === 0 || length > 15 || (length > 1 && literal.charCodeAt(0) === 0x30)) return false;
  for (let i = 0; i < length; i++) {
    const unit = literal.charCodeAt(i);
    if (unit < 0x30 || unit > 0x39) return false;
  }
  return true;
}

function canonicalNumber(literal: string): string {
  if (!/^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/.test(literal)) {
    throw new SyntaxError(`not a JSON number: ${JSON.stringify(literal.slice(0, 64))}`);
  }
  const isInteger = /^-?[0-9]{1,20}$/.test(literal) && literal !== '-0';
  if (isInteger) {
    const exact = BigInt(literal);
    if (exact >= MIN_I64 && exact <= MAX_U64) return literal;
  }
  const float = Number(literal);
  if (!Number.isFinite(float)) throw new NumberRangeError('number out of range');
  return formatFloat(float);
}

/** Shortest digits that round-trip; plain notation from 1e-5 up to 1e16, always with a point or an exponent. */
function formatFloat(value: number): string {
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0';
  const size = Math.abs(value);
  if (size < 1e-5 || size >= 1e16) return value.toExponential();
  const plain = String(value);
  return plain.includes('.') ? plain : `${plain}.0`;
}
