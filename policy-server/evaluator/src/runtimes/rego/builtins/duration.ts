import { BuiltinError } from './builtin.ts';
import { quoteText } from './go/quote.ts';

const UNITS: ReadonlyMap<string, bigint> = new Map([
  ['ns', 1n],
  ['us', 1_000n],
  ['µs', 1_000n],
  ['μs', 1_000n],
  ['ms', 1_000_000n],
  ['s', 1_000_000_000n],
  ['m', 60_000_000_000n],
  ['h', 3_600_000_000_000n],
  // Beyond Go: days, weeks and years of 365 days.
  ['d', 86_400_000_000_000n],
  ['w', 604_800_000_000_000n],
  ['y', 31_536_000_000_000_000n],
]);

/** Longer texts say nothing more, and the digits are computed with. */
const MAX_LENGTH = 256;
const LARGEST = 2n ** 63n;

/** Go's `time.ParseDuration` in nanoseconds: `1h30m`, `-1.5s`, `0`, and OPA's `d`, `w`, `y`. */
export function parseDuration(text: string): bigint {
  const isNegative = text.startsWith('-');
  const body = isNegative || text.startsWith('+') ? text.slice(1) : text;
  if (body === '0') return 0n;
  if (body === '' || text.length > MAX_LENGTH) throw invalid(text);
  let total = 0n;
  for (let rest = body; rest !== '';) {
    const segment = readSegment(rest, text);
    total += segment.ns;
    rest = rest.slice(segment.length);
  }
  if (total > LARGEST || (total === LARGEST && !isNegative)) throw invalid(text);
  return isNegative ? -total : total;
}

/** A number and its unit. */
function readSegment(rest: string, text: string): { ns: bigint; length: number } {
  const [all = '', whole = '', fraction = '', unit = ''] = /^(\d*)(?:\.(\d*))?([^\d.]*)/.exec(rest) ?? [];
  if (whole + fraction === '') throw invalid(text);
  if (unit === '') throw new BuiltinError(`time: missing unit in duration ${quoteText(text)}`);
  const size = UNITS.get(unit);
  if (size === undefined)
    throw new BuiltinError(`time: unknown unit ${quoteText(unit)} in duration ${quoteText(text)}`);
  return { ns: (BigInt(whole + fraction) * size) / 10n ** BigInt(fraction.length), length: all.length };
}

function invalid(text: string): BuiltinError {
  return new BuiltinError(`time: invalid duration ${quoteText(text)}`);
}
