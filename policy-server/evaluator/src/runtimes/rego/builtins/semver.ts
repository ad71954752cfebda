import { RegoNumber } from '../value.ts';
import { type Builtin, BuiltinError, operand, stringOperand } from './builtin.ts';

export const semverBuiltins: Readonly<Record<string, Builtin>> = {
  'semver.is_valid': (operands) => {
    const text = operand(operands, 0);
    return typeof text === 'string' && parse(text) !== undefined;
  },
  'semver.compare': (operands) => RegoNumber.of(compare(versionOperand(operands, 0), versionOperand(operands, 1))),
};

interface Version {
  readonly numbers: readonly bigint[];
  readonly preRelease: readonly string[];
}

const NUMBER = '(0|[1-9]\\d*)';
const IDENTIFIERS = '([0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)';
const VERSION = new RegExp(`^v?${NUMBER}\\.${NUMBER}\\.${NUMBER}(?:-${IDENTIFIERS})?(?:\\+${IDENTIFIERS})?$`);
const MAX_I64 = 2n ** 63n - 1n;

/** Semantic Versioning 2.0; as OPA, with an optional `v` in front. */
function parse(text: string): Version | undefined {
  const match = VERSION.exec(text);
  if (match === null) return undefined;
  const parts = match.slice(1, 4);
  if (parts.some((part) => part.length > 19)) return undefined;
  const numbers = parts.map(BigInt);
  const preRelease = match[4]?.split('.') ?? [];
  if (numbers.some((number) => number > MAX_I64) || preRelease.some((part) => /^0\d+$/.test(part))) return undefined;
  return { numbers, preRelease };
}

function versionOperand(operands: Parameters<Builtin>[0], index: number): Version {
  const text = stringOperand(operands, index);
  const version = parse(text);
  if (version === undefined) throw new BuiltinError(`operand ${index + 1}: string ${text} is not a valid SemVer`);
  return version;
}

function compare(a: Version, b: Version): number {
  for (const [index, number] of a.numbers.entries()) {
    const other = b.numbers[index] ?? 0n;
    if (number !== other) return number < other ? -1 : 1;
  }
  // A version without a pre-release comes after those with one.
  if (a.preRelease.length === 0 || b.preRelease.length === 0) {
    return Math.sign(b.preRelease.length) - Math.sign(a.preRelease.length);
  }
  return comparePreReleases(a.preRelease, b.preRelease);
}

function comparePreReleases(a: readonly string[], b: readonly string[]): number {
  for (const [index, part] of a.entries()) {
    const other = b[index];
    if (other === undefined) return 1;
    const order = compareIdentifiers(part, other);
    if (order !== 0) return order;
  }
  return a.length < b.length ? -1 : 0;
}

/** Numbers by size and before all others; those in ASCII order. */
function compareIdentifiers(a: string, b: string): number {
  const numeric = [a, b].map((part) => /^\d+$/.test(part));
  if (numeric[0] !== numeric[1]) return numeric[0] ? -1 : 1;
  // Without leading zeros the longer number is the larger one: however long, nothing is computed.
  if (numeric[0] && a.length !== b.length) return a.length < b.length ? -1 : 1;
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
