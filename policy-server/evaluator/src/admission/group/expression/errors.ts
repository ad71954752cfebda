/** Where in an expression; both count from 1. */
export interface ExpressionPosition {
  readonly line: number;
  readonly column: number;
}

/** A group expression that cannot be used. Texts are those of Rhai, the reference's expression engine. */
export class GroupExpressionError extends Error {
  readonly code = 'expression-invalid';
  readonly position: ExpressionPosition | undefined;

  constructor(problem: string, position?: ExpressionPosition) {
    super(position === undefined ? problem : `${problem} (line ${position.line}, position ${position.column})`);
    this.name = 'GroupExpressionError';
    this.position = position;
  }
}

export function syntaxError(problem: string, position: ExpressionPosition): GroupExpressionError {
  return new GroupExpressionError(`Syntax error: ${problem}`, position);
}
