/** Why a command failed; every one of them ends with exit code 1. */
export type KwctlErrorCode =
  | 'not-served'
  | 'policy-not-found'
  | 'module-invalid'
  | 'file-unusable'
  | 'request-invalid'
  | 'settings-invalid'
  | 'custom-resource-invalid'
  | 'execution-mode-invalid'
  | 'capabilities-invalid'
  | 'metadata-invalid'
  | 'cluster-unusable'
  | 'bench-invalid'
  | 'evaluation-failed';

/** A command that failed. `message` follows `Error: ` on stderr and needs nothing else to be understood. */
export class KwctlError extends Error {
  readonly code: KwctlErrorCode;

  constructor(code: KwctlErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'KwctlError';
    this.code = code;
  }
}
