import type { AdmissionResponse } from '@portcullis/protocol';

/** A refused request with a message for its author. */
export function rejection(uid: string, message: string, code?: number): AdmissionResponse {
  const status = code === undefined ? { message } : { message, code };
  return { uid, allowed: false, status, auditAnnotations: null, warnings: null };
}

/** A request refused because its policy, not its author, made a mistake. */
export function internalError(uid: string, problem: string): AdmissionResponse {
  return rejection(uid, `internal server error: ${problem}`, 500);
}
