import { BACKSLASH, QUOTE } from './characters.ts';

// The bytes JSON is made of. Whoever calls these puts a zero behind the text: no rule of JSON allows one, so every loop ends there
// without looking for the end.

const LETTER_U = 0x75;

/** A text that is wrong, or too rare to be fast about: the tree knows what to make of it. */
export class OddText extends Error {}

const ODD = new OddText('not the text of an ordinary JSON document');

/** Always the same object: a stack trace would cost more than the reading, and nobody looks at it. */
export function odd(): OddText {
  return ODD;
}

/** 1 = stands for itself in a string: ASCII but control characters, quote and backslash. */
const PLAIN = Uint8Array.from({ length: 256 }, (_, unit) =>
  unit >= 0x20 && unit < 0x80 && unit !== QUOTE && unit !== BACKSLASH ? 1 : 0,
);

/** The character by the letter of its short escape; 0 = none. */
const ESCAPED = byteTable({ '"': 0x22, '\\': 0x5c, b: 0x08, f: 0x0c, n: 0x0a, r: 0x0d, t: 0x09 });

/** The letter of the short escape by its character; 0 = none. */
const SHORT_ESCAPE = new Uint8Array(256);
ESCAPED.forEach((character, letter) => {
  if (character !== 0) SHORT_ESCAPE[character] = letter;
});

const HEX_DIGITS = Uint8Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0));

function byteTable(characters: Readonly<Record<string, number>>): Uint8Array {
  const table = new Uint8Array(256);
  for (const [letter, character] of Object.entries(characters)) table[letter.charCodeAt(0)] = character;
  return table;
}

/** The first byte from `at` on that is no white space. */
export function skipWhitespace(bytes: Uint8Array, at: number): number {
  let unit = bytes[at] ?? 0;
  if (unit > 0x20) return at;
  let index = at;
  while (unit === 0x20 || unit === 0x0a || unit === 0x0d || unit === 0x09) unit = bytes[++index] ?? 0;
  return index;
}

/** The first byte from `at` on that does not stand for itself in a string. */
export function skipPlain(bytes: Uint8Array, at: number): number {
  let index = at;
  while (PLAIN[bytes[index] ?? 0] === 1) index++;
  return index;
}

/** The end of the character beyond ASCII at `at`. Unicode 16, table 3-7. @throws OddText */
export function characterEnd(bytes: Uint8Array, at: number): number {
  const lead = bytes[at] ?? 0;
  const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  const second = bytes[at + 1] ?? 0;
  if (lead < 0xc2 || lead > 0xf4 || second < leastSecond(lead) || second > mostSecond(lead)) throw ODD;
  for (let index = at + 2; index < at + length; index++) if (!isContinuation(bytes[index] ?? 0)) throw ODD;
  return at + length;
}

/** What comes below is spelled in fewer bytes. */
function leastSecond(lead: number): number {
  if (lead === 0xe0) return 0xa0;
  return lead === 0xf0 ? 0x90 : 0x80;
}

/** What comes above is half a surrogate pair, or beyond Unicode. */
function mostSecond(lead: number): number {
  if (lead === 0xed) return 0x9f;
  return lead === 0xf4 ? 0x8f : 0xbf;
}

function isContinuation(unit: number): boolean {
  return (unit & 0xc0) === 0x80;
}

/** How many bytes the escape whose backslash is at `at` takes. @throws OddText */
export function escapeLength(bytes: Uint8Array, at: number): number {
  const letter = bytes[at + 1] ?? 0;
  if (letter !== LETTER_U) {
    if (ESCAPED[letter] === 0 && letter !== 0x2f) throw ODD;
    return 2;
  }
  const lead = hexAt(bytes, at + 2);
  if (lead < 0xd800 || lead > 0xdfff) return 6;
  if (lead >= 0xdc00 || bytes[at + 6] !== BACKSLASH || bytes[at + 7] !== LETTER_U) throw ODD;
  const trail = hexAt(bytes, at + 8);
  if (trail < 0xdc00 || trail > 0xdfff) throw ODD;
  return 12;
}

/** Whether the escape at `at` is how policies see its character. */
export function isCanonicalEscape(bytes: Uint8Array, at: number): boolean {
  const letter = bytes[at + 1] ?? 0;
  if (letter !== LETTER_U) return ESCAPED[letter] !== 0;
  const unit = hexAt(bytes, at + 2);
  return unit < 0x20 && SHORT_ESCAPE[unit] === 0 && bytes[at + 5] === HEX_DIGITS[unit & 15];
}

/** The character of the escape at `at`, which was found valid. */
function characterAt(bytes: Uint8Array, at: number): number {
  const letter = bytes[at + 1] ?? 0;
  if (letter !== LETTER_U) return letter === 0x2f ? letter : (ESCAPED[letter] ?? 0);
  const lead = hexAt(bytes, at + 2);
  return lead < 0xd800 || lead > 0xdfff ? lead : 0x10000 + ((lead - 0xd800) << 10) + (hexAt(bytes, at + 8) - 0xdc00);
}

function hexAt(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let index = at; index < at + 4; index++) {
    const unit = bytes[index] ?? 0;
    const letter = unit | 0x20;
    if (unit >= 0x30 && unit <= 0x39) value = (value << 4) | (unit - 0x30);
    else if (letter >= 0x61 && letter <= 0x66) value = (value << 4) | (letter - 0x57);
    else throw ODD;
  }
  return value;
}

/** Replaces the escapes of a valid string by their characters, in place: none of them is longer. Returns the new end. */
export function unescapeInPlace(bytes: Uint8Array, start: number, end: number): number {
  let to = start;
  for (let at = start; at < end;) {
    const unit = bytes[at] ?? 0;
    if (unit === BACKSLASH) {
      const length = escapeLength(bytes, at);
      to = writeCharacter(bytes, to, characterAt(bytes, at));
      at += length;
    } else {
      bytes[to++] = unit;
      at++;
    }
  }
  return to;
}

function writeCharacter(bytes: Uint8Array, at: number, character: number): number {
  let to = at;
  if (character < 0x80) {
    bytes[to++] = character;
    return to;
  }
  if (character < 0x800) bytes[to++] = 0xc0 | (character >> 6);
  else {
    if (character < 0x10000) bytes[to++] = 0xe0 | (character >> 12);
    else {
      bytes[to++] = 0xf0 | (character >> 18);
      bytes[to++] = 0x80 | ((character >> 12) & 0x3f);
    }
    bytes[to++] = 0x80 | ((character >> 6) & 0x3f);
  }
  bytes[to++] = 0x80 | (character & 0x3f);
  return to;
}

/** Writes characters as a string in the spelling policies are handed. Returns the end; `to` must have room. */
export function writeString(bytes: Uint8Array, { start, end, to }: { start: number; end: number; to: number }): number {
  let out = to;
  bytes[out++] = QUOTE;
  for (let at = start; at < end; at++) {
    const unit = bytes[at] ?? 0;
    const letter = SHORT_ESCAPE[unit] ?? 0;
    if (letter !== 0) {
      bytes[out++] = BACKSLASH;
      bytes[out++] = letter;
    } else if (unit < 0x20) out = writeControl(bytes, out, unit);
    else bytes[out++] = unit;
  }
  bytes[out++] = QUOTE;
  return out;
}

function writeControl(bytes: Uint8Array, at: number, unit: number): number {
  bytes[at] = BACKSLASH;
  bytes[at + 1] = LETTER_U;
  bytes[at + 2] = 0x30;
  bytes[at + 3] = 0x30;
  bytes[at + 4] = 0x30 | (unit >> 4);
  bytes[at + 5] = HEX_DIGITS[unit & 15] ?? 0;
  return at + 6;
}
