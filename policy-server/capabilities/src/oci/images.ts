import {
  ArtifactError,
  hostPlatform,
  manifestForPlatform,
  type ImageManifest,
  type Manifest,
  type RegistryReader,
  type RequestOptions,
} from '@portcullis/artifact';
import { jsonFrom, messageOf, parseImageReference, parseJson, type ImageReference } from '@portcullis/protocol';
import type { CapabilityHandlers } from '../backend.ts';
import { CapabilityError } from '../errors.ts';
import { registryBudget, withinBudget } from './budget.ts';
import { knownFields } from './known-fields.ts';

/** Configurations of real images have some ten kilobytes. */
const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

type ImageHandlers = Required<Pick<CapabilityHandlers, 'OciManifestDigest' | 'OciManifest' | 'OciManifestAndConfig'>>;

/** Handles `oci/v1/manifest_digest`, `oci/v1/oci_manifest` and `oci/v1/oci_manifest_config`. */
export function createImageHandlers(registry: RegistryReader): ImageHandlers {
  return {
    OciManifestDigest: ({ image }, context) =>
      asking(image, registryBudget(context), async (reference, options) => {
        return jsonFrom({ digest: await registry.digest(reference, options) });
      }),
    OciManifest: ({ image }, context) =>
      asking(image, registryBudget(context), async (reference, options) => {
        const { kind, bytes } = await registry.manifest(reference, options);
        return knownFields(kind, bytes);
      }),
    OciManifestAndConfig: ({ image }, context) =>
      asking(image, registryBudget(context), async (reference, options) => {
        const manifest = await imageManifest(registry, reference, options);
        const blob = await registry.blob(reference, manifest.config, { ...options, maxBytes: MAX_CONFIG_BYTES });
        return new Map([
          ['manifest', knownFields('manifest', manifest.bytes)],
          ['digest', manifest.digest],
          ['config', parsedConfig(image, blob)],
        ]);
      }),
  };
}

/** @throws CapabilityError `payload-invalid` for what is no image reference */
export function imageReference(image: string): ImageReference {
  try {
    return parseImageReference(image);
  } catch (error) {
    const text = `Invalid OCI image reference: ${messageOf(error)}`;
    throw new CapabilityError('payload-invalid', text);
  }
}

async function asking<T>(
  image: string,
  signal: AbortSignal,
  ask: (reference: ImageReference, options: { readonly signal: AbortSignal }) => Promise<T>,
): Promise<T> {
  const reference = imageReference(image);
  return withinBudget(image, signal, () => ask(reference, { signal }).catch((error: unknown) => refuse(error, image)));
}

/** The service that gives out tokens, say, does not know for which image: whoever reads the error must. */
function refuse(error: unknown, image: string): never {
  if (!(error instanceof ArtifactError) || error.message.includes(image)) throw error;
  throw new CapabilityError('failed', `cannot look up ${image}: ${error.message}`, { cause: error.cause });
}

/** The manifest itself, or the one an index has for the machine this server runs on. */
async function imageManifest(
  registry: RegistryReader,
  reference: ImageReference,
  options: RequestOptions,
): Promise<ImageManifest> {
  const first: Manifest = await registry.manifest(reference, options);
  if (first.kind === 'manifest') return first;
  const { registry: host, repository } = reference;
  const { digest } = manifestForPlatform(first, hostPlatform());
  const second = await registry.manifest({ registry: host, repository, digest }, options);
  if (second.kind === 'manifest') return second;
  throw new ArtifactError('artifact-invalid', `${digest} is an index within the index ${first.digest}`);
}

function parsedConfig(image: string, blob: Uint8Array) {
  try {
    return parseJson(blob);
  } catch (error) {
    throw new ArtifactError('answer-invalid', `the configuration of ${image} is no JSON: ${messageOf(error)}`);
  }
}
