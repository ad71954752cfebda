import type { ImageReference } from '@portcullis/protocol';
import { ArtifactError } from '../errors.ts';
import { digestLike } from './manifest.ts';
import { refusalOf } from './refusal.ts';
import type { Repository, RequestOptions } from './registry.ts';
import { FAILURE, type RegistrySession } from './session.ts';
import type { TransportResponse } from './transport.ts';

/** Uploads a blob. */
export async function uploadBlob(
  session: RegistrySession,
  repository: Repository,
  { bytes, digest }: { bytes: Uint8Array; digest: string },
  { signal, operation = 'push' }: RequestOptions = {},
): Promise<void> {
  const common = { actions: 'pull,push', signal, operation } as const;
  const started = await session.request(repository, { ...common, method: 'POST', target: 'blobs/uploads/' });
  if (started.status !== 202) throw await refusalOf(started, FAILURE);
  await started.discard();
  const target = locationOf(started);
  target.searchParams.set('digest', digest);
  const headers = { 'content-type': 'application/octet-stream' };
  const finished = await session.request(repository, { ...common, method: 'PUT', target, headers, body: bytes });
  if (finished.status >= 300) throw await refusalOf(finished, FAILURE);
  await finished.discard();
}

/** Uploads a manifest under the tag or digest of the reference. */
export async function uploadManifest(
  session: RegistrySession,
  reference: ImageReference,
  { bytes, mediaType }: { bytes: Uint8Array; mediaType: string },
  { signal, operation = 'push' }: RequestOptions = {},
): Promise<string> {
  const response = await session.request(reference, {
    method: 'PUT',
    target: `manifests/${reference.digest ?? reference.tag ?? 'latest'}`,
    actions: 'pull,push',
    headers: { 'content-type': mediaType },
    body: bytes,
    signal,
    operation,
  });
  if (response.status >= 300) throw await refusalOf(response, FAILURE);
  await response.discard();
  return digestLike('sha256:', bytes);
}

function locationOf(response: TransportResponse): URL {
  const location = URL.parse(response.headers.get('location') ?? '', response.url);
  if (location !== null) return location;
  throw new ArtifactError('push-refused', `${FAILURE}: Registry did not return a location header`);
}
