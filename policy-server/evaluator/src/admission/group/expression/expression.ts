/** A parsed group expression of type bool. Arithmetic has been done already: its operands are all constants. */
export type Expression =
  | { readonly kind: 'literal'; readonly value: boolean }
  | { readonly kind: 'call'; readonly member: string }
  | { readonly kind: 'not'; readonly operand: Expression }
  | { readonly kind: BooleanOperator; readonly left: Expression; readonly right: Expression };

/** `and` and `or` leave the right side alone when the left one decides; the others always look at both. */
export type BooleanOperator = 'and' | 'or' | 'equal' | 'different' | 'bit-and' | 'bit-or' | 'bit-xor';

/** A group's expression, checked against the group's members. */
export interface GroupExpression {
  readonly text: string;
  readonly root: Expression;
}

/** Evaluates an expression. Every call in the text asks its member anew. */
export async function evaluateExpression(
  expression: Expression,
  call: (member: string) => Promise<boolean>,
): Promise<boolean> {
  switch (expression.kind) {
    case 'literal':
      return expression.value;
    case 'call':
      return await call(expression.member);
    case 'not':
      return !(await evaluateExpression(expression.operand, call));
    case 'and':
    case 'or':
    case 'equal':
    case 'different':
    case 'bit-and':
    case 'bit-or':
    case 'bit-xor':
      return await evaluateBinary(expression, call);
  }
}

async function evaluateBinary(
  { kind, left, right }: Extract<Expression, { left: Expression }>,
  call: (member: string) => Promise<boolean>,
): Promise<boolean> {
  const first = await evaluateExpression(left, call);
  if (kind === 'and' && !first) return false;
  if (kind === 'or' && first) return true;
  const second = await evaluateExpression(right, call);
  switch (kind) {
    case 'and':
    case 'or':
      return second;
    case 'equal':
      return first === second;
    case 'different':
    case 'bit-xor':
      return first !== second;
    case 'bit-and':
      return first && second;
    case 'bit-or':
      return first || second;
  }
}
