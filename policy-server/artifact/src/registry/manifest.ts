import { createHash } from 'node:crypto';
import {
  list,
  map,
  messageOf,
  optional,
  readAs,
  required,
  string,
  struct,
  unsigned,
  withDefault,
  type Shape,
} from '@portcullis/protocol';
import { ArtifactError } from '../errors.ts';
import type { Descriptor, Manifest } from './registry.ts';

/** The media types a manifest may have; what we tell registries to accept, most specific first. */
export const MANIFEST_MEDIA_TYPES = [
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json',
] as const;

/** Manifests are lists of names: a larger one is no manifest (distribution has the same bound). */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;
const MEDIA_TYPE = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/;

const platform = struct('a platform', {
  os: withDefault(string, () => ''),
  architecture: withDefault(string, () => ''),
  variant: optional(string),
});

const descriptor = struct('a descriptor', {
  mediaType: required(string),
  digest: required(string),
  size: required(unsigned('u53', Number.MAX_SAFE_INTEGER)),
  annotations: optional(map(string)),
  artifactType: optional(string),
  platform: optional(platform),
});

const document = struct('a manifest', {
  schemaVersion: required(unsigned('u8', 255)),
  mediaType: optional(string),
  artifactType: optional(string),
  config: optional(descriptor),
  layers: optional(list(descriptor)),
  manifests: optional(list(descriptor)),
  subject: optional(descriptor),
  annotations: optional(map(string)),
});

type ShapeOf<S> = S extends Shape<infer T> ? T : never;
type Document = ShapeOf<typeof document>;

export function isDigest(text: string): boolean {
  return DIGEST.test(text);
}

/** The digest of bytes by the algorithm another digest names. */
export function digestLike(digest: string, bytes: Uint8Array): string {
  const algorithm = digest.slice(0, digest.indexOf(':'));
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
}

/**
 * Reads a manifest or an index. Its `mediaType`, where it has one, decides which it is; a document that could be read as
 * both is refused, because two readers of the same digest must not see two things (CVE-2021-41190).
 *
 * @throws ArtifactError `answer-invalid`
 */
export function parseManifest(
  bytes: Uint8Array,
  { digest, contentType }: { digest: string; contentType: string | undefined },
): Manifest {
  const parsed = readDocument(bytes, digest);
  if (parsed.schemaVersion !== 2) {
    throw invalid(digest, `expected schemaVersion 2, got ${parsed.schemaVersion}`);
  }
  const mediaType = mediaTypeOf(parsed, contentType, digest);
  const base = {
    digest,
    mediaType,
    bytes,
    annotations: parsed.annotations ?? new Map<string, string>(),
    artifactType: parsed.artifactType,
  };
  if (isIndexType(mediaType)) {
    if (parsed.layers !== undefined || parsed.config !== undefined) throw invalid(digest, 'it is an index with layers');
    const manifests = (parsed.manifests ?? []).map((entry) => descriptorFrom(entry, digest));
    return { kind: 'index', ...base, manifests };
  }
  if (parsed.manifests !== undefined) throw invalid(digest, 'it is a manifest that lists manifests');
  if (parsed.config === undefined) throw invalid(digest, 'missing field `config`');
  return {
    kind: 'manifest',
    ...base,
    config: descriptorFrom(parsed.config, digest),
    layers: (parsed.layers ?? []).map((layer) => descriptorFrom(layer, digest)),
    subject: parsed.subject === undefined ? undefined : descriptorFrom(parsed.subject, digest),
  };
}

function readDocument(bytes: Uint8Array, digest: string): Document {
  try {
    return readAs(document, bytes);
  } catch (error) {
    throw invalid(digest, messageOf(error), error);
  }
}

/** By the document itself, else by the server's header, else by what it has. */
function mediaTypeOf(parsed: Document, contentType: string | undefined, digest: string): string {
  const header = contentType?.split(';')[0]?.trim().toLowerCase();
  const said = parsed.mediaType ?? MANIFEST_MEDIA_TYPES.find((known) => known === header);
  if (said === undefined) {
    return parsed.manifests === undefined ? MANIFEST_MEDIA_TYPES[2] : MANIFEST_MEDIA_TYPES[3];
  }
  const known = MANIFEST_MEDIA_TYPES.find((candidate) => candidate === said);
  if (known === undefined) {
    throw invalid(digest, `unsupported media type ${quoted(said)}, expected one of ${MANIFEST_MEDIA_TYPES.join(', ')}`);
  }
  return known;
}

function isIndexType(mediaType: string): boolean {
  return mediaType === MANIFEST_MEDIA_TYPES[1] || mediaType === MANIFEST_MEDIA_TYPES[3];
}

function descriptorFrom(entry: ShapeOf<typeof descriptor>, digest: string): Descriptor {
  if (!isDigest(entry.digest)) throw invalid(digest, `${quoted(entry.digest)} is no digest of sha256 or sha512`);
  if (!MEDIA_TYPE.test(entry.mediaType)) throw invalid(digest, `${quoted(entry.mediaType)} is no media type`);
  const { os, architecture, variant } = entry.platform ?? { os: '', architecture: '', variant: undefined };
  return {
    mediaType: entry.mediaType,
    digest: entry.digest,
    size: entry.size,
    annotations: entry.annotations ?? new Map<string, string>(),
    artifactType: entry.artifactType,
    platform: entry.platform === undefined ? undefined : { os, architecture, variant },
  };
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100).toWellFormed()}…` : text);
}

function invalid(digest: string, problem: string, cause?: unknown): ArtifactError {
  return new ArtifactError(
    'answer-invalid',
    `Fail to interact with OCI registry: the manifest ${digest} cannot be understood: ${problem}`,
    { cause },
  );
}
