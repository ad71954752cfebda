import { countStep } from '../interruption.ts';
import { looksLikeAnother } from './yaml-scalar.ts';

/** YAML 1.2 §7.4.2: an implicit key is short and stands on one line; go-yaml draws the line here. */
const LONGEST_PLAIN_KEY = 128;

/** A key as it stands before its colon. */
export function printKey(key: string, indent: string): string {
  const text = key.includes('\n') ? doubleQuoted(key) : printText(key, indent);
  return text.length <= LONGEST_PLAIN_KEY ? text : `? ${text}\n${indent}`;
}

/** A text in the style go-yaml chooses: plain where it can be, a block where it has lines, else in quotes. */
export function printText(text: string, indent: string): string {
  if (text.includes('\n') && !/ (?:\n|$)/.test(text) && !NEEDS_ESCAPES.test(text)) return literalBlock(text, indent);
  if (looksLikeAnother(text) || text.includes('\t') || text.includes('\n') || NEEDS_ESCAPES.test(text))
    return doubleQuoted(text);
  return canBePlain(text) ? text : `'${text.replaceAll("'", "''")}'`;
}

/** All but what YAML calls printable, and line breaks of other times; go-yaml also escapes what lies beyond 16 bits. */
const NEEDS_ESCAPES = /[^\n\t\x20-\x7e\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]/;

/** Characters that mean something at the start of a value, or `: `, ` #` inside. */
function canBePlain(text: string): boolean {
  if (/^(?:---|\.\.\.)/.test(text) || /^[#,[\]{}&*!|>'"%@`]/.test(text)) return false;
  if (/^[-?:](?: |$)/.test(text) || /:(?: |$)| #/.test(text)) return false;
  return !text.startsWith(' ') && !text.endsWith(' ');
}

function literalBlock(text: string, indent: string): string {
  const hint = /^[ \n]/.test(text) ? '2' : '';
  const chomp = text.endsWith('\n') ? '' : '-';
  const keep = /^\n$|\n\n$/.test(text) ? '+' : chomp;
  const body = keep === '-' ? text : text.slice(0, -1);
  const margin = indent === '' ? '  ' : indent;
  const lines = body.split('\n').map((line) => (line === '' ? '' : margin + line));
  return `|${hint}${keep}\n${lines.join('\n')}`;
}

const NAMED_ESCAPES = new Map([
  ['\0', '\\0'],
  ['\u0007', '\\a'],
  ['\b', '\\b'],
  ['\t', '\\t'],
  ['\n', '\\n'],
  ['\v', '\\v'],
  ['\f', '\\f'],
  ['\r', '\\r'],
  ['\u001b', '\\e'],
  ['"', '\\"'],
  ['\\', '\\\\'],
  ['\u0085', '\\N'],
  ['\u2028', '\\L'],
  ['\u2029', '\\P'],
]);

function doubleQuoted(text: string): string {
  let quoted = '"';
  for (const character of text) {
    countStep();
    const named = NAMED_ESCAPES.get(character);
    quoted += named ?? (NEEDS_ESCAPES.test(character) ? numericEscape(character) : character);
  }
  return `${quoted}"`;
}

function numericEscape(character: string): string {
  const digits = (character.codePointAt(0) ?? 0).toString(16).toUpperCase();
  if (digits.length <= 2) return `\\x${digits.padStart(2, '0')}`;
  return digits.length <= 4 ? `\\u${digits.padStart(4, '0')}` : `\\U${digits.padStart(8, '0')}`;
}
