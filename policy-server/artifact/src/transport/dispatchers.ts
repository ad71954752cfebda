import type { SecureContext } from 'node:tls';
import type { Dispatcher } from 'undici';
import { ArtifactError } from '../errors.ts';
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
  readonly secureContext?: SecureContext;
  readonly rejectUnauthorized?: boolean;
}

/** What is behind it, 60 ms of it, is loaded with the first connection. */
export function createDispatchers(options: DispatchersOptions): Dispatchers {
  const opened = new Map<string, Promise<Dispatcher>>();
  const tls = createTlsSettings(options);
  let isClosed = false;
  return {
    dispatcherFor(url, { hostKey, security }) {
      if (isClosed) throw new ArtifactError('aborted', 'the connections to registries are closed');
      const trusted = security === 'verified' && options.authorities.has(hostKey) ? hostKey : undefined;
      const proxy = proxyFor(url, options.proxies);
      const key = JSON.stringify([security, trusted ?? null, proxy ?? null]);
      let found = opened.get(key);
      if (found === undefined) {
        found = open({ tls, security, trusted, proxy, limits: options.limits });
        opened.set(key, found);
      }
      return found;
    },
    async [Symbol.asyncDispose]() {
      isClosed = true;
      const all = [...opened.values()];
      opened.clear();
      const closing = all.map(async (dispatcher) => (await dispatcher).destroy());
      await Promise.allSettled(closing);
    },
  };
}

interface TlsSettings {
  /** @param trusted the host whose own authorities count besides the system's */
  optionsFor(security: TransportSecurity, trusted: string | undefined): Promise<TlsOptions>;
}

/**
 * `rejectUnauthorized` is always said: NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment of a server must not take the
 * certificate check away from hosts that nobody called insecure. Contexts are made once: reading the system's
 * authorities costs more than many a download.
 */
function createTlsSettings({ authorities, systemAuthorities }: DispatchersOptions): TlsSettings {
  let system: Promise<readonly string[]> | undefined;
  const trusting = async (own: readonly string[]): Promise<TlsOptions> => {
    system ??= systemAuthorities === undefined ? authoritiesOfSystem() : Promise.resolve(systemAuthorities);
    return checked([...(await system), ...own]);
  };
  return {
    optionsFor(security, trusted) {
      if (security === 'plain') return Promise.resolve({});
      if (security === 'unverified') return unchecked();
      return trusting(trusted === undefined ? [] : (authorities.get(trusted) ?? []));
    },
  };
}

async function unchecked(): Promise<TlsOptions> {
  const { createSecureContext } = await import('node:tls');
  return { secureContext: createSecureContext(), rejectUnauthorized: false };
}

async function checked(authorities: readonly string[]): Promise<TlsOptions> {
  const { createSecureContext } = await import('node:tls');
  // Folders of certificates hold each of them several times.
  return { secureContext: createSecureContext({ ca: [...new Set(authorities)] }), rejectUnauthorized: true };
}

/** The system's authorities, with those of NODE_EXTRA_CA_CERTS; Node's own list where a container has none. */
async function authoritiesOfSystem(): Promise<readonly string[]> {
  const { getCACertificates } = await import('node:tls');
  const system = getCACertificates('system');
  return [...(system.length > 0 ? system : getCACertificates('bundled')), ...getCACertificates('extra')];
}

interface Way {
  readonly tls: TlsSettings;
  readonly security: TransportSecurity;
  readonly trusted: string | undefined;
  readonly proxy: string | undefined;
  readonly limits: TransportLimits;
}

async function open({ tls, security, trusted, proxy, limits }: Way): Promise<Dispatcher> {
  const { Agent, Pool, ProxyAgent } = await import('undici');
  const { connectTimeoutMs: timeout, headersTimeoutMs: headersTimeout } = limits;
  // Bodies are timed where they are read: a slow reader is not a slow server.
  const bounds = { headersTimeout, bodyTimeout: 0, allowH2: false };
  const connect = { ...(await tls.optionsFor(security, trusted)), timeout, allowH2: false };
  if (proxy === undefined) return new Agent({ ...bounds, connect });
  const proxyTls = new URL(proxy).protocol === 'https:' ? await tls.optionsFor('verified', undefined) : {};
  return new ProxyAgent({
    ...bounds,
    uri: proxy,
    // Plain HTTP is forwarded, as proxies expect it; only HTTPS is tunnelled.
    proxyTunnel: false,
    connectTimeout: timeout,
    requestTls: connect,
    proxyTls: { ...proxyTls, allowH2: false },
    clientFactory: (origin, given) => new Pool(origin, { ...given, headersTimeout: timeout }),
  });
}
