// An entry of a tape is a value, with its key if it is a member: so many numbers in a row, each at its place.

/** Of the characters of the key. */
export const KEY_START = 0;
export const KEY_END = 1;
/** Of the value, quotes and brackets included. */
export const VALUE_START = 2;
export const VALUE_END = 3;
/** The first entry inside an object or a list; {@link NONE} where there is none, or where nobody needs it. */
export const FIRST = 4;
/** The entry that follows in canonical order. */
export const NEXT = 5;
export const FLAGS = 6;
export const STRIDE = 7;

export const NONE = -1;

/** The bytes of the value are canonical as they stand. */
export const CANONICAL = 1;
/** The key had escapes, which were replaced by what they stand for. */
export const KEY_UNESCAPED = 2;
/** A list of nothing but strings. */
export const STRINGS = 4;
/** An object in which a key was given twice. */
export const DUPLICATES = 8;

/** What a tape consists of. */
export interface TapeData {
  readonly bytes: Uint8Array;
  readonly fields: Int32Array;
}
