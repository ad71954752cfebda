import type { ImageReference } from '@portcullis/protocol';
import { ArtifactError } from '../errors.ts';
import { digestLike, isDigest } from './manifest.ts';
import { refusalOf } from './refusal.ts';
import type { Repository, RequestOptions } from './registry.ts';
import { FAILURE, type RegistryRequest, type RegistrySession } from './session.ts';
import type { TransportResponse } from '../transport/transport.ts';
import { shownUrl } from '../transport/transport-errors.ts';

const CHUNK_BYTES = 4 * 1024 * 1024;
/** Answers to a chunk that mean "not in pieces": a registry without chunks, or with other ideas of them. */
const CHUNKS_NOT_SERVED: ReadonlySet<number> = new Set([400, 404, 405, 411, 416, 501]);

interface Upload {
  readonly session: RegistrySession;
  readonly repository: Repository;
  readonly bytes: Uint8Array;
  readonly digest: string;
  readonly options: RequestOptions;
}

/** Uploads a blob unless the registry has it: in chunks, and in one piece where it does not take chunks. */
export async function uploadBlob(
  session: RegistrySession,
  repository: Repository,
  { bytes, digest }: { bytes: Uint8Array; digest: string },
  { signal, operation = 'push' }: RequestOptions = {},
): Promise<void> {
  const upload = { session, repository, bytes, digest, options: { signal, operation } };
  const known = await ask(upload, { method: 'HEAD', target: `blobs/${digest}` });
  await known.discard();
  if (known.status === 200) return;
  const end = await uploadChunks(upload);
  if (end === undefined) await finish(upload, await begin(upload), bytes);
  else await finish(upload, end, new Uint8Array());
}

function ask(
  { session, repository, options }: Upload,
  request: Pick<RegistryRequest, 'method' | 'target' | 'headers' | 'body'>,
): Promise<TransportResponse> {
  return session.request(repository, { ...options, ...request, actions: 'pull,push' });
}

/** @returns where the upload goes on */
async function begin(upload: Upload): Promise<URL> {
  const response = await ask(upload, { method: 'POST', target: 'blobs/uploads/' });
  if (!isSuccess(response)) throw await pushRefusal(response);
  await response.discard();
  const location = locationOf(response);
  if (location !== undefined) return location;
  throw new ArtifactError(
    'push-refused',
    `${FAILURE}: Registry did not return a location header – expected one in the answer of ${shownUrl(response.url)}`,
  );
}

/** @returns where the upload ends, or `undefined` when the registry does not take it in pieces */
async function uploadChunks(upload: Upload): Promise<URL | undefined> {
  let target = await begin(upload);
  for (let from = 0; from < upload.bytes.length; from += CHUNK_BYTES) {
    const body = upload.bytes.subarray(from, from + CHUNK_BYTES);
    const headers = {
      'content-type': 'application/octet-stream',
      'content-range': `${from}-${from + body.length - 1}`,
    };
    const response = await ask(upload, { method: 'PATCH', target, headers, body });
    if (!isSuccess(response) && !CHUNKS_NOT_SERVED.has(response.status)) throw await pushRefusal(response);
    await response.discard();
    if (response.status !== 202) return undefined;
    target = locationOf(response) ?? target;
  }
  return target;
}

/** The last word of a registry is its status: some (go-containerregistry's) give no Location with it. */
async function finish(upload: Upload, location: URL, body: Uint8Array): Promise<void> {
  const target = new URL(location);
  // As text: what the registry wrote in the query must come back as it is.
  target.search = `${target.search === '' ? '?' : `${target.search}&`}digest=${encodeURIComponent(upload.digest)}`;
  const headers = { 'content-type': 'application/octet-stream' };
  const response = await ask(upload, { method: 'PUT', target, headers, body });
  if (!isSuccess(response)) throw await pushRefusal(response);
  await response.discard();
}

/** Uploads a manifest under the digest or the tag of the reference. */
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
  if (!isSuccess(response)) throw await pushRefusal(response);
  await response.discard();
  return keptDigest(response, bytes);
}

/** Whatever name the registry gives the manifest must be that of the bytes we sent. */
function keptDigest(response: TransportResponse, bytes: Uint8Array): string {
  const located = locationOf(response)?.pathname.split('/').at(-1) ?? '';
  const names = [located, response.headers.get('docker-content-digest')?.trim() ?? ''].filter(isDigest);
  for (const name of names) {
    const actual = digestLike(name, bytes);
    if (actual === name) continue;
    throw new ArtifactError(
      'push-refused',
      `${FAILURE}: the registry keeps another manifest than was pushed – expected ${actual}, got ${name}; something changes it on the way`,
    );
  }
  return names[0] ?? digestLike('sha256:', bytes);
}

function locationOf(response: TransportResponse): URL | undefined {
  const location = response.headers.get('location');
  const url = location === null ? null : URL.parse(location, response.url);
  return url === null || (url.protocol !== 'https:' && url.protocol !== 'http:') ? undefined : url;
}

function isSuccess({ status }: TransportResponse): boolean {
  return status >= 200 && status < 300;
}

async function pushRefusal(response: TransportResponse): Promise<ArtifactError> {
  const refusal = await refusalOf(response, FAILURE);
  const isOurs = response.status < 500 && (refusal.code === 'registry-refused' || refusal.code === 'not-found');
  return isOurs ? new ArtifactError('push-refused', refusal.message, { status: refusal.status }) : refusal;
}
