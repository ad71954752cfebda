import type {
  KubernetesGetRequest,
  KubernetesListAllRequest,
  KubernetesListByNamespaceRequest,
  IsCertificateTrustedRequest,
  SubjectAccessReviewSpec,
  VerifyV2Request,
} from '@portcullis/protocol';

/**
 * A host call after its payload was read: what handlers receive and sessions record. The names of types and members are
 * those of recorded sessions.
 */
export type CapabilityRequest =
  | { type: 'OciManifestDigest'; image: string }
  | { type: 'OciManifest'; image: string }
  | { type: 'OciManifestAndConfig'; image: string }
  | VerifyV2Request
  | { type: 'DNSLookupHost'; host: string }
  | ({ type: 'KubernetesListResourceNamespace' } & KubernetesListByNamespaceRequest)
  | ({ type: 'KubernetesListResourceAll' } & KubernetesListAllRequest)
  | ({ type: 'KubernetesGetResource' } & KubernetesGetRequest)
  | { type: 'KubernetesCanI'; request: SubjectAccessReviewSpec; disable_cache: boolean }
  | { type: 'CryptoIsCertificateTrusted'; request: IsCertificateTrustedRequest }
  | HostOnlyRequest;

/** What the host asks for itself to give Rego policies their data; no guest can send these. */
export type HostOnlyRequest =
  | { type: 'KubernetesGetResourcePluralName'; api_version: string; kind: string }
  | ({ type: 'HasKubernetesListResourceAllResultChangedSinceInstant' } & KubernetesListAllRequest & {
        since: { secs: number; nanos: number };
      });

export type CapabilityRequestType = CapabilityRequest['type'];

export type RequestOf<T extends CapabilityRequestType> = Extract<CapabilityRequest, { type: T }>;
