import { countStep } from '../interruption.ts';
import { BuiltinError } from './builtin.ts';

/** One place of a pattern: which characters fit, and how often. */
interface Place {
  /** `undefined` = any character. */
  readonly characters: ReadonlySet<string> | undefined;
  readonly optional: boolean;
  readonly repeats: boolean;
}

/** Pairs of places looked at: the product of both patterns' lengths. */
const MAX_STEPS = 4_000_000;
/** Characters a set like `[a-z]` may stand for, all sets of a pattern together. */
const MAX_SET_CHARACTERS = 200_000;

/**
 * Whether some text that is not empty matches both patterns (`.`, `[a-z]`, `*`, `+`, `\`). A walk over pairs of positions: the product of the
 * lengths bounds it, where backtracking needs exponential time for rows of `.*`.
 */
export function globsIntersect(left: string, right: string): boolean {
  const a = parse(left);
  const b = parse(right);
  const width = b.length + 1;
  if ((a.length + 1) * width > MAX_STEPS) throw new BuiltinError('the patterns are too long');
  if (a.length === 0 && b.length === 0) return true;
  // Bit 0: reached without a character so far, bit 1: with one.
  const seen = new Uint8Array((a.length + 1) * width);
  const pending: Position[] = [{ i: 0, j: 0, consumed: false }];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    countStep();
    const pair = at.i * width + at.j;
    const bit = at.consumed ? 2 : 1;
    const before = seen[pair] ?? 0;
    if ((before & bit) !== 0) continue;
    seen[pair] = before | bit;
    if (at.consumed && at.i === a.length && at.j === b.length) return true;
    pending.push(...successors(a[at.i], b[at.j], at));
  }
  return false;
}

interface Position {
  readonly i: number;
  readonly j: number;
  readonly consumed: boolean;
}

/** Where two patterns may stand after skipping an optional place or after one shared character. */
function successors(a: Place | undefined, b: Place | undefined, { i, j, consumed }: Position): Position[] {
  const next: Position[] = [];
  if (a?.optional) next.push({ i: i + 1, j, consumed });
  if (b?.optional) next.push({ i, j: j + 1, consumed });
  if (a === undefined || b === undefined || !share(a, b)) return next;
  next.push({ i: i + 1, j: j + 1, consumed: true });
  if (a.repeats) next.push({ i, j: j + 1, consumed: true });
  if (b.repeats) next.push({ i: i + 1, j, consumed: true });
  // Both may stay where they are: what follows is the same, only the text is no longer empty.
  if (a.repeats && b.repeats) next.push({ i, j, consumed: true });
  return next;
}

function share(a: Place, b: Place): boolean {
  if (a.characters === undefined || b.characters === undefined) return true;
  return !a.characters.isDisjointFrom(b.characters);
}

function parse(pattern: string): Place[] {
  const places: Place[] = [];
  const symbols = Array.from(pattern);
  const budget = { left: MAX_SET_CHARACTERS };
  for (let at = 0; at < symbols.length;) {
    const { characters, next } = readPlace(symbols, at, budget);
    const flag = symbols[next];
    const repeats = flag === '*' || flag === '+';
    // `a+` is `a` followed by `a*`: so one rule serves both.
    if (flag === '+') places.push({ characters, optional: false, repeats: false });
    places.push({ characters, optional: repeats, repeats });
    at = repeats ? next + 1 : next;
  }
  return places;
}

interface ReadPlace {
  readonly characters: ReadonlySet<string> | undefined;
  readonly next: number;
}

function readPlace(symbols: readonly string[], at: number, budget: { left: number }): ReadPlace {
  const symbol = symbols[at];
  if (symbol === '.') return { characters: undefined, next: at + 1 };
  if (symbol === '[') return readSet(symbols, at + 1, budget);
  if (symbol === ']' || symbol === '*' || symbol === '+') throw new BuiltinError('the input provided is invalid');
  const { character, next } = readCharacter(symbols, at);
  return { characters: new Set([character]), next };
}

function readCharacter(symbols: readonly string[], at: number): { character: string; next: number } {
  const escaped = symbols[at] === '\\';
  const character = symbols[escaped ? at + 1 : at];
  if (character === undefined) throw new BuiltinError('the input provided is invalid');
  return { character, next: escaped ? at + 2 : at + 1 };
}

/** Inside of a set `-` and `]` are marks unless escaped. */
function readMember(symbols: readonly string[], at: number): { character: string; next: number } {
  if (symbols[at] === '-' || symbols[at] === ']') throw new BuiltinError('the input provided is invalid');
  return readCharacter(symbols, at);
}

function readSet(symbols: readonly string[], start: number, budget: { left: number }): ReadPlace {
  const characters = new Set<string>();
  let at = start;
  while (symbols[at] !== ']') {
    const first = readMember(symbols, at);
    at = first.next;
    if (symbols[at] !== '-') {
      characters.add(first.character);
      continue;
    }
    const last = readMember(symbols, at + 1);
    at = last.next;
    const [from, to] = [first.character.codePointAt(0) ?? 0, last.character.codePointAt(0) ?? 0];
    budget.left -= Math.max(to - from, 0);
    if (from > to || budget.left < 0) throw new BuiltinError('the input provided is invalid');
    for (let code = from; code <= to; code++) characters.add(String.fromCodePoint(code));
  }
  return { characters, next: at + 1 };
}
