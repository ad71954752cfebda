import { ArtifactError } from '../errors.ts';
import { nextLink } from './link-header.ts';
import { fetchManifest } from './manifest-request.ts';
import { digestLike, MAX_MANIFEST_BYTES, parseManifest } from './manifest.ts';
import { refusalOf } from './refusal.ts';
import { isOwnHost } from './registry-url.ts';
import type { Descriptor, Repository, RequestOptions } from './registry.ts';
import { FAILURE, type RegistrySession } from './session.ts';
import type { TransportResponse } from '../transport/transport.ts';
import { shownUrl } from '../transport/transport-errors.ts';

/** Signatures of one artifact are a handful; anybody who may push may attach more. */
const MAX_PAGES = 20;
const MAX_REFERRERS = 1000;

interface Subject {
  readonly session: RegistrySession;
  readonly repository: Repository;
  readonly digest: string;
  readonly options: RequestOptions;
}

/**
 * What refers to a digest: by the referrers API, else by the fallback tag. All of it, whatever artifact type the list
 * gives an entry: registries get that wrong, and whoever asks reads the manifests anyway.
 */
export async function fetchReferrers(
  session: RegistrySession,
  repository: Repository,
  digest: string,
  options: RequestOptions = {},
): Promise<readonly Descriptor[]> {
  const subject = { session, repository, digest, options };
  const found: Descriptor[] = [];
  let target: string | URL | undefined = `referrers/${digest}`;
  for (let page = 1; target !== undefined; page++) {
    const response: TransportResponse = await ask(subject, target);
    if (page === 1 && !servesReferrers(response)) {
      await response.discard();
      return fallbackTag(subject);
    }
    if (response.status !== 200) throw await refusalOf(response, FAILURE);
    found.push(...(await readPage(response)));
    target = nextPage(response, repository);
    if (found.length > MAX_REFERRERS || (target !== undefined && page >= MAX_PAGES)) throw tooMany(response);
  }
  return found;
}

function ask({ session, repository, options }: Subject, target: string | URL): Promise<TransportResponse> {
  const headers = { accept: 'application/vnd.oci.image.index.v1+json' };
  return session.request(repository, { ...options, method: 'GET', target, actions: 'pull', headers });
}

/**
 * Registries without the API answer with any refusal of the client's making, or with their web interface. Trouble of the
 * server's own is an error: "no signatures" must not be what an overloaded registry is heard to say.
 */
function servesReferrers({ status, headers }: TransportResponse): boolean {
  if (status === 200) return !/^text\/html/i.test(headers.get('content-type')?.trim() ?? '');
  return status === 429 || status < 400 || (status >= 500 && status !== 501);
}

async function readPage(response: TransportResponse): Promise<readonly Descriptor[]> {
  const bytes = await response.bytes(MAX_MANIFEST_BYTES);
  const index = parseManifest(bytes, { digest: digestLike('sha256:', bytes), contentType: undefined });
  if (index.kind === 'index') return index.manifests;
  throw new ArtifactError('answer-invalid', `${FAILURE}: the list at ${shownUrl(response.url)} is no image index`);
}

function nextPage(response: TransportResponse, { registry }: Repository): URL | undefined {
  const link = nextLink(response.headers.get('link'));
  if (link === undefined) return undefined;
  const url = URL.parse(link, response.url);
  if (url !== null && isOwnHost(registry, url)) return url;
  throw new ArtifactError(
    'answer-invalid',
    `${FAILURE}: the list at ${shownUrl(response.url)} goes on at another host – expected ${registry}`,
  );
}

function tooMany(response: TransportResponse): ArtifactError {
  return new ArtifactError(
    'answer-invalid',
    `${FAILURE}: the list at ${shownUrl(response.url)} does not end – expected at most ${MAX_REFERRERS} entries on ${MAX_PAGES} pages`,
  );
}

/** What clients keep where registries do not (OCI distribution: Referrers Tag Schema). */
async function fallbackTag({ session, repository, digest, options }: Subject): Promise<readonly Descriptor[]> {
  const [algorithm = '', hex = ''] = digest.split(':');
  const tag = `${algorithm.slice(0, 32)}-${hex.slice(0, 64)}`;
  try {
    const found = await fetchManifest(
      session,
      { registry: repository.registry, repository: repository.repository, tag },
      options,
    );
    return found.kind === 'index' ? found.manifests : [];
  } catch (error) {
    if (error instanceof ArtifactError && error.code === 'not-found') return [];
    throw error;
  }
}
