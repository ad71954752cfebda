import type { Proxies } from '../sources/sources.ts';

/** The proxy through which `url` is reached; `undefined` = none. */
export function proxyFor(url: URL, proxies: Proxies): string | undefined {
  const configured = url.protocol === 'https:' ? proxies.httpsProxy : proxies.httpProxy;
  if (configured === undefined || configured.trim() === '') return undefined;
  const text = configured.trim();
  return text.includes('://') ? text : `http://${text}`;
}
