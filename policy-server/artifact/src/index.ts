export { ANONYMOUS, credentialIdentity, type Credential, type CredentialSource } from './credentials/credentials.ts';
export {
  collectSignatures,
  createDockerCredentials,
  createPolicyFetcher,
  createPolicyVerifier,
  createRegistryClient,
  createTransport,
  loadArchive,
  loadSources,
  loadVerificationConfig,
  parseSources,
  publicGoodTrustRoot,
  pushPolicy,
  saveArchive,
  trustRootFromConfig,
} from './deferred.ts';
export type { DockerCredentialsOptions } from './credentials/docker-config.ts';
export { ArtifactError, type ArtifactErrorCode, type FetchStage } from './errors.ts';
export type { FetchedPolicy, FetchOptions, PolicyFetcher, PolicyFetcherOptions } from './fetch/fetcher.ts';
export type { DownloadProgress } from './fetch/reception.ts';
export { Flights, type FlightContext, type Waiter } from './flights.ts';
export { readFileBounded, type FileReader } from './file.ts';
export { inspectModule, loadModule, MAX_MODULE_BYTES, type LoadedModule, type LoadOptions } from './load.ts';
export { once } from './once.ts';
export {
  formatModuleLocation,
  parseModuleLocation,
  parseRegistryLocation,
  shownModuleLocation,
  type ModuleLocation,
  type RegistryLocation,
} from './location.ts';
export type { PushedPolicy, PushOptions } from './push/push.ts';
export type { SourcesOptions } from './sources/load.ts';
export { proxiesFromEnvironment } from './sources/proxies.ts';
export { NO_SOURCES, type Mirror, type Proxies, type Sources } from './sources/sources.ts';
export { PolicyStore, type StoredPolicy } from './store/store.ts';
export { systemErrorText } from './system-error.ts';
export { checkMinimumVersion, KUBEWARDEN_VERSION, unmetMinimumVersion } from './version.ts';
export { YamlError, YamlTagged, type YamlDocument, type YamlNode } from './yaml/node.ts';
export { resolvePlainScalar } from './yaml/plain-scalar.ts';
export { parseYaml, parseYamlDocuments, type YamlPath, type YamlReadOptions } from './yaml/reader.ts';
export { stringifyYaml } from './yaml/writer.ts';
export type { MetRequirement } from './verify/judge.ts';
export { parseVerificationConfig } from './verify/config/parse.ts';
export { warnOfTrustRoot } from './verify/trust-watch.ts';
export { createTurns } from './verify/turns.ts';
export { DER, expectDer, objectIdentifierText, readDer, readDerChildren, type DerElement } from './der.ts';
export { parseUrlPrefix, type ParsedUrlPrefix } from './verify/config/url-prefix.ts';
export { verificationConfigYaml } from './verify/config/requirement-yaml.ts';
export type {
  CertificateRequirement,
  GenericIssuerRequirement,
  GithubActionRequirement,
  PubKeyRequirement,
  SignatureRequirement,
  Subject,
  VerificationConfig,
} from './verify/config/requirement.ts';
export type { ArtifactLog, ArtifactLogRecord } from './log.ts';
export type { RegistryClientOptions } from './registry/client.ts';
export { MANIFEST_MEDIA_TYPES } from './registry/manifest.ts';
export { hostPlatform, manifestForPlatform } from './registry/platform.ts';
export type {
  BlobOptions,
  BlobStream,
  Descriptor,
  ImageIndex,
  ImageManifest,
  Manifest,
  Platform,
  RegistryClient,
  RegistryReader,
  RegistryWriter,
  Repository,
  RequestOptions,
} from './registry/registry.ts';
export { withoutWaiting } from './transport/without-waiting.ts';
export type {
  Transport,
  TransportLimits,
  TransportOptions,
  TransportRequest,
  TransportResponse,
} from './transport/transport.ts';
export type { CollectOptions } from './verify/evidence/collect.ts';
export type { CertificateIdentity, Signature, SignatureEvidence } from './verify/evidence/signature.ts';
export type { PublicGoodOptions } from './verify/trust/public-good.ts';
export type { TrustRoot, TrustRootSource } from './verify/trust/trust-root.ts';
export type { PolicyVerifier, PolicyVerifierOptions, VerifiedImage, VerifyOptions } from './verify/verifier.ts';
export type { CheckedFile } from './verify/local-file.ts';
export type { Requirement } from './verify/requirement-match.ts';
