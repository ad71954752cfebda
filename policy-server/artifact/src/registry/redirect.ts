import type { TransportRequest, TransportResponse } from './transport.ts';

/** The request that follows a redirect; `undefined` when the answer is none that may be followed. */
export function redirected(
  request: TransportRequest,
  response: TransportResponse,
  insecure: ReadonlySet<string>,
): TransportRequest | undefined {
  const location = response.headers.get('location');
  if (!isRedirect(response.status) || location === null) return undefined;
  const url = URL.parse(location, response.url);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) return undefined;
  void insecure;
  return { ...request, url };
}

function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}
