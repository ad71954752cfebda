import { JsonError, Utf8Error, type JsonErrorCode } from '../errors.ts';
import { decodeUtf8, utf8Length } from '../utf8.ts';

/** The character at `at` is wrong, or there is none. As serde_json counts, its first byte has been seen and no more. */
export function errorAtCharacter(text: string, at: number, detail: string): JsonError {
  const what = { code: 'syntax', detail } as const;
  if (!(text.charCodeAt(at) > 0x7f)) return errorAt(text, Math.min(text.length, at + 1), what);
  const { line, column } = errorAt(text, at, what);
  return new JsonError(what.code, detail, { line, column: column + 1 });
}

/** An error at `index`, counted as serde_json counts: lines from 1, columns in bytes. */
export function errorAt(text: string, index: number, what: { code: JsonErrorCode; detail: string }): JsonError {
  const lineStart = index === 0 ? 0 : text.lastIndexOf('\n', index - 1) + 1;
  let line = 1;
  for (let at = text.indexOf('\n'); at !== -1 && at < lineStart; at = text.indexOf('\n', at + 1)) line++;
  return new JsonError(what.code, what.detail, { line, column: utf8Length(text.slice(lineStart, index)) });
}

/** A text as it is read. @throws JsonError where it is no UTF-8, or has half a surrogate pair */
export function readableText(input: Uint8Array | string): string {
  return typeof input === 'string' ? wellFormed(input) : decode(input);
}

function decode(bytes: Uint8Array): string {
  try {
    return decodeUtf8(bytes);
  } catch (error) {
    if (!(error instanceof Utf8Error)) throw error;
    const before = decodeUtf8(bytes.subarray(0, error.offset));
    throw errorAt(before, before.length, { code: 'syntax', detail: 'invalid unicode code point' });
  }
}

function wellFormed(text: string): string {
  if (text.isWellFormed()) return text;
  const before = text.slice(
    0,
    text
      .toWellFormed()
      .split('')
      .findIndex((unit, at) => unit !== text[at]),
  );
  throw errorAt(before, before.length, { code: 'syntax', detail: 'invalid unicode code point' });
}
