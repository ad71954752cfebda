/** Why the evaluator could not do what it was asked. A denial is never one of these: it is an answer. */
export type EvaluationErrorCode =
  /** The module is not one this runtime can run: malformed, an export is missing, its memory is too large. */
  | 'module-invalid'
  /** The module imports something no policy is offered. */
  | 'import-unknown'
  /** The Rego module needs builtins that are not implemented. */
  | 'missing-builtins'
  /** Start code trapped, exited with a failure, or broke a limit. */
  | 'initialisation-failed'
  /** The policy refused its settings. */
  | 'settings-invalid'
  /** A group's expression does not parse. */
  | 'expression-invalid'
  /** Neither a policy id nor `group/member`. */
  | 'policy-id-invalid'
  /** No such policy. */
  | 'unknown-policy'
  /** A policy of that name is registered already. */
  | 'duplicate-policy'
  /** The time limit passed where there is no admission response to say so. */
  | 'timeout'
  /** The queue is full, or the answer would come too late to be of use. */
  | 'overloaded'
  /** The caller went away. */
  | 'aborted'
  /** A guest's answer could not be understood where there is no admission response to say so. */
  | 'answer-invalid'
  /** Worker threads could not be kept running. */
  | 'threads-failed'
  /** The evaluator was closed. */
  | 'closed';

/** The one error class of this package; `message` is fit for an operator's eyes. */
export class EvaluationError extends Error {
  override readonly name = 'EvaluationError';
  readonly code: EvaluationErrorCode;

  constructor(code: EvaluationErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The caller is told, if it still listens. */
export function abortedError(): EvaluationError {
  return new EvaluationError('aborted', 'the caller went away before the evaluation was done');
}

export function closedError(): EvaluationError {
  return new EvaluationError('closed', 'the evaluator is closed');
}
