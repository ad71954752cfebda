import { formatImageReference, type ImageReference } from '@portcullis/protocol';
import { ArtifactError } from '../errors.ts';
import { hostPlatform, manifestForPlatform } from '../registry/platform.ts';
import type { Descriptor, ImageManifest, RegistryReader, RequestOptions } from '../registry/registry.ts';
import type { Destination } from './destination.ts';
import { Reception, tooLarge, type DownloadProgress } from './reception.ts';
import { LAYER_MEDIA_TYPE } from '../policy-media-types.ts';

/** It is `{}`. */
const MAX_CONFIG_BYTES = 1024 * 1024;
/** A connection that is cut is made again, as long as each brings a piece worth the trouble. */
const MAX_CONNECTIONS = 5;
const MIN_PIECE_BYTES = 16 * 1024;

/** The module of a policy in a registry: which layer it is, and how to get it. */
export interface ModuleLayer {
  readonly reference: ImageReference;
  readonly manifest: ImageManifest;
  readonly descriptor: Descriptor;
}

/**
 * Finds the layer that is the module.
 *
 * @throws ArtifactError `artifact-invalid` when the artifact is no policy, `download-too-large` when its module is announced larger than `maxBytes`
 */
export async function findLayer(
  client: RegistryReader,
  reference: ImageReference,
  options: RequestOptions & { readonly maxBytes: number },
): Promise<ModuleLayer> {
  const manifest = await imageManifest(client, reference, options);
  const [descriptor] = manifest.layers;
  if (descriptor === undefined) throw noPolicy('No layers to pull', reference);
  const foreign = manifest.layers.find(({ mediaType }) => mediaType !== LAYER_MEDIA_TYPE);
  if (foreign !== undefined) throw noPolicy(`Incompatible layer media type: ${foreign.mediaType}`, reference);
  const { maxBytes } = options;
  if (descriptor.size > maxBytes) throw tooLarge(formatImageReference(reference), maxBytes, descriptor.size);
  return { reference, manifest, descriptor };
}

async function imageManifest(
  client: RegistryReader,
  reference: ImageReference,
  options: RequestOptions,
): Promise<ImageManifest> {
  const found = await client.manifest(reference, options);
  if (found.kind === 'manifest') return found;
  const { digest } = manifestForPlatform(found, hostPlatform());
  const manifest = await client.manifest({ ...reference, digest }, options);
  if (manifest.kind === 'manifest') return manifest;
  throw noPolicy('an index inside of an index', reference);
}

function noPolicy(problem: string, reference: ImageReference): ArtifactError {
  return new ArtifactError(
    'artifact-invalid',
    `Fail to interact with OCI registry: ${problem} – ${formatImageReference(reference)} is no Kubewarden policy; check the reference`,
  );
}

export interface DownloadOptions {
  readonly client: RegistryReader;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: DownloadProgress) => void;
  /** The last word about the file before it is put into its place. */
  readonly approve: (path: string) => Promise<void>;
}

/** Downloads the module into its place. What a broken connection leaves is continued by the next attempt, whoever makes it. */
export async function downloadLayer(
  layer: ModuleLayer,
  destination: Destination,
  options: DownloadOptions,
): Promise<void> {
  const { client, signal } = options;
  const { reference, descriptor } = layer;
  // Nobody reads it; but what cannot be had whole is not what was pushed.
  await client.blob(reference, layer.manifest.config, { signal, maxBytes: MAX_CONFIG_BYTES });
  await using draft = await destination.open({ digest: descriptor.digest });
  const reception = new Reception(draft, {
    name: formatImageReference(reference),
    maxBytes: Math.min(descriptor.size, options.maxBytes),
    totalBytes: descriptor.size,
    onProgress: options.onProgress,
    algorithm: descriptor.digest.slice(0, descriptor.digest.indexOf(':')),
  });
  try {
    await receiveLayer(layer, reception, options);
  } catch (error) {
    if (draft.length >= MIN_PIECE_BYTES && isCut(error)) await draft.release();
    throw error;
  }
  await reception.checkIsModule();
  await options.approve(draft.path);
  await draft.commit();
}

async function receiveLayer(layer: ModuleLayer, reception: Reception, options: DownloadOptions): Promise<void> {
  const { descriptor } = layer;
  if (reception.length > descriptor.size) await reception.restart();
  else await reception.recall();
  const isContinued = reception.length > 0;
  await receiveRest(layer, reception, options);
  if (isContinued && reception.digest() !== descriptor.digest) {
    // What an earlier attempt left may have been damaged since.
    await reception.restart();
    await receiveRest(layer, reception, options);
  }
  if (reception.digest() !== descriptor.digest) throw mismatch(layer, reception.digest());
}

async function receiveRest(layer: ModuleLayer, reception: Reception, options: DownloadOptions): Promise<void> {
  const { reference, descriptor } = layer;
  const { client, signal } = options;
  for (let connection = 1; reception.length < descriptor.size; connection++) {
    const offset = reception.length;
    const { startsAt, body } = await client.openBlob(reference, descriptor, { offset, signal });
    if (startsAt !== offset) await reception.restart();
    const problem = await endOf(reception.take(body));
    if (problem !== undefined && !isCut(problem)) throw problem;
    const hasGrown = reception.length - offset >= MIN_PIECE_BYTES;
    const isWhole = reception.length === descriptor.size;
    if (!isWhole && (signal.aborted || !hasGrown || connection === MAX_CONNECTIONS)) {
      throw problem ?? cutShort(layer, reception.length);
    }
  }
}

/** Why it ended, if not well. */
async function endOf(work: Promise<void>): Promise<unknown> {
  return work.then(
    () => undefined,
    (problem: unknown) => problem,
  );
}

function cutShort({ reference, descriptor }: ModuleLayer, received: number): ArtifactError {
  return new ArtifactError(
    'download-stalled',
    `the module of ${formatImageReference(reference)} ended after ${received} of ${descriptor.size} bytes – try again`,
  );
}

function isCut(error: unknown): boolean {
  return error instanceof ArtifactError && ['download-stalled', 'registry-unreachable', 'aborted'].includes(error.code);
}

function mismatch({ reference, descriptor }: ModuleLayer, actual: string): ArtifactError {
  return new ArtifactError(
    'digest-mismatch',
    `the module of ${formatImageReference(reference)} is not the one its manifest names – expected ${descriptor.digest}, got ${actual}; ` +
      'nothing was kept: something changes it on the way, or the registry is damaged',
  );
}
