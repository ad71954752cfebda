export type {
  AdmissionRequest,
  GroupVersionKind,
  GroupVersionResource,
  Operation,
  UserInfo,
} from './admission-request.ts';
export { HostCallError, SettingsError, UnsupportedKindError } from './errors.ts';
export type { SettingsProblem } from './errors.ts';
export type { Certificate, CertificateQuestion, CryptoHost, HostClient, NetHost } from './host/host-client.ts';
export type {
  AccessReview,
  GetResourceQuery,
  KubernetesHost,
  ListNamespaceQuery,
  ListResourcesQuery,
  ResourceKind,
  ResourceList,
} from './host/kubernetes.ts';
export type { Log, LogFields, LogLevel } from './host/log.ts';
export type {
  CertificateQuery,
  GithubActionsQuery,
  KeylessPrefixQuery,
  KeylessQuery,
  OciDescriptor,
  OciDocument,
  OciHost,
  OciManifestAndConfig,
  PublicKeysQuery,
  Verification,
  VerificationQuery,
} from './host/oci.ts';
export { matchesGlob, matchesPathGlob } from './glob.ts';
export { containersOf, isWorkload, podSpecOf, podSpecPath, withPodSpec } from './pod-spec.ts';
export type { ContainerSite } from './pod-spec.ts';
export { definePolicy, defineRawPolicy } from './policy.ts';
export type { NoSettings, Policy, PolicyContext, PolicyDefinition, RawPolicyDefinition } from './policy.ts';
export type { ListLimits } from './settings/collections.ts';
export type { NumberLimits, StringLimits } from './settings/scalars.ts';
export type { Infer, Schema } from './settings/schema.ts';
export { schema } from './settings/schema-builder.ts';
export { accept, deny, mutate } from './verdict.ts';
export type { AcceptVerdict, DenyOptions, DenyVerdict, MutateVerdict, Verdict, VerdictOptions } from './verdict.ts';
export {
  comparableRegistry,
  formatImageReference,
  ImageReferenceError,
  parseImageReference,
} from '@portcullis/protocol';
export type { ImageReference } from '@portcullis/protocol';
export type { Container, EphemeralContainer, Namespace, Pod, PodSpec } from 'kubernetes-types/core/v1.d.ts';
export type { Deployment } from 'kubernetes-types/apps/v1.d.ts';
export type { ObjectMeta } from 'kubernetes-types/meta/v1.d.ts';
