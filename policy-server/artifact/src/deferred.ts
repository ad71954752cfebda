import type { ImageReference } from '@portcullis/protocol';
import type { FileReader } from './file.ts';
import type { CredentialSource } from './credentials/credentials.ts';
import type { DockerCredentialsOptions } from './credentials/docker-config.ts';
import type { PolicyFetcher, PolicyFetcherOptions } from './fetch/fetcher.ts';
import type { PushedPolicy, PushOptions } from './push/push.ts';
import type { RegistryClientOptions } from './registry/client.ts';
import type { RegistryClient, RegistryWriter } from './registry/registry.ts';
import type { Transport, TransportOptions } from './transport/transport.ts';
import type { SourcesOptions } from './sources/load.ts';
import type { Sources } from './sources/sources.ts';
import type { PolicyStore, StoredPolicy } from './store/store.ts';
import type { VerificationConfig } from './verify/config/requirement.ts';
import type { CollectOptions } from './verify/evidence/collect.ts';
import type { SignatureEvidence } from './verify/evidence/signature.ts';
import type { PublicGoodOptions } from './verify/trust/public-good.ts';
import type { TrustRootSource } from './verify/trust/trust-root.ts';
import type { PolicyVerifier, PolicyVerifierOptions } from './verify/verifier.ts';
import { once } from './once.ts';

// What reaches the outside or is seldom wanted, loaded when it is first asked for: whoever works on local files, as a policy author does all day,
// does not wait for a hundred modules that have nothing to do.

/** Opens nothing and loads nothing before the first request. */
export function createTransport(options: TransportOptions): Transport {
  let isOpen = false;
  const open = once(async () => (await import('./transport/create-transport.ts')).createTransport(options));
  return {
    async request(request) {
      isOpen = true;
      return (await open()).request(request);
    },
    async [Symbol.asyncDispose]() {
      if (isOpen) await (await open())[Symbol.asyncDispose]();
    },
  };
}

/** Reads and writes what registries hold. What mirrors may be asked for is read from them first; all is written to the registry itself. */
export function createRegistryClient(
  options: RegistryClientOptions & { readonly mirrors?: Sources['mirrors'] },
): RegistryClient {
  const open = once(async () => {
    const client = (await import('./registry/client.ts')).createRegistryClient(options);
    const { mirrors } = options;
    if (mirrors === undefined || mirrors.size === 0) return client;
    const { createMirroredReader } = await import('./mirrors/mirrored-reader.ts');
    return { ...client, ...createMirroredReader(client, { ...options, mirrors }) };
  });
  return {
    digest: async (...given) => (await open()).digest(...given),
    manifest: async (...given) => (await open()).manifest(...given),
    blob: async (...given) => (await open()).blob(...given),
    openBlob: async (...given) => (await open()).openBlob(...given),
    referrers: async (...given) => (await open()).referrers(...given),
    pushBlob: async (...given) => (await open()).pushBlob(...given),
    pushManifest: async (...given) => (await open()).pushManifest(...given),
  };
}

/** The credentials of a Docker config: `auths`, `credHelpers`, `credsStore`. Read anew when the file changes. */
export function createDockerCredentials(options: DockerCredentialsOptions): CredentialSource {
  const open = once(async () => (await import('./credentials/docker-config.ts')).createDockerCredentials(options));
  return { credentialFor: async (registryHost) => (await open()).credentialFor(registryHost) };
}

/** Brings policies to this machine. Whoever asks for the same at the same time shares one download. */
export function createPolicyFetcher(options: PolicyFetcherOptions): PolicyFetcher {
  const open = once(async () => (await import('./fetch/fetcher.ts')).createPolicyFetcher(options));
  return {
    fetch: async (...given) => (await open()).fetch(...given),
    read: async (policy) => (await open()).read(policy),
    load: async (...given) => (await open()).load(...given),
    settled: async () => (await open()).settled(),
  };
}

/** Checks signatures against a verification config. Nothing is asked of anybody before the first image. */
export function createPolicyVerifier(options: PolicyVerifierOptions): PolicyVerifier {
  const open = once(async () => (await import('./verify/verifier.ts')).createPolicyVerifier(options));
  return {
    verify: async (...given) => (await open()).verify(...given),
    checkFile: async (...given) => (await open()).checkFile(...given),
  };
}

/** Collects what was signed about an image, each with what it proves. */
export async function collectSignatures(
  reference: ImageReference,
  options: CollectOptions,
): Promise<SignatureEvidence> {
  return (await import('./verify/evidence/collect.ts')).collectSignatures(reference, options);
}

/** The roots of the public Sigstore instance, over TUF. */
export function publicGoodTrustRoot(options: PublicGoodOptions): TrustRootSource {
  const open = once(async () => (await import('./verify/trust/public-good.ts')).publicGoodTrustRoot(options));
  return { needsNetwork: true, trustRoot: async () => (await open()).trustRoot() };
}

/** The roots of a file with a Sigstore ClientTrustConfig. */
export function trustRootFromConfig(path: string, readFile?: FileReader): TrustRootSource {
  const open = once(async () => (await import('./verify/trust/trust-config.ts')).trustRootFromConfig(path, readFile));
  return { trustRoot: async () => (await open()).trustRoot() };
}

/**
 * Uploads a policy: module, config and manifest.
 *
 * @throws ArtifactError
 */
export async function pushPolicy(client: RegistryWriter, options: PushOptions): Promise<PushedPolicy> {
  return (await import('./push/push.ts')).pushPolicy(client, options);
}

/**
 * Reads a sources file.
 *
 * @throws ArtifactError `sources-invalid` with all problems at once
 */
export async function loadSources(path: string, readFile?: FileReader): Promise<Sources> {
  return (await import('./sources/load.ts')).loadSources(path, readFile);
}

/** The same for text that is here already. */
export async function parseSources(text: string, options: SourcesOptions): Promise<Sources> {
  return (await import('./sources/load.ts')).parseSources(text, options);
}

/**
 * Reads a verification config.
 *
 * @throws ArtifactError `verification-config-invalid`
 */
export async function loadVerificationConfig(path: string, readFile?: FileReader): Promise<VerificationConfig> {
  return (await import('./verify/config/load.ts')).loadVerificationConfig(path, readFile);
}

/**
 * Writes policies of a store into an archive.
 *
 * @throws ArtifactError `store-unusable`
 */
export async function saveArchive(
  path: string,
  policies: readonly StoredPolicy[],
  signal?: AbortSignal,
): Promise<void> {
  return (await import('./store/archive-writer.ts')).saveArchive(path, policies, signal);
}

/**
 * Puts the policies of an archive into a store, all of them or none.
 *
 * @returns the URIs of the policies
 * @throws ArtifactError `archive-invalid` or `store-unusable`
 */
export async function loadArchive(path: string, store: PolicyStore): Promise<readonly string[]> {
  return (await import('./store/archive-reader.ts')).loadArchive(path, store);
}
