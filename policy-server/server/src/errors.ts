/** Why the server cannot start or go on; every code is an operator's business, none is a bug of ours. */
export type ServerErrorCode =
  | 'usage'
  | 'arguments-invalid'
  | 'supply-chain-invalid'
  | 'policies-unreadable'
  | 'policies-invalid'
  | 'policies-broken'
  | 'policy-refused'
  | 'kubernetes-unavailable'
  | 'tls-invalid'
  | 'listen-failed'
  | 'output-unwritable';

/**
 * Something the operator can put right. `message` is one line; `details` are the single problems behind it, one line
 * each, when there is more than one.
 */
export class ServerError extends Error {
  override readonly name = 'ServerError';
  readonly code: ServerErrorCode;
  readonly details: readonly string[];

  constructor(code: ServerErrorCode, message: string, options: { details?: readonly string[]; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.details = options.details ?? [];
  }
}

/** What an unknown thrown value says. */
export function describeError(error: unknown): string {
  return error instanceof Error ? error.message : `unexpected failure: ${JSON.stringify(error)}`;
}
