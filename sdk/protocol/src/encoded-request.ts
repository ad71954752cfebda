import {
  checkAdmissionReview,
  checkRawReview,
  encodeAdmissionRequest,
  parseAdmissionReview,
  parseRawReview,
  type AdmissionRequest,
} from './admission.ts';
import { scanAdmissionReview, scanRawReview } from './admission-scan.ts';
import { encodeJson, type JsonValue } from './json/value.ts';

/** A request of `/validate_raw` as a policy sees it. */
export interface EncodedRequest {
  /** The request's own, empty where it has none. */
  readonly uid: string;
  /** Canonical JSON in a buffer of its own. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** An AdmissionRequest as a policy sees it, and the little the host wants to know of it. */
export interface EncodedAdmissionRequest extends EncodedRequest {
  readonly operation: string;
  /** `kind.kind`. */
  readonly kind: string;
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
}

/**
 * The body of `/validate` and `/audit` as its policy will see it: {@link encodeAdmissionRequest} of
 * {@link parseAdmissionReview}.
 *
 * @throws {@link JsonError}, `syntax` (HTTP 400) or `data` (HTTP 422).
 */
export function readAdmissionReview(body: Uint8Array): EncodedAdmissionRequest {
  const scanned = scanAdmissionReview(body);
  if (scanned !== undefined) return scanned;
  checkAdmissionReview(body);
  return encodedAdmissionRequest(parseAdmissionReview(body));
}

/**
 * The body of `/validate_raw` as its policy will see it.
 *
 * @throws {@link JsonError}, `syntax` (HTTP 400) or `data` (HTTP 422).
 */
export function readRawReview(body: Uint8Array): EncodedRequest {
  const scanned = scanRawReview(body);
  if (scanned !== undefined) return scanned;
  checkRawReview(body);
  return encodedRawRequest(parseRawReview(body));
}

/** An AdmissionRequest that was parsed already. */
export function encodedAdmissionRequest(request: AdmissionRequest): EncodedAdmissionRequest {
  const { uid, operation, namespace, name } = request;
  return {
    uid,
    operation,
    kind: request.kind.kind,
    namespace,
    name,
    bytes: new Uint8Array(encodeAdmissionRequest(request)),
  };
}

/** A raw request that was parsed already. */
export function encodedRawRequest(request: JsonValue): EncodedRequest {
  return { uid: uidOf(request), bytes: new Uint8Array(encodeJson(request)) };
}

function uidOf(request: JsonValue): string {
  const uid = request instanceof Map ? request.get('uid') : undefined;
  return typeof uid === 'string' ? uid : '';
}
