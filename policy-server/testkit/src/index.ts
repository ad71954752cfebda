export { admissionReview } from './admission/admission-reviews.ts';
export type { AdmissionReviewName } from './admission/scenarios.ts';
export { type ApiServer, startApiServer } from './api-server/api-server.ts';
export {
  type KeyPair,
  createAuthority,
  createClientCertificate,
  createServerCertificate,
} from './api-server/certificates.ts';
export { runCosign } from './cosign/cosign.ts';
export { type CosignKeyOptions, type CosignKeys, createCosignKeys } from './cosign/keys.ts';
export {
  type Attesting,
  type SignatureFormat,
  type Signing,
  type SigningCertificate,
  type KeylessSigning,
  attest,
  signKeyless,
  signWithCertificate,
  signWithKey,
} from './cosign/sign.ts';
export { freePort } from './api-server/process.ts';
export { registerWebhook } from './api-server/webhook.ts';
export { committedGuest, committedHashes, commitGuests, guestModule, guestSourceHash } from './guests/guests.ts';
export { GUEST_NAMES, type GuestName } from './guests/recipes.ts';
export { GUEST_CASES, type GuestCase } from './guests/cases.ts';
export { type PolicyModuleOptions, policyModule } from './guests/policy-module.ts';
export { type Random, damage, randomFrom } from './random.ts';
export {
  type Artifact,
  type ArtifactLayer,
  type OciDescriptor,
  type PushedArtifact,
  type SignatureLayer,
  OCI_INDEX,
  OCI_MANIFEST,
  WASM_CONFIG,
  WASM_LAYER,
  pushArtifact,
  pushBundles,
  pushManifest,
  pushPolicyModule,
  pushSignatures,
} from './registry/artifact.ts';
export {
  type CredentialHelper,
  type CredentialHelperOptions,
  createCredentialHelper,
} from './registry/credential-helper.ts';
export {
  type ProgrammableRegistryOptions,
  type ProgrammedAnswer,
  type ReceivedRequest,
  type Route,
  ProgrammableRegistry,
} from './registry/programmable-registry.ts';
export {
  type RegistryOptions,
  type RegistryProgram,
  type TestRegistry,
  registryTools,
  startRegistry,
} from './registry/registry.ts';
export { type BasicAuth, type RegistryTarget, basicAuthorization, callRegistry } from './registry/registry-target.ts';
export type { Damage } from './registry/tamper.ts';
export {
  type ProxiedRequest,
  type Tamper,
  type TamperingProxy,
  type TamperingProxyOptions,
  startTamperingProxy,
} from './registry/tampering-proxy.ts';
export { type TokenOptions, type TokenRequest, TokenService } from './registry/token-service.ts';
export { type RunningPolicyServer, startPolicyServer } from './server/policy-server.ts';
export type { CtLog } from './sigstore/ct-log.ts';
export type { CertifiedSigner, Fulcio, IssueOptions, SigstoreIdentity } from './sigstore/fulcio.ts';
export type { DsseEnvelope, EntryOptions, LoggedSignature, Rekor } from './sigstore/rekor.ts';
export type { RekorV2 } from './sigstore/rekor-v2.ts';
export { type SigstoreServices, startSigstoreServices } from './sigstore/services.ts';
export { type SigstoreOptions, createSigstore } from './sigstore/create.ts';
export type { BundleOptions, SignOptions, Signer, Sigstore } from './sigstore/sigstore.ts';
export { type SimpleSigningClaim, simpleSigningPayload } from './sigstore/simple-signing.ts';
export type { TrustedLog, TrustedServices } from './sigstore/trust-config.ts';
export { cacheRoot, madeOnce } from './tools/cache.ts';
export { onPath, runCommand } from './tools/command.ts';
export { rustEnv } from './tools/rust-wasi.ts';
export { TOOL_NAMES, type ToolName, ToolUnavailable, missingProgram, missingTool, toolFolder } from './tools/tools.ts';
export {
  type Certificate,
  type CertificateFields,
  type Extension,
  createCertificate,
  signBytes,
} from './x509/certificate.ts';
export {
  type ChainFlaw,
  type CodeSigningChain,
  type CodeSigningOptions,
  createCodeSigningChain,
} from './x509/code-signing.ts';
export { der, sequence } from './x509/der.ts';
export type { KeyAlgorithm } from './x509/openssl.ts';
export { watModule } from './wat.ts';
