import {
  JsonError,
  parseValidationResponse,
  type AdmissionResponse,
  type AdmissionStatus,
  type ExecutionMode,
  type JsonValue,
  type ValidationResponse,
} from '@portcullis/protocol';
import type { GuestAnswer } from '../runtimes/runtime.ts';
import { createPatch, encodePatch } from './mutation.ts';
import { responseFromGatekeeper, responseFromOpa } from './rego-response.ts';
import { internalError, rejection } from './rejection.ts';

const MUTATED_DELETE =
  'Incoming object is null, which happens only with DELETE operations, but the policy is attempting a mutation. ' +
  'This is not allowed';

/** The request an answer belongs to. */
export interface AnsweredRequest {
  readonly uid: string;
  /**
   * What a mutated object is compared with: the request's `object`, or the whole of a raw request. Read only if the
   * policy mutates, so it may be a getter that parses.
   */
  readonly object?: JsonValue;
  /** Tells how the answer is to be read. @default 'kubewarden-wapc' */
  readonly mode?: ExecutionMode;
}

/** What a guest answered to `validate`, as an admission response. Anything that cannot be understood is a rejection. */
export function responseFromGuest(answer: GuestAnswer, request: AnsweredRequest): AdmissionResponse {
  const { uid, mode = 'kubewarden-wapc' } = request;
  if (answer.kind === 'failure') return rejection(uid, answer.message, 500);
  if (mode === 'opa') return responseFromOpa(answer.bytes, uid);
  if (mode === 'gatekeeper') return responseFromGatekeeper(answer.bytes, uid);
  try {
    return responseFrom(parseValidationResponse(answer.bytes), request);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    const problem = mode === 'wasi' ? 'Cannot deserialize policy validation response' : 'invalid response from policy';
    return internalError(uid, `${problem}: ${error.message}`);
  }
}

function responseFrom(answer: ValidationResponse, request: AnsweredRequest): AdmissionResponse {
  const { accepted, mutatedObject, auditAnnotations = null, warnings = null } = answer;
  const response: AdmissionResponse = { uid: request.uid, allowed: accepted, auditAnnotations, warnings };
  const status = statusFrom(answer);
  if (status !== undefined) response.status = status;
  return mutatedObject === undefined ? response : withPatch(response, request.object, mutatedObject);
}

function withPatch(response: AdmissionResponse, before: JsonValue | undefined, after: JsonValue): AdmissionResponse {
  if (before === undefined) return rejection(response.uid, MUTATED_DELETE);
  const operations = createPatch(before, after);
  return operations.length === 0 ? response : { ...response, patchType: 'JSONPatch', patch: encodePatch(operations) };
}

/** Present if the policy gave a message (even an empty one) or a code, also beside an accepted request. */
function statusFrom({ message, code }: ValidationResponse): AdmissionStatus | undefined {
  if (message === undefined && code === undefined) return undefined;
  const status: AdmissionStatus = {};
  if (message !== undefined) status.message = message;
  if (code !== undefined) status.code = code;
  return status;
}
