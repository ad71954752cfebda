import { getCACertificates } from 'node:tls';
import type { Dispatcher } from 'undici';
import type { Proxies } from '../sources/sources.ts';
import { proxyFor } from './proxy.ts';
import type { TransportLimits, TransportSecurity } from './transport.ts';

export interface DispatchersOptions {
  readonly authorities: ReadonlyMap<string, readonly string[]>;
  readonly proxies: Proxies;
  readonly systemAuthorities: readonly string[] | undefined;
  readonly limits: TransportLimits;
}

/** One pool of connections for each way to reach a host. */
export interface Dispatchers extends AsyncDisposable {
  dispatcherFor(url: URL, way: { hostKey: string; security: TransportSecurity }): Promise<Dispatcher>;
}

interface TlsOptions {
  readonly ca?: string[];
  readonly rejectUnauthorized?: boolean;
}

/** What is behind it, 60 ms of it, is loaded with the first connection. */
export function createDispatchers(options: DispatchersOptions): Dispatchers {
  const opened = new Map<string, Promise<Dispatcher>>();
  let system: string[] | undefined;
  const authorities = (): string[] => (system ??= [...(options.systemAuthorities ?? systemAuthorities())]);
  return {
    dispatcherFor(url, { hostKey, security }) {
      const own = security === 'verified' ? options.authorities.get(hostKey) : undefined;
      const proxy = proxyFor(url, options.proxies);
      const key = JSON.stringify([security, own === undefined ? null : hostKey, proxy ?? null]);
      const found = opened.get(key);
      if (found !== undefined) return found;
      const dispatcher = open(tlsOptions(security, own, authorities), { proxy, authorities, limits: options.limits });
      opened.set(key, dispatcher);
      return dispatcher;
    },
    async [Symbol.asyncDispose]() {
      const all = [...opened.values()];
      opened.clear();
      await Promise.all(all.map(async (dispatcher) => (await dispatcher).destroy()));
    },
  };
}

/**
 * `rejectUnauthorized` is always said: NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment of a server must not take the
 * certificate check away from hosts that nobody called insecure.
 */
function tlsOptions(
  security: TransportSecurity,
  own: readonly string[] | undefined,
  authorities: () => string[],
): TlsOptions {
  if (security === 'plain') return {};
  if (security === 'unverified') return { rejectUnauthorized: false };
  return { rejectUnauthorized: true, ca: [...authorities(), ...(own ?? [])] };
}

async function open(
  tls: TlsOptions,
  { proxy, authorities, limits }: { proxy: string | undefined; authorities: () => string[]; limits: TransportLimits },
): Promise<Dispatcher> {
  const { Agent, Pool, ProxyAgent } = await import('undici');
  const { connectTimeoutMs: timeout, headersTimeoutMs: headersTimeout } = limits;
  // Bodies are timed where they are read: a slow reader is not a slow server.
  const bounds = { headersTimeout, bodyTimeout: 0, allowH2: false };
  if (proxy === undefined) return new Agent({ ...bounds, connect: { ...tls, timeout, allowH2: false } });
  return new ProxyAgent({
    ...bounds,
    uri: proxy,
    // Plain HTTP is forwarded, as proxies expect it; only HTTPS is tunnelled.
    proxyTunnel: false,
    connectTimeout: timeout,
    requestTls: { ...tls, timeout, allowH2: false },
    proxyTls: { ca: authorities(), rejectUnauthorized: true, allowH2: false },
    clientFactory: (origin, given) => new Pool(origin, { ...given, headersTimeout: timeout }),
  });
}

/** The system's authorities, with those of NODE_EXTRA_CA_CERTS; Node's own list where a container has none. */
function systemAuthorities(): string[] {
  const system = getCACertificates('system');
  return [...(system.length > 0 ? system : getCACertificates('bundled')), ...getCACertificates('extra')];
}
