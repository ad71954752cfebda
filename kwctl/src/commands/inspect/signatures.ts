import { ArtifactError, type Descriptor, type ImageManifest, type RegistryReader } from '@portcullis/artifact';
import type { ImageReference } from '@portcullis/protocol';

/** The signatures beside an image, as a registry has them; nothing is verified. */
export interface AttachedSignatures {
  /** The manifest under cosign's tag `sha256-<hex>.sig`. */
  readonly cosign: ImageManifest | undefined;
  /** Manifests that refer to the image and hold a Sigstore bundle. */
  readonly bundles: readonly ImageManifest[];
  /** Why there may be more: a part of them could not be read. */
  readonly failure: ArtifactError | undefined;
}

/** Whoever may write to the repository may put any number of manifests beside an image. */
const MAX_REFERRERS = 64;
const BUNDLE_MEDIA_TYPE_PREFIX = 'application/vnd.dev.sigstore.bundle';
const PREDICATE_TYPE_ANNOTATION = 'dev.sigstore.bundle.predicateType';
const SIGN_PREDICATE_TYPE = 'https://sigstore.dev/cosign/sign/v1';

/**
 * Looks for the signatures of an image. A part that cannot be read hides no other.
 *
 * @throws ArtifactError when the image is not there, or nothing beside it could be read
 */
export async function findSignatures(reference: ImageReference, client: RegistryReader): Promise<AttachedSignatures> {
  const digest = await client.digest(reference);
  const cosign = await attempt(() => underCosignTag(reference, digest, client));
  const bundles = await attempt(() => referringBundles(reference, digest, client));
  const failure = [cosign, bundles].find((part) => part instanceof ArtifactError);
  const found = {
    cosign: cosign instanceof ArtifactError ? undefined : cosign,
    bundles: bundles instanceof ArtifactError ? [] : bundles,
    failure,
  };
  if (failure !== undefined && found.cosign === undefined && found.bundles.length === 0) throw failure;
  return found;
}

async function attempt<T>(read: () => Promise<T>): Promise<T | ArtifactError> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof ArtifactError) return error;
    throw error;
  }
}

/** True for a layer that holds a bundle. */
export function isBundleLayer({ mediaType }: Descriptor): boolean {
  return mediaType.startsWith(BUNDLE_MEDIA_TYPE_PREFIX);
}

async function underCosignTag(
  { registry, repository }: ImageReference,
  digest: string,
  client: RegistryReader,
): Promise<ImageManifest | undefined> {
  return manifestOf({ registry, repository, tag: `${digest.replace(':', '-')}.sig` }, client);
}

async function referringBundles(
  reference: ImageReference,
  digest: string,
  client: RegistryReader,
): Promise<readonly ImageManifest[]> {
  const bundles: ImageManifest[] = [];
  for (const entry of (await client.referrers(reference, digest)).slice(0, MAX_REFERRERS)) {
    const manifest = await bundleManifest(reference, entry, client);
    if (manifest !== undefined) bundles.push(manifest);
  }
  return bundles;
}

/**
 * What lists of referrers say of the type is not believed: some registries put the type of the configuration there. An
 * attestation says something else about the image than that somebody signed it.
 */
async function bundleManifest(
  { registry, repository }: ImageReference,
  entry: Descriptor,
  client: RegistryReader,
): Promise<ImageManifest | undefined> {
  const manifest = await manifestOf({ registry, repository, digest: entry.digest }, client);
  if (manifest === undefined || !manifest.layers.some(isBundleLayer)) return undefined;
  const predicateType = manifest.annotations.get(PREDICATE_TYPE_ANNOTATION) ?? SIGN_PREDICATE_TYPE;
  return predicateType === SIGN_PREDICATE_TYPE ? manifest : undefined;
}

async function manifestOf(reference: ImageReference, client: RegistryReader): Promise<ImageManifest | undefined> {
  try {
    const manifest = await client.manifest(reference);
    return manifest.kind === 'manifest' ? manifest : undefined;
  } catch (error) {
    if (error instanceof ArtifactError && error.code === 'not-found') return undefined;
    throw error;
  }
}
