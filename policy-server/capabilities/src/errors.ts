import { messageOf } from '@portcullis/protocol';
/** Why a host call was not answered. */
export type CapabilityErrorCode =
  | 'binding-unknown'
  | 'namespace-unknown'
  | 'operation-unknown'
  | 'payload-invalid'
  | 'denied'
  | 'not-available'
  | 'failed'
  | 'session-invalid';

/** A host call that fails, or a session file that cannot be used. Guests see `message`, word for word. */
export class CapabilityError extends Error {
  readonly code: CapabilityErrorCode;

  constructor(code: CapabilityErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CapabilityError';
    this.code = code;
  }
}

/**
 * An error with its causes as guests have always seen it: the top message, then the causes, numbered when there are
 * several.
 */
export function errorChain(error: unknown): string {
  const causes: string[] = [];
  for (let cause = causeOf(error); cause !== undefined && causes.length < 16; cause = causeOf(cause)) {
    causes.push(messageOf(cause));
  }
  if (causes.length === 0) return messageOf(error);
  const lines = causes.map((text, index) => (causes.length === 1 ? `    ${text}` : `    ${index}: ${text}`));
  return `${messageOf(error)}\n\nCaused by:\n${lines.join('\n')}`;
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}
