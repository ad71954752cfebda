import {
  any,
  boolean,
  checkWithPaths,
  convertTo,
  list,
  map,
  optional,
  readWithPaths,
  required,
  string,
  struct,
} from './json/shape.ts';
import type { Shape } from './json/shape.ts';
import { encodeJson, jsonFrom, type JsonObject, type JsonValue } from './json/value.ts';

export interface GroupVersionKind {
  group: string;
  version: string;
  kind: string;
}

export interface GroupVersionResource {
  group: string;
  version: string;
  resource: string;
}

export interface UserInfo {
  username?: string;
  uid?: string;
  groups?: string[];
  extra?: JsonObject;
}

/** The `request` of an AdmissionReview (admission.k8s.io/v1). `null` members count as absent. */
export interface AdmissionRequest {
  uid: string;
  kind: GroupVersionKind;
  resource: GroupVersionResource;
  subResource?: string;
  requestKind?: GroupVersionKind;
  requestResource?: GroupVersionResource;
  requestSubResource?: string;
  name?: string;
  namespace?: string;
  operation: string;
  userInfo: UserInfo;
  object?: JsonValue;
  oldObject?: JsonValue;
  dryRun?: boolean;
  options?: JsonValue;
}

const kindShape: Shape<GroupVersionKind> = struct('struct GroupVersionKind', {
  group: required(string),
  version: required(string),
  kind: required(string),
});

const resourceShape: Shape<GroupVersionResource> = struct('struct GroupVersionResource', {
  group: required(string),
  version: required(string),
  resource: required(string),
});

const userInfoShape: Shape<UserInfo> = struct('UserInfo', {
  username: optional(string),
  uid: optional(string),
  groups: optional(list(string)),
  extra: optional(map(list(string))),
});

const requestShape: Shape<AdmissionRequest> = struct('struct AdmissionRequest', {
  uid: required(string),
  kind: required(kindShape),
  resource: required(resourceShape),
  subResource: optional(string),
  requestKind: optional(kindShape),
  requestResource: optional(resourceShape),
  requestSubResource: optional(string),
  name: optional(string),
  namespace: optional(string),
  operation: required(string),
  userInfo: required(userInfoShape),
  object: optional(any),
  oldObject: optional(any),
  dryRun: optional(boolean),
  options: optional(any),
});

const reviewShape = struct('struct AdmissionReviewRequest', {
  kind: optional(string),
  apiVersion: optional(string),
  request: required(requestShape),
});

const rawReviewShape = struct('struct RawReviewRequest', { request: required(any) });

/**
 * Reads the body of `/validate`. `kind` and `apiVersion` are not checked; unknown members of the typed levels are
 * dropped, duplicates there are refused, inside free-form values the last duplicate wins.
 *
 * @throws {@link JsonError}, `syntax` (HTTP 400) or `data` (HTTP 422).
 */
export function parseAdmissionReview(body: Uint8Array): AdmissionRequest {
  return readWithPaths(reviewShape, body).request;
}

/**
 * Reads the body of `/validate_raw`, `{"request": <anything>}`, and returns the request.
 *
 * @throws {@link JsonError} as {@link parseAdmissionReview}.
 */
export function parseRawReview(body: Uint8Array): JsonValue {
  return readWithPaths(rawReviewShape, body).request;
}

/**
 * Refuses what {@link parseAdmissionReview} refuses, in the same words, without making anything of the rest: a body that is
 * refused must not cost more than one that is not.
 */
export function checkAdmissionReview(body: Uint8Array): void {
  checkWithPaths(reviewShape, body);
}

/** {@link checkAdmissionReview} for {@link parseRawReview}. */
export function checkRawReview(body: Uint8Array): void {
  checkWithPaths(rawReviewShape, body);
}

/**
 * An AdmissionRequest from a value already parsed, under the rules of {@link parseAdmissionReview}.
 *
 * @throws {@link JsonError} of code `data` without path and position.
 */
export function admissionRequestFrom(value: JsonValue): AdmissionRequest {
  return convertTo(requestShape, value);
}

/** The bytes a policy sees as `request`: compact, sorted keys, absent members left out. */
export function encodeAdmissionRequest(request: AdmissionRequest): Uint8Array {
  return encodeJson(jsonFromRequest(request));
}

function jsonFromRequest(request: AdmissionRequest): JsonObject {
  const { object, oldObject, options, userInfo, ...rest } = request;
  const { extra, ...user } = userInfo;
  const result = objectFrom(rest);
  result.set('userInfo', withMembers(objectFrom(user), { extra }));
  return withMembers(result, { object, oldObject, options });
}

function objectFrom(plain: object): JsonObject {
  const value = jsonFrom(plain);
  return value instanceof Map ? value : new Map();
}

function withMembers(object: JsonObject, members: Record<string, JsonValue | undefined>): JsonObject {
  for (const [key, value] of Object.entries(members)) {
    if (value !== undefined && value !== null) object.set(key, value);
  }
  return object;
}
