import { isAmbiguous } from './plain-scalar.ts';

/** How a text may be written. */
export type ScalarStyle = 'plain' | 'single' | 'double' | 'literal';

const FIRST_INDICATOR = /^[#,[\]{}&*!|>'"%@`]/;
/** `? `, `: ` and `- ` at the beginning; `: ` and ` #` anywhere. */
const BLOCK_INDICATOR = /^(?:---|\.\.\.)|^[?:-](?: |$)|:(?: |$)| #/;
const EDGE_SPACE = /^ | $/;

/**
 * What the emitter of libyaml can only write with escapes: control characters (tab and CR among them), NEL, the line
 * and paragraph separators, BOM and the two non-characters.
 */
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const NOT_PRINTABLE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/;

/** Picks the style serde_yaml would pick. Keys that stand before `: ` cannot span lines. */
export function scalarStyle(text: string, isKey = false): ScalarStyle {
  if (NOT_PRINTABLE.test(text) || text.includes(' \n')) return 'double';
  if (text.includes('\n')) return isKey || text.endsWith(' ') ? 'double' : 'literal';
  if (isAmbiguous(text) || EDGE_SPACE.test(text)) return 'single';
  return FIRST_INDICATOR.test(text) || BLOCK_INDICATOR.test(text) ? 'single' : 'plain';
}

const ESCAPES = new Map([
  [0x00, '\\0'],
  [0x07, '\\a'],
  [0x08, '\\b'],
  [0x09, '\\t'],
  [0x0a, '\\n'],
  [0x0b, '\\v'],
  [0x0c, '\\f'],
  [0x0d, '\\r'],
  [0x1b, '\\e'],
  [0x22, '\\"'],
  [0x5c, '\\\\'],
  [0x85, '\\N'],
  [0x2028, '\\L'],
  [0x2029, '\\P'],
]);

/** Writes a text in double quotes. */
export function doubleQuoted(text: string): string {
  let out = '"';
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    const escape = ESCAPES.get(code);
    if (escape !== undefined) out += escape;
    else if (NOT_PRINTABLE.test(char)) out += code <= 0xff ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`;
    else out += char;
  }
  return `${out}"`;
}

function hex(code: number, digits: number): string {
  return code.toString(16).toUpperCase().padStart(digits, '0');
}
