import { ArtifactError } from '../errors.ts';
import { digestLike } from './manifest.ts';
import { refusalOf } from './refusal.ts';
import type { BlobOptions, BlobStream, Descriptor, Repository, RequestOptions } from './registry.ts';
import { FAILURE, type RegistrySession } from './session.ts';
import type { TransportResponse } from '../transport/transport.ts';
import { shownUrl, stalledError } from '../transport/transport-errors.ts';

/** A whole blob in memory, its size and digest checked. */
export async function readBlob(
  session: RegistrySession,
  repository: Repository,
  descriptor: Descriptor,
  options: RequestOptions & { readonly maxBytes: number },
): Promise<Uint8Array> {
  if (descriptor.size > options.maxBytes) {
    throw new ArtifactError(
      'download-too-large',
      `the blob ${descriptor.digest} of ${repository.registry}/${repository.repository} has ${descriptor.size} bytes, ` +
        `more than the ${options.maxBytes} it may have`,
    );
  }
  const { body } = await openBlob(session, repository, descriptor, options);
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);
  const bytes = Buffer.concat(pieces);
  const actual = digestLike(descriptor.digest, bytes);
  if (actual === descriptor.digest) return bytes;
  throw new ArtifactError(
    'digest-mismatch',
    `the blob of ${repository.registry}/${repository.repository} is not the one it should be – expected ${descriptor.digest}, got ${actual}`,
  );
}

/** A blob on its way; from `offset` on where the registry can resume. */
export async function openBlob(
  session: RegistrySession,
  repository: Repository,
  descriptor: Descriptor,
  options: BlobOptions = {},
): Promise<BlobStream> {
  const { offset = 0, signal, operation } = options;
  const ask = (headers: Readonly<Record<string, string>>): Promise<TransportResponse> =>
    session.request(repository, {
      method: 'GET',
      target: `blobs/${descriptor.digest}`,
      actions: 'pull',
      headers,
      signal,
      operation,
    });
  const resumes = offset > 0 && offset < descriptor.size;
  // With its end, which is known: some registries (go-containerregistry's) do not read a range without one.
  const response = await ask(resumes ? { range: `bytes=${offset}-${descriptor.size - 1}` } : {});
  if (resumes && response.status === 416) {
    await response.discard();
    return streamOf(await ask({}), descriptor, 0);
  }
  return streamOf(response, descriptor, resumes ? offset : 0);
}

async function streamOf(response: TransportResponse, descriptor: Descriptor, offset: number): Promise<BlobStream> {
  if (response.status !== 200 && response.status !== 206) throw await refusalOf(response, FAILURE);
  const startsAt = response.status === 206 ? offset : 0;
  try {
    if (response.status === 206) checkRange(response, descriptor, offset);
    checkLength(response, descriptor.size - startsAt, descriptor.size);
  } catch (error) {
    await response.discard();
    throw error;
  }
  return { startsAt, body: sized(response, descriptor, startsAt) };
}

/** A piece that is not the one that was asked for would be found out by the digest, but only at the end of all bytes. */
function checkRange(response: TransportResponse, { size }: Descriptor, offset: number): void {
  const range = response.headers.get('content-range') ?? '';
  const [, first, last, total] = /^bytes ([0-9]{1,16})-([0-9]{1,16})\/([0-9]{1,16}|\*)$/.exec(range.trim()) ?? [];
  const isWhole = Number(first) === offset && Number(last) === size - 1 && (total === '*' || Number(total) === size);
  if (offset > 0 && isWhole) return;
  throw new ArtifactError(
    'answer-invalid',
    `the answer of ${shownUrl(response.url)} is another piece than was asked for – expected bytes from ${offset} to the end of ${size}`,
  );
}

function checkLength(response: TransportResponse, expected: number, size: number): void {
  if (Number(response.headers.get('content-length') ?? expected) > expected) throw tooLong(response, size);
}

function tooLong(response: TransportResponse, size: number): ArtifactError {
  return new ArtifactError(
    'download-too-large',
    `the answer of ${shownUrl(response.url)} is longer than the ${size} bytes the manifest announces – nothing of it is kept`,
  );
}

async function* sized(
  response: TransportResponse,
  { size }: Descriptor,
  startsAt: number,
): AsyncGenerator<Uint8Array, void> {
  let length = startsAt;
  for await (const piece of response.body) {
    length += piece.length;
    if (length > size) throw tooLong(response, size);
    yield piece;
  }
  if (length < size) throw stalledError(response.url, `it ended after ${length} of ${size} bytes`);
}
