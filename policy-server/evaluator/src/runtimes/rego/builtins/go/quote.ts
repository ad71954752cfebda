import { countStep } from '../../interruption.ts';

const NAMED_ESCAPES = new Map([
  [0x07, '\\a'],
  [0x08, '\\b'],
  [0x0a, '\\n'],
  [0x0b, '\\v'],
  [0x0c, '\\f'],
  [0x0d, '\\r'],
  [0x09, '\\t'],
  [0x5c, '\\\\'],
]);

/** Whether Go shows a character as it is: letters, marks, numbers, punctuation, symbols and the ASCII space. */
export function isPrintable(character: string): boolean {
  return character === ' ' || /^[\p{L}\p{M}\p{N}\p{P}\p{S}]$/u.test(character);
}

/** Go's `strconv.Quote`, or `QuoteToASCII`. */
export function quoteText(text: string, asciiOnly = false): string {
  let quoted = '"';
  for (const character of text) {
    countStep();
    quoted += escapeCharacter(character, '"', asciiOnly);
  }
  return `${quoted}"`;
}

/** Go's `strconv.QuoteRune`, or `QuoteRuneToASCII`. */
export function quoteCharacter(character: string, asciiOnly = false): string {
  return `'${escapeCharacter(character, "'", asciiOnly)}'`;
}

function escapeCharacter(character: string, quote: string, asciiOnly: boolean): string {
  const code = character.codePointAt(0) ?? 0;
  if (character === quote) return `\\${quote}`;
  const named = NAMED_ESCAPES.get(code);
  if (named !== undefined) return named;
  if ((code < 0x80 || !asciiOnly) && isPrintable(character)) return character;
  if (code < 0x80) return `\\x${hex(code, 2)}`;
  if (code >= 0xd800 && code < 0xe000) return asciiOnly ? '\\ufffd' : '\ufffd';
  return code < 0x10000 ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`;
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0');
}
