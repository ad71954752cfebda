import {
  boolean,
  convertTo,
  JsonError,
  list,
  optional,
  parseJson,
  record,
  required,
  string,
  struct,
  unsigned,
  variant,
  type AdmissionResponse,
  type AdmissionStatus,
  type JsonValue,
} from '@portcullis/protocol';
import { internalError, rejection } from './rejection.ts';

const MAX_U32 = 0xffff_ffff;

const causeShape = struct('struct StatusCause', {
  reason: optional(string),
  message: optional(string),
  field: optional(string),
});

const detailsShape = struct('struct StatusDetails', {
  name: optional(string),
  group: optional(string),
  kind: optional(string),
  uid: optional(string),
  causes: optional(list(causeShape)),
  retryAfterSeconds: optional(unsigned('u32', MAX_U32)),
  retry_after_seconds: optional(unsigned('u32', MAX_U32)),
});

/** `reason` is free text: policies written for OPA put sentences there, not only the constants of Kubernetes. */
const statusShape = struct('struct AdmissionResponseStatus', {
  status: optional(variant(['Success', 'Failure'])),
  message: optional(string),
  reason: optional(string),
  details: optional(detailsShape),
  code: optional(unsigned('u16', 0xffff)),
});

const responseShape = struct('struct AdmissionResponse', {
  uid: required(string),
  allowed: required(boolean),
  patchType: optional(variant(['JSONPatch'])),
  patch: optional(string),
  status: optional(statusShape),
  auditAnnotations: optional(record(string)),
  warnings: optional(list(string)),
});

const violationsShape = list(struct('struct Violation', { msg: optional(string) }));

/**
 * Reads what an OPA policy's entry point evaluated to: `[{"result": <AdmissionReview>}]`.
 * The uid of the answer is replaced by that of the request.
 */
export function responseFromOpa(resultJson: Uint8Array, uid: string): AdmissionResponse {
  return readResult(resultJson, uid, (results) => {
    const response = member(member(results[0], 'result'), 'response');
    if (response === undefined) return internalError(uid, 'cannot interpret OPA policy result');
    const { patch, status, auditAnnotations = null, warnings = null, allowed } = convertTo(responseShape, response);
    const answer: AdmissionResponse = { uid, allowed, auditAnnotations, warnings };
    // An API server refuses a patch without its type, and a type without its patch.
    if (patch !== undefined) Object.assign(answer, { patchType: 'JSONPatch', patch });
    if (status !== undefined) answer.status = statusFrom(status);
    return answer;
  });
}

/**
 * Reads what a Gatekeeper policy evaluated to: `[{"result": [<violation>, …]}]`. No result and no violations allow the
 * request; a result of another shape refuses it, because a policy that cannot be understood must not let things pass.
 */
export function responseFromGatekeeper(resultJson: Uint8Array, uid: string): AdmissionResponse {
  return readResult(resultJson, uid, (results) => {
    if (results.length === 0) return allowance(uid);
    const result = member(results[0], 'result');
    if (result === undefined) return internalError(uid, 'cannot interpret Gatekeeper policy result');
    const violations = convertTo(violationsShape, result);
    if (violations.length === 0) return allowance(uid);
    return rejection(uid, violations.map(({ msg = '' }) => msg).join(', '));
  });
}

function readResult(
  resultJson: Uint8Array,
  uid: string,
  read: (results: JsonValue[]) => AdmissionResponse,
): AdmissionResponse {
  try {
    const results = parseJson(resultJson);
    return Array.isArray(results) ? read(results) : internalError(uid, 'cannot interpret the result of a Rego policy');
  } catch (error) {
    if (error instanceof JsonError) return internalError(uid, error.message);
    throw error;
  }
}

function member(value: JsonValue | undefined, key: string): JsonValue | undefined {
  return value instanceof Map ? value.get(key) : undefined;
}

function allowance(uid: string): AdmissionResponse {
  return { uid, allowed: true, auditAnnotations: null, warnings: null };
}

type RawStatus = ReturnType<typeof statusShape.read>;

function statusFrom({ details, ...rest }: RawStatus): AdmissionStatus {
  if (details === undefined) return rest;
  const { causes = [], retry_after_seconds, retryAfterSeconds = retry_after_seconds, ...names } = details;
  return {
    ...rest,
    details: {
      ...names,
      causes: causes.map(({ reason = null, message = null, field = null }) => ({ reason, message, field })),
      retryAfterSeconds,
    },
  };
}
