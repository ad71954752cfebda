import { syntaxError, type ExpressionPosition } from './errors.ts';

export interface Token {
  readonly kind: 'name' | 'integer' | 'symbol' | 'end';
  readonly text: string;
  readonly position: ExpressionPosition;
}

/** Bounds the time a stranger's expression can take, here and when it is evaluated. */
const MAX_CHARACTERS = 16 * 1024;

/** Longest first, so that `==` is not read as two. */
const SYMBOLS = [
  '&&',
  '||',
  '==',
  '!=',
  '<=',
  '>=',
  '(',
  ')',
  '!',
  '<',
  '>',
  '+',
  '-',
  '*',
  '/',
  '%',
  '&',
  '|',
  '^',
  ',',
];

const WHITE_SPACE = /[ \t\r\n]+/y;
const LINE_COMMENT = /\/\/[^\n]*/y;
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const INTEGER = /[0-9][0-9_]*/y;

/**
 * Cuts a group expression into tokens; the last one is `end`.
 *
 * @throws {@link GroupExpressionError}
 */
export function tokenize(text: string): Token[] {
  if (text.length > MAX_CHARACTERS) {
    throw syntaxError(`expected at most ${MAX_CHARACTERS} characters, got ${text.length}`, { line: 1, column: 1 });
  }
  const positionOf = positions(text);
  const tokens: Token[] = [];
  for (let at = skipIgnored(text, 0, positionOf); at < text.length;) {
    const token = { ...readToken(text, at), position: positionOf(at) };
    tokens.push(token);
    at = skipIgnored(text, at + token.text.length, positionOf);
  }
  tokens.push({ kind: 'end', text: '', position: positionOf(text.length) });
  return tokens;
}

/** A character no token begins with becomes a symbol of its own, for the parser to refuse in its place. */
function readToken(text: string, at: number): Pick<Token, 'kind' | 'text'> {
  const name = matchAt(NAME, text, at);
  if (name !== undefined) return { kind: 'name', text: name };
  const integer = matchAt(INTEGER, text, at);
  if (integer !== undefined) return { kind: 'integer', text: integer };
  const symbol = SYMBOLS.find((candidate) => text.startsWith(candidate, at));
  return { kind: 'symbol', text: symbol ?? characterAt(text, at) };
}

function skipIgnored(text: string, from: number, positionOf: (at: number) => ExpressionPosition): number {
  for (let at = from; ;) {
    const length = (matchAt(WHITE_SPACE, text, at) ?? matchAt(LINE_COMMENT, text, at) ?? '').length;
    if (length > 0) at += length;
    else if (text.startsWith('/*', at)) at = blockCommentEnd(text, at, positionOf);
    else return at;
  }
}

/** Block comments nest. */
function blockCommentEnd(text: string, from: number, positionOf: (at: number) => ExpressionPosition): number {
  let depth = 0;
  for (let at = from; at < text.length;) {
    if (text.startsWith('/*', at)) depth++;
    else if (text.startsWith('*/', at)) depth--;
    else {
      at++;
      continue;
    }
    at += 2;
    if (depth === 0) return at;
  }
  throw syntaxError('a comment is not closed', positionOf(from));
}

function matchAt(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

function characterAt(text: string, at: number): string {
  return String.fromCodePoint(text.codePointAt(at) ?? 0xfffd);
}

/** Answers for places asked in ascending order, so that the text is walked once. */
function positions(text: string): (at: number) => ExpressionPosition {
  let line = 1;
  let lineStart = 0;
  let next = text.indexOf('\n');
  return (at) => {
    for (; next !== -1 && next < at; next = text.indexOf('\n', lineStart)) {
      line++;
      lineStart = next + 1;
    }
    return { line, column: at - lineStart + 1 };
  };
}
