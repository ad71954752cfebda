import { GroupExpressionError, syntaxError } from './errors.ts';
import type { GroupExpression } from './expression.ts';
import { tokenize, type Token } from './lexer.ts';
import { applyBinary, applyUnary, bool, functionNotFound, integer, PRECEDENCE, type Operand } from './operators.ts';

/** Parentheses, arguments and prefix operators inside one another. */
const MAX_DEPTH = 64;
/** Operators in one expression: evaluation descends once for each. */
const MAX_OPERATORS = 1000;

/**
 * Words that neither the reference's engine nor the controller takes for a member. Words only the engine reserves (`new`,
 * `match`, `default`, …) are admitted by the controller, so they are ordinary names here.
 */
const RESERVED: ReadonlySet<string> = new Set([
  'null',
  'in',
  'as',
  'break',
  'const',
  'continue',
  'else',
  'for',
  'if',
  'import',
  'let',
  'loop',
  'package',
  'return',
  'var',
  'void',
  'while',
]);

/**
 * Parses a policy group's expression: `member()` calls, `true`, `false`, `! && || == != & | ^`, parentheses, and integer
 * constants with `+ - * / % < <= > >=`. Everything that could fail is found here, not while a request waits.
 *
 * @param members - names that may be called.
 * @throws {@link GroupExpressionError}
 */
export function parseGroupExpression(text: string, members: readonly string[]): GroupExpression {
  const parser = new Parser(tokenize(text), new Set(members));
  const operand = parser.parse();
  if (operand.type === 'bool') return { text, root: operand.expression };
  throw new GroupExpressionError(`Output type incorrect: ${operand.type} (expecting bool)`);
}

class Parser {
  readonly #tokens: readonly Token[];
  readonly #members: ReadonlySet<string>;
  #at = 0;
  #depth = 0;
  #operators = 0;

  constructor(tokens: readonly Token[], members: ReadonlySet<string>) {
    this.#tokens = tokens;
    this.#members = members;
  }

  parse(): Operand {
    const operand = this.#expression(0);
    const rest = this.#peek();
    if (rest.kind !== 'end') throw unexpected(rest);
    return operand;
  }

  #expression(minPrecedence: number): Operand {
    let left = this.#unary();
    for (;;) {
      const operator = this.#peek();
      const precedence = operator.kind === 'symbol' ? PRECEDENCE.get(operator.text) : undefined;
      if (precedence === undefined || precedence <= minPrecedence) return left;
      this.#take();
      if (++this.#operators > MAX_OPERATORS) throw tooComplex(operator);
      left = applyBinary(operator, left, this.#expression(precedence));
    }
  }

  #unary(): Operand {
    const token = this.#peek();
    if (token.kind !== 'symbol' || !['!', '-', '+'].includes(token.text)) return this.#primary();
    this.#take();
    return applyUnary(
      token,
      this.#nested(token, () => this.#unary()),
    );
  }

  #primary(): Operand {
    const token = this.#take();
    switch (token.kind) {
      case 'end':
        throw syntaxError('Script is incomplete', token.position);
      case 'integer':
        return integer(BigInt(token.text.replaceAll('_', '')), token);
      case 'name':
        return this.#name(token);
      case 'symbol':
        if (token.text !== '(') throw unexpected(token);
        return this.#parentheses(token);
    }
  }

  #parentheses(open: Token): Operand {
    const operand = this.#nested(open, () => this.#expression(0));
    const close = this.#take();
    if (close.text === ')') return operand;
    throw syntaxError("Expecting ')' for a matching ( in this expression", close.position);
  }

  #name(token: Token): Operand {
    if (token.text === 'true' || token.text === 'false') return bool({ kind: 'literal', value: token.text === 'true' });
    if (RESERVED.has(token.text)) throw syntaxError(`'${token.text}' is a reserved keyword`, token.position);
    if (this.#peek().text !== '(') throw new GroupExpressionError(`Variable not found: ${token.text}`, token.position);
    const values = this.#nested(token, () => this.#arguments(token));
    if (values.length > 0 || !this.#members.has(token.text)) throw functionNotFound(token, values);
    return bool({ kind: 'call', member: token.text });
  }

  #arguments(callee: Token): Operand[] {
    this.#take();
    const values: Operand[] = [];
    if (this.#peek().text === ')') {
      this.#take();
      return values;
    }
    for (;;) {
      values.push(this.#expression(0));
      const separator = this.#take();
      if (separator.text === ')') return values;
      if (separator.text !== ',') {
        const problem = `Expecting ')' to close the arguments list of this function call '${callee.text}'`;
        throw syntaxError(problem, separator.position);
      }
    }
  }

  #nested<T>(token: Token, parse: () => T): T {
    if (++this.#depth > MAX_DEPTH) throw tooComplex(token);
    const value = parse();
    this.#depth--;
    return value;
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? END;
  }

  /** The `end` token is never passed. */
  #take(): Token {
    const token = this.#peek();
    if (token.kind !== 'end') this.#at++;
    return token;
  }
}

const END: Token = { kind: 'end', text: '', position: { line: 1, column: 1 } };

function unexpected(token: Token): GroupExpressionError {
  return syntaxError(`Unexpected '${token.text}'`, token.position);
}

function tooComplex(token: Token): GroupExpressionError {
  return syntaxError('Expression exceeds maximum complexity', token.position);
}
