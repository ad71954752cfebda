/** Why a policy could not be built. */
export type BuildErrorCode = 'compilation-failed' | 'imports-unexpected';

/** The one error class of this package; `message` carries the compiler's own report. */
export class BuildError extends Error {
  override readonly name = 'BuildError';
  readonly code: BuildErrorCode;

  constructor(code: BuildErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
