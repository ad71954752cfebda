import type { ImageReference } from '@portcullis/protocol';
import { ArtifactError } from '../../errors.ts';
import type { Descriptor, ImageManifest, RegistryReader, RequestOptions } from '../../registry/registry.ts';
import { BUNDLE_MEDIA_TYPE_PREFIX } from './bundle.ts';
import { SIMPLE_SIGNING_MEDIA_TYPE } from './simple-signing.ts';
import { SIGN_PREDICATE_TYPE } from './statement.ts';

/** A blob beside an image that may be a signature of it. */
export interface Candidate {
  readonly kind: 'simple-signing' | 'bundle';
  /** Where it was found, for the log. */
  readonly place: string;
  readonly descriptor: Descriptor;
}

/** What was found beside an image, and what could not be looked at. */
export interface Candidates {
  readonly found: readonly Candidate[];
  readonly unread: readonly string[];
}

/** Whoever may write to the repository may put any number of manifests beside an image. */
const MAX_REFERRERS = 64;
const MAX_CANDIDATES = 64;
/** A manifest may have 4 MiB. */
const MAX_OPENED_AT_ONCE = 4;
const PREDICATE_TYPE_ANNOTATION = 'dev.sigstore.bundle.predicateType';

interface Search {
  readonly client: RegistryReader;
  readonly reference: ImageReference;
  readonly digest: string;
  readonly options: RequestOptions;
}

/**
 * Finds what may be signatures of `digest`: the layers under cosign's tag `sha256-<hex>.sig`, and the manifests that refer to
 * the image. A part that cannot be read hides no other.
 */
export async function findCandidates(search: Search): Promise<Candidates> {
  const found: Candidate[] = [];
  const unread: string[] = [];
  const parts = await Promise.all([
    attempt(() => underCosignTag(search), search.options),
    attempt(() => referrers(search), search.options),
  ]);
  for (const part of parts) {
    if (typeof part === 'string') unread.push(part);
    else {
      // Each part has a bound of its own: whoever fills the one must not crowd out the other.
      found.push(...part.found.slice(0, MAX_CANDIDATES));
      unread.push(...part.unread);
      const left = part.found.length - MAX_CANDIDATES;
      if (left > 0) unread.push(`${left} more than the ${MAX_CANDIDATES} candidates that are looked at`);
    }
  }
  return { found, unread };
}

/** The reason when the registry does not give it; that there is nothing is no failure. */
async function attempt(read: () => Promise<Candidates>, { signal }: RequestOptions): Promise<Candidates | string> {
  try {
    return await read();
  } catch (error) {
    if (signal?.aborted === true || !(error instanceof ArtifactError) || error.code === 'aborted') throw error;
    return error.code === 'not-found' ? { found: [], unread: [] } : error.message;
  }
}

async function underCosignTag({ client, reference, digest, options }: Search): Promise<Candidates> {
  const tag = `${digest.replace(':', '-')}.sig`;
  const { registry, repository } = reference;
  const manifest = await client.manifest({ registry, repository, tag }, options);
  if (manifest.kind === 'index') return { found: [], unread: [`the tag ${tag} is an index, expected a manifest`] };
  return { found: layersOf(manifest, tag), unread: [] };
}

/**
 * Lists of referrers are not believed: registries put the media type of the configuration for the type of the artifact.
 * So every manifest is opened, those that say they are bundles first.
 */
async function referrers({ client, reference, digest, options }: Search): Promise<Candidates> {
  const { registry, repository } = reference;
  const listed = await client.referrers({ registry, repository }, digest, options);
  const saysBundle = (entry: Descriptor): boolean => entry.artifactType?.startsWith(BUNDLE_MEDIA_TYPE_PREFIX) === true;
  const ordered = [...listed.filter(saysBundle), ...listed.filter((entry) => !saysBundle(entry))];
  const found: Candidate[] = [];
  const unread: string[] = [];
  const opened = ordered.slice(0, MAX_REFERRERS);
  for (let at = 0; at < opened.length; at += MAX_OPENED_AT_ONCE) {
    const batch = opened.slice(at, at + MAX_OPENED_AT_ONCE);
    const search: Search = { client, reference, digest, options };
    for (const part of await Promise.all(batch.map((entry) => attempt(() => referrer(entry, search), options)))) {
      if (typeof part === 'string') unread.push(part);
      else found.push(...part.found);
    }
  }
  const left = listed.length - MAX_REFERRERS;
  if (left > 0) unread.push(`${left} more than the ${MAX_REFERRERS} manifests that are looked at refer to the image`);
  return { found, unread };
}

async function referrer(entry: Descriptor, { client, reference, options }: Search): Promise<Candidates> {
  // Attestations can be large and are no signatures. Whoever says so of a signature hides but their own.
  const predicateType = entry.annotations.get(PREDICATE_TYPE_ANNOTATION) ?? SIGN_PREDICATE_TYPE;
  if (predicateType !== SIGN_PREDICATE_TYPE) return { found: [], unread: [] };
  const { registry, repository } = reference;
  const manifest = await client.manifest({ registry, repository, digest: entry.digest }, options);
  if (manifest.kind === 'index') return { found: [], unread: [] };
  const stated = manifest.annotations.get(PREDICATE_TYPE_ANNOTATION) ?? SIGN_PREDICATE_TYPE;
  return { found: stated === SIGN_PREDICATE_TYPE ? layersOf(manifest, entry.digest) : [], unread: [] };
}

function layersOf(manifest: ImageManifest, place: string): Candidate[] {
  return manifest.layers.slice(0, MAX_CANDIDATES + 1).flatMap((descriptor): Candidate[] => {
    const { mediaType } = descriptor;
    if (mediaType === SIMPLE_SIGNING_MEDIA_TYPE) return [{ kind: 'simple-signing', place, descriptor }];
    if (mediaType.startsWith(BUNDLE_MEDIA_TYPE_PREFIX)) return [{ kind: 'bundle', place, descriptor }];
    return [];
  });
}
