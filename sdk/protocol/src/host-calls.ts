import type { JsonObject } from './json/value.ts';

/** What a guest asks of its host. */
export interface HostCall {
  binding: string;
  namespace: string;
  operation: string;
  payload: Uint8Array;
}

/** `tracing/log`: any other member is structured data of the event. */
export interface TracingLogRequest {
  level: string;
  message?: string;
  data: JsonObject;
}

/** `oci/v1/manifest_digest`, `v1/oci_manifest`, `v1/oci_manifest_config`: a JSON string, the image. */
export type OciImageRequest = string;

export interface OciManifestDigestResponse {
  digest: string;
}

/** `oci/v1/oci_manifest_config`. */
export interface OciManifestConfigResponse {
  manifest: JsonObject;
  digest: string;
  config: JsonObject;
}

export interface SigstorePubKeyVerify {
  type: 'SigstorePubKeyVerify';
  image: string;
  pub_keys: string[];
  annotations?: Map<string, string>;
}

export interface SigstoreKeylessVerify {
  type: 'SigstoreKeylessVerify';
  image: string;
  keyless: { issuer: string; subject: string }[];
  annotations?: Map<string, string>;
}

export interface SigstoreKeylessPrefixVerify {
  type: 'SigstoreKeylessPrefixVerify';
  image: string;
  keyless_prefix: { issuer: string; url_prefix: string }[];
  annotations?: Map<string, string>;
}

export interface SigstoreGithubActionsVerify {
  type: 'SigstoreGithubActionsVerify';
  image: string;
  owner: string;
  repo?: string;
  annotations?: Map<string, string>;
}

export interface SigstoreCertificateVerify {
  type: 'SigstoreCertificateVerify';
  image: string;
  certificate: number[];
  certificate_chain?: number[][];
  require_rekor_bundle: boolean;
  annotations?: Map<string, string>;
}

/** `oci/v1/verify` (on the wire tagged from outside). */
export type VerifyV1Request = SigstorePubKeyVerify | SigstoreKeylessVerify;

/** `oci/v2/verify` (on the wire tagged by `type`). */
export type VerifyV2Request =
  | VerifyV1Request
  | SigstoreKeylessPrefixVerify
  | SigstoreGithubActionsVerify
  | SigstoreCertificateVerify;

/** An image that cannot be trusted is an error of the call, never `false`. */
export interface VerifyResponse {
  is_trusted: true;
  digest: string;
}

/** `net/v1/dns_lookup_host`: a JSON string, the host. */
export type DnsLookupHostRequest = string;

export interface DnsLookupHostResponse {
  ips: string[];
}

export interface Certificate {
  encoding: 'Pem' | 'Der';
  data: number[];
}

/** `crypto/v1/is_certificate_trusted`. */
export interface IsCertificateTrustedRequest {
  cert: Certificate;
  /** Intermediates first, root last; absent = the public roots. */
  cert_chain?: Certificate[];
  /** RFC 3339; the time to verify at. Absent or empty = now. */
  not_after?: string;
}

export interface IsCertificateTrustedResponse {
  trusted: boolean;
  reason: string;
}

/** `kubernetes/list_resources_all`. */
export interface KubernetesListAllRequest {
  api_version: string;
  kind: string;
  label_selector?: string;
  field_selector?: string;
  field_masks?: string[];
}

/** `kubernetes/list_resources_by_namespace`. */
export interface KubernetesListByNamespaceRequest extends KubernetesListAllRequest {
  namespace: string;
}

/** `kubernetes/get_resource`. */
export interface KubernetesGetRequest {
  api_version: string;
  kind: string;
  name: string;
  namespace?: string;
  disable_cache: boolean;
  field_masks?: string[];
}

export interface ResourceAttributes {
  verb: string;
  resource: string;
  group?: string;
  name?: string;
  namespace?: string;
  subresource?: string;
  version?: string;
}

export interface SubjectAccessReviewSpec {
  user: string;
  groups?: string[];
  resource_attributes: ResourceAttributes;
}

/** `kubernetes/can_i`. */
export interface CanIRequest {
  subject_access_review: SubjectAccessReviewSpec;
  disable_cache: boolean;
}

/** The `status` of a SubjectAccessReview. */
export interface CanIResponse {
  allowed: boolean;
  denied?: boolean;
  reason?: string;
  evaluationError?: string;
}
