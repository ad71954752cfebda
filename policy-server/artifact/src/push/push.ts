import { createHash } from 'node:crypto';
import { formatImageReference, type ImageReference, type PolicyMetadata } from '@portcullis/protocol';
import { ArtifactError } from '../errors.ts';
import type { ArtifactLog } from '../log.ts';
import type { RegistryWriter, RequestOptions } from '../registry/registry.ts';
import { MANIFEST_MEDIA_TYPE, manifestAnnotations, policyArtifact } from './manifest.ts';

export interface PushOptions extends RequestOptions {
  /** The module. */
  readonly bytes: Uint8Array;
  /** What the module says about itself; `undefined` when it was never annotated. */
  readonly metadata: PolicyMetadata | undefined;
  readonly reference: ImageReference;
  readonly log: ArtifactLog;
}

export interface PushedPolicy {
  /** `registry/repository@digest`: names these bytes and never others. */
  readonly immutableReference: string;
}

/**
 * Pushes a policy: layer, config, manifest, in this order, so that no manifest ever names a blob that is not there.
 *
 * @throws ArtifactError
 */
export async function pushPolicy(client: RegistryWriter, options: PushOptions): Promise<PushedPolicy> {
  const { bytes, metadata, reference, log, signal } = options;
  const { kept, dropped } = manifestAnnotations(metadata);
  for (const annotation of dropped) {
    log({
      level: 'warn',
      target: 'kwctl::push',
      message: 'annotations of several lines are not part of the OCI manifest',
      fields: { annotation: JSON.stringify(annotation) },
    });
  }
  const { layer, config, manifest } = policyArtifact(bytes, kept);
  const request: RequestOptions = signal === undefined ? {} : { signal };
  await client.pushBlob(reference, layer.bytes, layer.digest, request);
  await client.pushBlob(reference, config.bytes, config.digest, request);
  const digest = await client.pushManifest(reference, manifest, MANIFEST_MEDIA_TYPE, request);
  checkDigest(digest, manifest, reference);
  const { registry, repository } = reference;
  return { immutableReference: `${registry}/${repository}@${digest}` };
}

/** The digest is what others pin and sign: a registry that names another one keeps something else than was sent. */
function checkDigest(digest: string, manifest: Uint8Array, reference: ImageReference): void {
  const [algorithm = ''] = digest.split(':');
  const isKnown = algorithm === 'sha256' || algorithm === 'sha512';
  const own = isKnown ? `${algorithm}:${createHash(algorithm).update(manifest).digest('hex')}` : undefined;
  if (digest === own) return;
  throw new ArtifactError(
    'push-refused',
    `the registry keeps ${formatImageReference(reference)} as ${digest.slice(0, 200)} – expected ${own ?? 'a sha256 or sha512 digest'}: ` +
      'what it keeps is not what was sent; do not use it',
  );
}
