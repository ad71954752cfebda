import { createHash } from 'node:crypto';
import { encodeJson, jsonFrom, type PolicyMetadata } from '@portcullis/protocol';
import { CONFIG_MEDIA_TYPE, LAYER_MEDIA_TYPE } from '../policy-media-types.ts';

/** The manifest of a policy is an OCI image manifest. */
export const MANIFEST_MEDIA_TYPE = 'application/vnd.oci.image.manifest.v1+json';

/** A blob of a policy, before it is in a registry. */
export interface PolicyBlob {
  readonly bytes: Uint8Array;
  readonly digest: string;
}

/** Everything of a policy that a registry keeps. */
export interface PolicyArtifact {
  readonly config: PolicyBlob;
  readonly layer: PolicyBlob;
  /** Canonical JSON: the same policy has the same digest wherever it is pushed from. */
  readonly manifest: Uint8Array;
}

/** The OCI artifact of a policy: one layer, the module, and an empty config. */
export function policyArtifact(module: Uint8Array, annotations: ReadonlyMap<string, string>): PolicyArtifact {
  const config = blobOf(new TextEncoder().encode('{}'));
  const layer = blobOf(module);
  const manifest = encodeJson(
    jsonFrom({
      schemaVersion: 2,
      config: descriptor(config, CONFIG_MEDIA_TYPE),
      layers: [descriptor(layer, LAYER_MEDIA_TYPE)],
      annotations: annotations.size === 0 ? undefined : annotations,
    }),
  );
  return { config, layer, manifest };
}

/** What the manifest says about the policy, and the annotations it cannot carry. */
export interface ManifestAnnotations {
  readonly kept: ReadonlyMap<string, string>;
  /** Their values have several lines. */
  readonly dropped: readonly string[];
}

const POLICY_SOURCE = 'io.kubewarden.policy.source';
/** Where registries look for the repository of an image. */
const IMAGE_SOURCE = 'org.opencontainers.image.source';

/** The annotations of a policy's metadata as annotations of its manifest. */
export function manifestAnnotations(metadata: PolicyMetadata | undefined): ManifestAnnotations {
  const annotations = new Map(Object.entries(metadata?.annotations ?? {}));
  const kept = new Map<string, string>();
  const dropped: string[] = [];
  for (const [key, value] of annotations) {
    if (isSingleLine(value)) kept.set(key, value.trim());
    else dropped.push(key);
  }
  const source = kept.get(POLICY_SOURCE);
  if (source !== undefined && !annotations.has(IMAGE_SOURCE)) kept.set(IMAGE_SOURCE, source);
  return { kept, dropped: dropped.sort() };
}

/** One line feed at the end does not begin another line. */
function isSingleLine(value: string): boolean {
  const at = value.indexOf('\n');
  return at === -1 || at === value.length - 1;
}

function blobOf(bytes: Uint8Array): PolicyBlob {
  return { bytes, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}` };
}

function descriptor(blob: PolicyBlob, mediaType: string): object {
  return { mediaType, digest: blob.digest, size: blob.bytes.length };
}
