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
 * Whether some text matches both patterns (`.`, `[a-z]`, `*`, `+`, `\`). A walk over pairs of positions: the product of the
 * lengths bounds it, where backtracking needs exponential time for rows of `.*`.
 */
export function globsIntersect(left: string, right: string): boolean {
  const a = parse(left);
  const b = parse(right);
  const width = b.length + 1;
  if ((a.length + 1) * width > MAX_STEPS) throw new BuiltinError('the patterns are too long');
  const seen = new Uint8Array((a.length + 1) * width);
  const pending = [0];
  for (let pair = pending.pop(); pair !== undefined; pair = pending.pop()) {
    const [i, j] = [Math.floor(pair / width), pair % width];
    if (seen[pair] === 1) continue;
    seen[pair] = 1;
    if (i === a.length && j === b.length) return true;
    for (const [nextI, nextJ] of successors(a[i], b[j], i, j)) pending.push(nextI * width + nextJ);
  }
  return false;
}

/** Where two patterns may stand after skipping an optional place or after one shared character. */
function successors(a: Place | undefined, b: Place | undefined, ...[i, j]: [number, number]): [number, number][] {
  const next: [number, number][] = [];
  if (a?.optional) next.push([i + 1, j]);
  if (b?.optional) next.push([i, j + 1]);
  if (a === undefined || b === undefined || !share(a, b)) return next;
  next.push([i + 1, j + 1]);
  if (a.repeats) next.push([i, j + 1]);
  if (b.repeats) next.push([i + 1, j]);
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
