import { ArtifactError } from '../errors.ts';
import { fetchManifest } from './manifest-request.ts';
import { digestLike, MAX_MANIFEST_BYTES, parseManifest } from './manifest.ts';
import { refusalOf } from './refusal.ts';
import type { Descriptor, Repository, RequestOptions } from './registry.ts';
import { FAILURE, type RegistrySession } from './session.ts';

/** What refers to a digest: by the referrers API, else by the fallback tag. */
export async function fetchReferrers(
  session: RegistrySession,
  repository: Repository,
  digest: string,
  { signal, operation }: RequestOptions = {},
): Promise<readonly Descriptor[]> {
  const response = await session.request(repository, {
    method: 'GET',
    target: `referrers/${digest}`,
    actions: 'pull',
    headers: { accept: 'application/vnd.oci.image.index.v1+json' },
    signal,
    operation,
  });
  if (response.status === 404) {
    await response.discard();
    return fallbackTag(session, repository, digest, signal === undefined ? {} : { signal });
  }
  if (response.status !== 200) throw await refusalOf(response, FAILURE);
  const bytes = await response.bytes(MAX_MANIFEST_BYTES);
  const index = parseManifest(bytes, { digest: digestLike('sha256:', bytes), contentType: undefined });
  return index.kind === 'index' ? index.manifests : [];
}

async function fallbackTag(
  session: RegistrySession,
  { registry, repository }: Repository,
  digest: string,
  options: RequestOptions,
): Promise<readonly Descriptor[]> {
  try {
    const found = await fetchManifest(session, { registry, repository, tag: digest.replace(':', '-') }, options);
    return found.kind === 'index' ? found.manifests : [];
  } catch (error) {
    if (error instanceof ArtifactError && error.code === 'not-found') return [];
    throw error;
  }
}
