import { GroupExpressionError, syntaxError } from './errors.ts';
import type { BooleanOperator, Expression } from './expression.ts';
import type { Token } from './lexer.ts';

/** A parsed part: of type bool and decided per request, or an integer constant. */
export type Operand =
  | { readonly type: 'bool'; readonly expression: Expression }
  | { readonly type: 'i64'; readonly value: bigint };

/** Higher binds tighter; operators of one level group from the left. */
export const PRECEDENCE: ReadonlyMap<string, number> = new Map([
  ['||', 30],
  ['|', 30],
  ['^', 30],
  ['&&', 60],
  ['&', 60],
  ['==', 90],
  ['!=', 90],
  ['<', 130],
  ['<=', 130],
  ['>', 130],
  ['>=', 130],
  ['+', 150],
  ['-', 150],
  ['*', 180],
  ['/', 180],
  ['%', 180],
]);

const ON_BOOLS: ReadonlyMap<string, BooleanOperator> = new Map([
  ['&&', 'and'],
  ['||', 'or'],
  ['==', 'equal'],
  ['!=', 'different'],
  ['&', 'bit-and'],
  ['|', 'bit-or'],
  ['^', 'bit-xor'],
]);

const COMPARISONS: ReadonlyMap<string, (a: bigint, b: bigint) => boolean> = new Map([
  ['==', (a: bigint, b: bigint) => a === b],
  ['!=', (a: bigint, b: bigint) => a !== b],
  ['<', (a: bigint, b: bigint) => a < b],
  ['<=', (a: bigint, b: bigint) => a <= b],
  ['>', (a: bigint, b: bigint) => a > b],
  ['>=', (a: bigint, b: bigint) => a >= b],
]);

const ARITHMETIC: ReadonlyMap<string, (a: bigint, b: bigint) => bigint> = new Map([
  ['+', (a: bigint, b: bigint) => a + b],
  ['-', (a: bigint, b: bigint) => a - b],
  ['*', (a: bigint, b: bigint) => a * b],
  ['/', (a: bigint, b: bigint) => a / b],
  ['%', (a: bigint, b: bigint) => a % b],
  ['&', (a: bigint, b: bigint) => a & b],
  ['|', (a: bigint, b: bigint) => a | b],
  ['^', (a: bigint, b: bigint) => a ^ b],
]);

/** `left operator right`, where the types allow it. */
export function applyBinary(operator: Token, left: Operand, right: Operand): Operand {
  if (operator.text === '&&' || operator.text === '||') requireBools(operator, left, right);
  if (left.type === 'bool' && right.type === 'bool') return applyToBools(operator, left.expression, right.expression);
  if (left.type === 'i64' && right.type === 'i64') return applyToIntegers(operator, left.value, right.value);
  if (operator.text === '==' || operator.text === '!=') return compareMixed(operator, left, right);
  throw functionNotFound(operator, [left, right]);
}

/** `! - +` in front of an operand. */
export function applyUnary(operator: Token, operand: Operand): Operand {
  if (operator.text === '!' && operand.type === 'bool') return bool({ kind: 'not', operand: operand.expression });
  if (operator.text === '-' && operand.type === 'i64') return integer(-operand.value, operator);
  if (operator.text === '+' && operand.type === 'i64') return operand;
  throw functionNotFound(operator, [operand]);
}

export function bool(expression: Expression): Operand {
  return { type: 'bool', expression };
}

/** A constant, if 64 bits hold it. */
export function integer(value: bigint, origin: Token): Operand {
  if (BigInt.asIntN(64, value) === value) return { type: 'i64', value };
  if (origin.kind === 'integer') throw syntaxError(`Invalid number: '${origin.text}'`, origin.position);
  throw new GroupExpressionError(`Arithmetic overflow in '${origin.text}'`, origin.position);
}

export function functionNotFound(name: Token, operands: readonly Operand[]): GroupExpressionError {
  const types = operands.map(({ type }) => type).join(', ');
  return new GroupExpressionError(`Function not found: ${name.text} (${types})`, name.position);
}

function requireBools(operator: Token, ...operands: Operand[]): void {
  if (operands.some(({ type }) => type !== 'bool')) {
    throw syntaxError(`Expecting bool, not i64, beside '${operator.text}'`, operator.position);
  }
}

function applyToBools(operator: Token, left: Expression, right: Expression): Operand {
  const kind = ON_BOOLS.get(operator.text);
  if (kind !== undefined) return bool({ kind, left, right });
  throw functionNotFound(operator, [bool(left), bool(right)]);
}

function applyToIntegers(operator: Token, left: bigint, right: bigint): Operand {
  const compare = COMPARISONS.get(operator.text);
  if (compare !== undefined) return bool({ kind: 'literal', value: compare(left, right) });
  if (right === 0n && (operator.text === '/' || operator.text === '%')) {
    throw new GroupExpressionError(`Division by zero: ${left} ${operator.text} ${right}`, operator.position);
  }
  const calculate = ARITHMETIC.get(operator.text);
  if (calculate !== undefined) return integer(calculate(left, right), operator);
  throw functionNotFound(operator, [
    { type: 'i64', value: left },
    { type: 'i64', value: right },
  ]);
}

/** Values of different types are never equal; the side of type bool is evaluated all the same, for its causes. */
function compareMixed(operator: Token, left: Operand, right: Operand): Operand {
  const unequal = operator.text === '!=';
  const constant: Expression = { kind: 'literal', value: unequal };
  const asked = [left, right].find((operand) => operand.type === 'bool');
  if (asked === undefined) return bool(constant);
  return bool({ kind: unequal ? 'bit-or' : 'bit-and', left: asked.expression, right: constant });
}
