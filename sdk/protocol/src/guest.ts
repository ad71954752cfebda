import {
  any,
  boolean,
  list,
  optional,
  readAs,
  record,
  required,
  string,
  struct,
  unsigned,
  variant,
} from './json/shape.ts';
import type { JsonValue } from './json/value.ts';

/** What a policy says about a request. */
export interface ValidationResponse {
  accepted: boolean;
  message?: string;
  code?: number;
  /** The whole object (raw requests: the whole request) as the policy wants it. */
  mutatedObject?: JsonValue;
  auditAnnotations?: Record<string, string>;
  warnings?: string[];
}

/** What a policy says about its settings. */
export interface SettingsValidationResponse {
  valid: boolean;
  message?: string;
}

const validationResponseShape = struct('struct ValidationResponse', {
  accepted: required(boolean),
  message: optional(string),
  code: optional(unsigned('u16', 0xffff)),
  mutated_object: optional(any),
  audit_annotations: optional(record(string)),
  warnings: optional(list(string)),
});

const settingsResponseShape = struct('struct SettingsValidationResponse', {
  valid: required(boolean),
  message: optional(string),
});

/**
 * Reads a policy's answer to `validate`. Unknown keys are ignored; wrong types, duplicate keys, a code that is no whole
 * number from 0 to 65535 and text after the object are refused.
 *
 * @throws {@link JsonError}
 */
export function parseValidationResponse(bytes: Uint8Array): ValidationResponse {
  const { mutated_object, audit_annotations, ...rest } = readAs(validationResponseShape, bytes);
  const response: ValidationResponse = rest;
  if (mutated_object !== undefined) response.mutatedObject = mutated_object;
  if (audit_annotations !== undefined) response.auditAnnotations = audit_annotations;
  return response;
}

/**
 * Reads a policy's answer to `validate_settings`.
 *
 * @throws {@link JsonError}
 */
export function parseSettingsValidationResponse(bytes: Uint8Array): SettingsValidationResponse {
  return readAs(settingsResponseShape, bytes);
}

/**
 * Reads a policy's answer to `protocol_version`: the JSON string `"v1"`.
 *
 * @throws {@link JsonError}
 */
export function parseProtocolVersion(bytes: Uint8Array): 'v1' {
  return readAs(variant(['v1']), bytes);
}
