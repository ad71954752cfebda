import { createHash } from 'node:crypto';
import { type RegistryTarget, callRegistry } from './registry-target.ts';

export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
/** Media type of a policy's layer. */
export const WASM_LAYER = 'application/vnd.wasm.content.layer.v1+wasm';
/** Media type of a policy's config. */
export const WASM_CONFIG = 'application/vnd.wasm.config.v1+json';
const SIMPLE_SIGNING = 'application/vnd.dev.cosign.simplesigning.v1+json';
const SIGSTORE_BUNDLE = 'application/vnd.dev.sigstore.bundle.v0.3+json';

/** A descriptor as manifests carry it. */
export interface OciDescriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface ArtifactLayer {
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface Artifact {
  readonly layers: readonly ArtifactLayer[];
  /** `{}` as a policy's config when absent. */
  readonly config?: ArtifactLayer;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly artifactType?: string;
  readonly subject?: OciDescriptor;
  /** Without a tag the manifest is known by its digest only. */
  readonly tag?: string;
}

/** Where an artifact went. */
export interface PushedArtifact {
  /** `127.0.0.1:PORT/repository`, to be followed by `:tag` or `@digest`. */
  readonly repository: string;
  /** `sha256:…` of the manifest. */
  readonly digest: string;
  readonly manifest: OciDescriptor;
  /** `127.0.0.1:PORT/repository@sha256:…`. */
  readonly immutableReference: string;
}

/** Puts an artifact into a registry, with nothing but the distribution API. */
export async function pushArtifact(
  target: RegistryTarget,
  repository: string,
  artifact: Artifact,
): Promise<PushedArtifact> {
  const config = artifact.config ?? { mediaType: WASM_CONFIG, bytes: Buffer.from('{}') };
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    ...(artifact.artifactType === undefined ? {} : { artifactType: artifact.artifactType }),
    config: await pushLayer(target, repository, config),
    layers: await Promise.all(artifact.layers.map((layer) => pushLayer(target, repository, layer))),
    ...(artifact.subject === undefined ? {} : { subject: artifact.subject }),
    ...(artifact.annotations === undefined ? {} : { annotations: artifact.annotations }),
  };
  return pushManifest(target, repository, manifest, artifact.tag);
}

/** Puts a policy into a registry as `kwctl push` does: one layer of Wasm. */
export async function pushPolicyModule(
  target: RegistryTarget,
  repository: string,
  bytes: Uint8Array,
  tag = 'v1',
): Promise<PushedArtifact> {
  return pushArtifact(target, repository, { layers: [{ mediaType: WASM_LAYER, bytes }], tag });
}

/** Puts any manifest or index; `manifest` goes as JSON, its `mediaType` as the Content-Type. */
export async function pushManifest(
  target: RegistryTarget,
  repository: string,
  manifest: { readonly mediaType: string; readonly [key: string]: unknown },
  tag?: string,
): Promise<PushedArtifact> {
  const body = Buffer.from(JSON.stringify(manifest));
  const descriptor = { mediaType: manifest.mediaType, digest: sha256(body), size: body.length };
  for (const name of [descriptor.digest, ...(tag === undefined ? [] : [tag])]) {
    const headers = { 'content-type': manifest.mediaType };
    expectStatus(await callRegistry(target, 'PUT', `/v2/${repository}/manifests/${name}`, { headers, body }), 201);
  }
  const host = new URL(target.url).host;
  const { digest } = descriptor;
  return {
    repository: `${host}/${repository}`,
    digest,
    manifest: descriptor,
    immutableReference: `${host}/${repository}@${digest}`,
  };
}

/** A layer of cosign's classic signatures. */
export interface SignatureLayer {
  readonly payload: Uint8Array;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Puts classic cosign signatures where they are looked for: tag `sha256-<hex>.sig` beside the image. */
export async function pushSignatures(
  target: RegistryTarget,
  repository: string,
  digest: string,
  layers: readonly SignatureLayer[],
): Promise<PushedArtifact> {
  return pushArtifact(target, repository, {
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', bytes: Buffer.from('{}') },
    layers: layers.map(({ payload, annotations }) => ({ mediaType: SIMPLE_SIGNING, bytes: payload, annotations })),
    tag: `${digest.replace(':', '-')}.sig`,
  });
}

/**
 * Puts Sigstore bundles where they are looked for: each as a manifest that refers to the image, and, where the registry has no
 * referrers API (it does not answer with `OCI-Subject`), in the index under the fallback tag `sha256-<hex>`.
 */
export async function pushBundles(
  target: RegistryTarget,
  repository: string,
  subject: OciDescriptor,
  bundles: readonly string[],
): Promise<readonly PushedArtifact[]> {
  const pushed: PushedArtifact[] = [];
  for (const bundle of bundles) {
    pushed.push(
      await pushArtifact(target, repository, {
        artifactType: SIGSTORE_BUNDLE,
        config: { mediaType: 'application/vnd.oci.empty.v1+json', bytes: Buffer.from('{}') },
        layers: [{ mediaType: SIGSTORE_BUNDLE, bytes: Buffer.from(bundle) }],
        annotations: BUNDLE_ANNOTATIONS,
        subject,
      }),
    );
  }
  const api = await callRegistry(target, 'GET', `/v2/${repository}/referrers/${subject.digest}`);
  if (api.status !== 200) await pushFallbackIndex(target, repository, subject.digest, pushed);
  return pushed;
}

const BUNDLE_ANNOTATIONS = {
  'dev.sigstore.bundle.content': 'dsse-envelope',
  'dev.sigstore.bundle.predicateType': 'https://sigstore.dev/cosign/sign/v1',
  'org.opencontainers.image.created': '2026-01-01T00:00:00Z',
};

/** OCI distribution 1.1, "Referrers Tag Schema": an index under the digest with a hyphen for the colon. */
async function pushFallbackIndex(
  target: RegistryTarget,
  repository: string,
  digest: string,
  referrers: readonly PushedArtifact[],
): Promise<void> {
  const tag = digest.replace(':', '-');
  const known = await callRegistry(target, 'GET', `/v2/${repository}/manifests/${tag}`, {
    headers: { accept: OCI_INDEX },
  });
  const before: OciDescriptor[] = known.status === 200 ? JSON.parse(known.body.toString()).manifests : [];
  const added = referrers.map(({ manifest }) => ({
    ...manifest,
    artifactType: SIGSTORE_BUNDLE,
    annotations: BUNDLE_ANNOTATIONS,
  }));
  await pushManifest(
    target,
    repository,
    { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [...before, ...added] },
    tag,
  );
}

async function pushLayer(target: RegistryTarget, repository: string, layer: ArtifactLayer): Promise<OciDescriptor> {
  const { bytes, mediaType, annotations } = layer;
  const digest = sha256(bytes);
  const opened = await callRegistry(target, 'POST', `/v2/${repository}/blobs/uploads/`);
  expectStatus(opened, 202);
  const location = new URL(opened.headers.location ?? '', target.url);
  location.searchParams.set('digest', digest);
  const headers = { 'content-type': 'application/octet-stream' };
  expectStatus(await callRegistry(target, 'PUT', location.pathname + location.search, { headers, body: bytes }), 201);
  return { mediaType, digest, size: bytes.length, ...(annotations === undefined ? {} : { annotations }) };
}

function expectStatus(answer: { status: number; body: Buffer }, expected: number): void {
  if (answer.status !== expected)
    throw new Error(`the registry answered ${answer.status}, expected ${expected}: ${answer.body.toString()}`);
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
