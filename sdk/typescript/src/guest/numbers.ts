/**
 * A policy sees numbers as JavaScript has them: an integer over 2^53 as the nearest double, `1.0` as `1`. When it answers with a
 * mutated object, the numbers it did not touch must come out as they came in. This module finds their text again: first at the
 * same path, then, for integers JavaScript cannot hold, by value; where two texts share one double and the path does not
 * decide, it refuses instead of guessing.
 */

/** ECMAScript's "JSON.parse source text access", which neither the engine's nor TypeScript's own types mention. */
interface SourceTextJson {
  parse(text: string, reviver: (key: string, value: unknown, context: { source?: string }) => unknown): unknown;
  rawJSON(text: string): object;
}

const json = JSON as unknown as SourceTextJson;

/** Sixteen digits, a fraction or an exponent where a number stands (rarely: inside a string, which only costs time). */
const UNSAFE_NUMBER = /(?:"\s*:|[[,])\s*-?(?:\d{16}|\d+[.eE])/;

class SourceNumber {
  readonly value: number;
  readonly text: string;

  constructor(value: number, text: string) {
    this.value = value;
    this.text = text;
  }
}

/**
 * `mutated` with the spelling of every number that it has from `payload`, ready for `JSON.stringify`. `original` picks the value
 * that `mutated` replaces out of the parsed payload.
 */
export function restoreNumbers(mutated: unknown, payload: string, original: (payload: unknown) => unknown): unknown {
  if (!UNSAFE_NUMBER.test(payload)) return mutated;
  const texts = new Map<number, Set<string>>();
  const source = json.parse(payload, (_key, value, context) => keepText(value, context.source, texts));
  return texts.size === 0 ? mutated : restoreValue(mutated, original(source), { texts, path: '' });
}

function keepText(value: unknown, text: string | undefined, texts: Map<number, Set<string>>): unknown {
  if (typeof value !== 'number' || text === undefined) return value;
  if (text === String(value) && !isUnsafeInteger(value)) return value;
  const known = texts.get(value);
  if (known) known.add(text);
  else texts.set(value, new Set([text]));
  return new SourceNumber(value, text);
}

interface RestoreContext {
  readonly texts: ReadonlyMap<number, ReadonlySet<string>>;
  readonly path: string;
}

function restoreValue(value: unknown, original: unknown, context: RestoreContext): unknown {
  if (typeof value === 'number') return restoreNumber(value, original, context);
  if (Array.isArray(value)) {
    const items: readonly unknown[] = Array.isArray(original) ? original : [];
    return value.map((item, index) => restoreValue(item, items[index], inside(context, `[${index}]`)));
  }
  if (!isPlainObject(value)) return value;
  const members = isPlainObject(original) ? original : {};
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [
      key,
      restoreValue(member, Object.hasOwn(members, key) ? members[key] : undefined, inside(context, `.${key}`)),
    ]),
  );
}

function restoreNumber(value: number, original: unknown, { texts, path }: RestoreContext): unknown {
  if (original instanceof SourceNumber && original.value === value) return json.rawJSON(original.text);
  const candidates = isUnsafeInteger(value) ? texts.get(value) : undefined;
  if (!candidates) return value;
  const [text, other] = candidates;
  if (other !== undefined) {
    throw new RangeError(
      `mutate: the number at object${path} is not where the request had it, and could be ${text} or ${other} - ` +
        'keep numbers over 2^53 in their place',
    );
  }
  return text === undefined ? value : json.rawJSON(text);
}

function inside({ texts, path }: RestoreContext, step: string): RestoreContext {
  return { texts, path: path + step };
}

function isUnsafeInteger(value: number): boolean {
  return Number.isInteger(value) && !Number.isSafeInteger(value);
}

/** Objects that bring their own JSON form (Date) keep it. */
function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return !(value instanceof SourceNumber) && !('toJSON' in value && typeof value.toJSON === 'function');
}
