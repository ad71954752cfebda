import type { ImageReference } from '@portcullis/protocol';
import { ArtifactError } from '../errors.ts';
import { digestLike, isDigest, MANIFEST_MEDIA_TYPES, MAX_MANIFEST_BYTES, parseManifest } from './manifest.ts';
import { refusalOf } from './refusal.ts';
import type { Manifest, RequestOptions } from './registry.ts';
import { FAILURE, type RegistrySession } from './session.ts';
import { shownUrl } from '../transport/transport-errors.ts';
import type { RequestMethod, TransportResponse } from '../transport/transport.ts';

const ACCEPT = MANIFEST_MEDIA_TYPES.join(', ');

/** Asks with HEAD, which Docker Hub does not count; an answer without a digest is followed by GET and a hash. */
export async function fetchDigest(
  session: RegistrySession,
  reference: ImageReference,
  options: RequestOptions = {},
): Promise<string> {
  const response = await ask(session, reference, 'HEAD', options);
  await response.discard();
  // 404 and its kin say nothing in a HEAD: the words are in the answer to GET. Whoever is limited must not ask again.
  if (response.status === 429) throw await refusalOf(response, FAILURE);
  const said = response.status === 200 ? announcedDigest(response) : undefined;
  if (said === undefined) return (await fetchChecked(session, reference, options)).digest;
  return samePin(reference, said, response);
}

/** The manifest or index, its bytes checked against the digests of reference and answer. */
export async function fetchManifest(
  session: RegistrySession,
  reference: ImageReference,
  options: RequestOptions = {},
): Promise<Manifest> {
  const { bytes, digest, contentType } = await fetchChecked(session, reference, options);
  return parseManifest(bytes, { digest, contentType });
}

interface CheckedBytes {
  readonly bytes: Uint8Array;
  readonly digest: string;
  readonly contentType: string | undefined;
}

async function fetchChecked(
  session: RegistrySession,
  reference: ImageReference,
  options: RequestOptions,
): Promise<CheckedBytes> {
  const response = await ask(session, reference, 'GET', options);
  if (response.status !== 200) throw await refusalOf(response, FAILURE);
  const bytes = await response.bytes(MAX_MANIFEST_BYTES);
  const said = announcedDigest(response);
  for (const expected of [reference.digest, said]) {
    if (expected !== undefined) checkBytes(bytes, expected, response);
  }
  const contentType = response.headers.get('content-type') ?? undefined;
  return { bytes, digest: reference.digest ?? said ?? digestLike('sha256:', bytes), contentType };
}

function ask(
  session: RegistrySession,
  reference: ImageReference,
  method: RequestMethod,
  { signal, operation }: RequestOptions,
): Promise<TransportResponse> {
  const target = `manifests/${reference.digest ?? reference.tag ?? 'latest'}`;
  return session.request(reference, {
    method,
    target,
    actions: 'pull',
    headers: { accept: ACCEPT },
    signal,
    operation,
  });
}

function announcedDigest(response: TransportResponse): string | undefined {
  const digest = response.headers.get('docker-content-digest')?.trim();
  if (digest === undefined || digest === '' || isDigest(digest)) return digest === '' ? undefined : digest;
  throw new ArtifactError(
    'answer-invalid',
    `${FAILURE}: the answer of ${shownUrl(response.url)} has a Docker-Content-Digest that is no digest of sha256 or sha512`,
  );
}

/** Digests by different algorithms cannot be compared without the bytes: the reference's own is as good. */
function samePin({ digest: pinned }: ImageReference, said: string, response: TransportResponse): string {
  if (pinned === undefined || pinned === said) return said;
  if (pinned.split(':')[0] !== said.split(':')[0]) return pinned;
  throw mismatch(pinned, said, response);
}

function checkBytes(bytes: Uint8Array, expected: string, response: TransportResponse): void {
  const actual = digestLike(expected, bytes);
  if (actual !== expected) throw mismatch(expected, actual, response);
}

function mismatch(expected: string, actual: string, response: TransportResponse): ArtifactError {
  return new ArtifactError(
    'digest-mismatch',
    `${FAILURE}: the manifest at ${shownUrl(response.url)} is not the one it should be – expected ${expected}, got ${actual}; ` +
      'something changes it on the way, or the registry is damaged',
  );
}
