import { Utf8Error } from './errors.ts';

// Policies run this code inside small engines that may lack the Encoding API: hence the plain twins below.
const decoder =
  typeof TextDecoder === 'function' ? new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }) : undefined;
const encoder = typeof TextEncoder === 'function' ? new TextEncoder() : undefined;

/**
 * Decodes UTF-8 strictly: no replacement characters, a byte order mark is a character like any other.
 *
 * @throws {@link Utf8Error} with the offset of the first bad byte.
 */
export function decodeUtf8(bytes: Uint8Array): string {
  if (decoder === undefined) return decodePlainly(bytes);
  try {
    return decoder.decode(bytes);
  } catch {
    return decodePlainly(bytes);
  }
}

/** Encodes as UTF-8; a lone surrogate becomes U+FFFD as in the Encoding API. */
export function encodeUtf8(text: string): Uint8Array {
  return encoder === undefined ? encodePlainly(text) : encoder.encode(text);
}

/** How many bytes {@link encodeUtf8} makes of a text. */
export function utf8Length(text: string): number {
  let length = text.length;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    // Both halves of a pair count two of its four bytes; a lone one becomes a character of three.
    if (unit >= 0x800) length += isPaired(text, at, unit) ? 1 : 2;
    else if (unit >= 0x80) length++;
  }
  return length;
}

function isPaired(text: string, at: number, unit: number): boolean {
  if (unit < 0xd800 || unit > 0xdfff) return false;
  const other = unit < 0xdc00 ? text.charCodeAt(at + 1) : text.charCodeAt(at - 1);
  return unit < 0xdc00 ? other >= 0xdc00 && other <= 0xdfff : other >= 0xd800 && other < 0xdc00;
}

/** The order of UTF-8 bytes; UTF-16 order differs where surrogates meet U+E000–U+FFFF. */
export function compareUtf8(a: string, b: string): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left !== right) return rank(left) - rank(right);
  }
  return a.length - b.length;
}

function rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

function byteCount(codePoint: number): number {
  if (codePoint < 0x80) return 1;
  if (codePoint < 0x800) return 2;
  return codePoint < 0x10000 ? 3 : 4;
}

/** @internal Exported for its tests. */
export function decodePlainly(bytes: Uint8Array): string {
  const parts: string[] = [];
  let units: number[] = [];
  for (let at = 0; at < bytes.length;) {
    const { codePoint, length } = decodeOne(bytes, at);
    units.push(codePoint);
    at += length;
    if (units.length === 4096) {
      parts.push(String.fromCodePoint(...units));
      units = [];
    }
  }
  parts.push(String.fromCodePoint(...units));
  return parts.join('');
}

/** Unicode 16, table 3-7: well-formed UTF-8 byte sequences. */
function decodeOne(bytes: Uint8Array, at: number): { codePoint: number; length: number } {
  const lead = bytes[at] ?? 0;
  if (lead < 0x80) return { codePoint: lead, length: 1 };
  const length = sequenceLength(lead);
  if (length === 0) throw new Utf8Error(at);
  let codePoint = lead & (0xff >> (length + 1));
  for (let i = 1; i < length; i++) {
    const next = bytes[at + i] ?? 0;
    if ((next & 0xc0) !== 0x80) throw new Utf8Error(at);
    codePoint = (codePoint << 6) | (next & 0x3f);
  }
  const overlong = byteCount(codePoint) !== length;
  const surrogate = codePoint >= 0xd800 && codePoint < 0xe000;
  if (overlong || surrogate || codePoint > 0x10ffff) throw new Utf8Error(at);
  return { codePoint, length };
}

function sequenceLength(lead: number): number {
  if (lead >= 0xc2 && lead < 0xe0) return 2;
  if (lead >= 0xe0 && lead < 0xf0) return 3;
  return lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
}

/** @internal Exported for its tests. */
export function encodePlainly(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 3);
  let at = 0;
  for (const character of text) {
    const raw = character.codePointAt(0) ?? 0;
    const codePoint = raw >= 0xd800 && raw < 0xe000 ? 0xfffd : raw;
    const length = byteCount(codePoint);
    if (length === 1) {
      bytes[at++] = codePoint;
      continue;
    }
    bytes[at++] = ((0xf00 >> length) & 0xff) | (codePoint >> (6 * (length - 1)));
    for (let i = length - 2; i >= 0; i--) bytes[at++] = 0x80 | ((codePoint >> (6 * i)) & 0x3f);
  }
  return bytes.slice(0, at);
}
