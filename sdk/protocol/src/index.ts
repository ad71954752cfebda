export {
  CapabilityPatternError,
  ImageReferenceError,
  JsonError,
  messageOf,
  ModuleError,
  Utf8Error,
  type ImageReferenceErrorCode,
  type JsonErrorCode,
  type JsonErrorPlace,
} from './errors.ts';
export { compareUtf8, decodeUtf8, encodeUtf8 } from './utf8.ts';
export { JsonNumber } from './json/number.ts';
export { parseJson } from './json/parse.ts';
export type { JsonReadOptions } from './json/reader.ts';
export {
  encodeJson,
  jsonEquals,
  jsonFrom,
  jsonToPlain,
  sortedKeys,
  stringifyJson,
  type JsonObject,
  type JsonValue,
} from './json/value.ts';
export {
  any,
  boolean,
  convertTo,
  list,
  map,
  optional,
  readAs,
  readWithPaths,
  record,
  required,
  string,
  struct,
  unsigned,
  variant,
  withDefault,
  type Field,
  type Shape,
} from './json/shape.ts';
export {
  admissionRequestFrom,
  encodeAdmissionRequest,
  parseAdmissionReview,
  parseRawReview,
  type AdmissionRequest,
  type GroupVersionKind,
  type GroupVersionResource,
  type UserInfo,
} from './admission.ts';
export {
  encodedAdmissionRequest,
  encodedRawRequest,
  readAdmissionReview,
  readRawReview,
  type EncodedAdmissionRequest,
  type EncodedRequest,
} from './encoded-request.ts';
export {
  stringifyAdmissionResponse,
  stringifyAdmissionReview,
  type AdmissionResponse,
  type AdmissionStatus,
  type StatusCause,
  type StatusDetails,
} from './admission-response.ts';
export {
  parseProtocolVersion,
  parseSettingsValidationResponse,
  parseValidationResponse,
  type SettingsValidationResponse,
  type ValidationResponse,
} from './guest.ts';
export { HOST_CAPABILITIES, parseCapabilityPatterns, type CapabilityAllowList } from './capability-patterns.ts';
export type {
  CanIRequest,
  CanIResponse,
  Certificate,
  DnsLookupHostRequest,
  DnsLookupHostResponse,
  HostCall,
  IsCertificateTrustedRequest,
  IsCertificateTrustedResponse,
  KubernetesGetRequest,
  KubernetesListAllRequest,
  KubernetesListByNamespaceRequest,
  OciImageRequest,
  OciManifestConfigResponse,
  OciManifestDigestResponse,
  ResourceAttributes,
  SigstoreCertificateVerify,
  SigstoreGithubActionsVerify,
  SigstoreKeylessPrefixVerify,
  SigstoreKeylessVerify,
  SigstorePubKeyVerify,
  SubjectAccessReviewSpec,
  TracingLogRequest,
  VerifyResponse,
  VerifyV1Request,
  VerifyV2Request,
} from './host-calls.ts';
export {
  metadataFrom,
  parseMetadata,
  stringifyMetadata,
  type ContextAwareResource,
  type ExecutionMode,
  type PolicyMetadata,
  type PolicyRule,
  type RuleOperation,
} from './metadata.ts';
export { validateMetadata } from './metadata-validation.ts';
export { moduleKind, readCustomSection, readSections, replaceCustomSection, type Section } from './module/sections.ts';
export { exportNames, importNames, isRegoModule, renameImport, type ImportName } from './module/imports-exports.ts';
export { dataSegments } from './module/data-segments.ts';
export { METADATA_SECTION, readMetadata } from './module/metadata-section.ts';
export {
  comparableRegistry,
  formatImageReference,
  parseImageReference,
  type ImageReference,
} from './image-reference.ts';
