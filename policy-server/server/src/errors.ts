/** Why the server cannot start or go on; every code is an operator's business, none is a bug of ours. */
export type ServerErrorCode =
  | 'usage'
  | 'arguments-invalid'
  | 'not-served'
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

const OS_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'No such file or directory (os error 2)',
  EACCES: 'Permission denied (os error 13)',
  ENOTDIR: 'Not a directory (os error 20)',
  EISDIR: 'Is a directory (os error 21)',
  EADDRINUSE: 'Address already in use (os error 98)',
  EADDRNOTAVAIL: 'Cannot assign requested address (os error 99)',
};

/** The text operators and scripts know for a failed system call; other errors keep their own message. */
export function systemErrorText(error: unknown): string {
  if (!(error instanceof Error)) return describeError(error);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return OS_ERRORS[code] ?? error.message;
}
