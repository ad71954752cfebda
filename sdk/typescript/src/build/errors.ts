/** What kept a policy from being built. */
export type BuildErrorCode =
  | 'bundle-failed'
  | 'sandbox-unsupported'
  | 'policy-missing'
  | 'start-failed'
  | 'metadata-invalid'
  | 'engine-invalid';

/** A policy could not be built; `message` is meant for its author. */
export class BuildError extends Error {
  override readonly name = 'BuildError';
  readonly code: BuildErrorCode;

  constructor(code: BuildErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
