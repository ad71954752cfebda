import { ArtifactError } from '../errors.ts';
import { digestLike } from './manifest.ts';
import { refusalOf } from './refusal.ts';
import type { BlobOptions, BlobStream, Descriptor, Repository, RequestOptions } from './registry.ts';
import { FAILURE, type RegistrySession } from './session.ts';
import type { TransportResponse } from './transport.ts';
import { shownUrl, stalledError } from './transport-errors.ts';

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
  const response = await ask(resumes ? { range: `bytes=${offset}-` } : {});
  if (resumes && response.status === 416) {
    await response.discard();
    return streamOf(await ask({}), descriptor, 0);
  }
  return streamOf(response, descriptor, resumes ? offset : 0);
}

async function streamOf(response: TransportResponse, descriptor: Descriptor, offset: number): Promise<BlobStream> {
  if (response.status === 200) return { startsAt: 0, body: sized(response, descriptor, 0) };
  if (response.status !== 206 || offset === 0) throw await refusalOf(response, FAILURE);
  return { startsAt: offset, body: sized(response, descriptor, offset) };
}

async function* sized(
  response: TransportResponse,
  descriptor: Descriptor,
  startsAt: number,
): AsyncGenerator<Uint8Array, void> {
  let length = startsAt;
  for await (const piece of response.body) {
    length += piece.length;
    if (length > descriptor.size) {
      throw new ArtifactError(
        'download-too-large',
        `the answer of ${shownUrl(response.url)} is longer than the ${descriptor.size} bytes the manifest announces`,
      );
    }
    yield piece;
  }
  if (length < descriptor.size) {
    throw stalledError(response.url, `it ended after ${length} of ${descriptor.size} bytes`);
  }
}
