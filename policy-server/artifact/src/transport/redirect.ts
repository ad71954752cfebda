import { ArtifactError } from '../errors.ts';
import type { TransportRequest, TransportResponse } from './transport.ts';
import { shownUrl } from './transport-errors.ts';

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** What proves who we are to one host, and is nobody else's business. */
const SECRET_HEADERS: ReadonlySet<string> = new Set(['authorization', 'cookie', 'proxy-authorization']);

/**
 * The request that follows a redirect; `undefined` when the answer is none that may be followed. Registries send readers
 * of blobs to storage on other hosts: credentials stay behind, and do not come back when a chain of redirects does
 * (a storage host must not choose the path for which our token is used).
 *
 * @throws ArtifactError `registry-refused` when the target is one nobody may be led to
 */
export function redirected(
  request: TransportRequest,
  response: TransportResponse,
  insecure: ReadonlySet<string>,
): TransportRequest | undefined {
  const location = response.headers.get('location');
  if (!REDIRECTS.has(response.status) || location === null) return undefined;
  const url = targetOf(location, response, insecure);
  const isSameHost = url.origin === response.url.origin;
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    // A body goes where it was meant to go: a token request carries a password in it.
    const keepsMethod = response.status === 307 || response.status === 308;
    return keepsMethod && isSameHost ? { ...request, url } : undefined;
  }
  if (isSameHost) return { ...request, url };
  const { hostKey: _left, headers, ...rest } = request;
  return { ...rest, url, headers: withoutSecrets(headers) };
}

function targetOf(location: string, response: TransportResponse, insecure: ReadonlySet<string>): URL {
  const url = URL.parse(location, response.url);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw refused(response, 'to what is no https:// URL');
  }
  const isAllowed = url.protocol === 'https:' || url.origin === response.url.origin || insecure.has(url.host);
  // Nobody's signature covers where a redirect leads: it must not take the TLS away that the request began with.
  if (!isAllowed) throw refused(response, `to ${shownUrl(url)}, which is plain HTTP and not in insecure_sources`);
  url.username = '';
  url.password = '';
  return url;
}

export function refused(response: TransportResponse, problem: string): ArtifactError {
  return new ArtifactError('registry-refused', `${shownUrl(response.url)} redirects ${problem}`, {
    status: response.status,
  });
}

function withoutSecrets(headers: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !SECRET_HEADERS.has(name.toLowerCase())));
}
