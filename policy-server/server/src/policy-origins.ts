import {
  createDockerCredentials,
  createPolicyFetcher,
  createPolicyVerifier,
  createRegistryClient,
  createTransport,
  loadModule,
  MAX_MODULE_BYTES,
  PolicyStore,
  publicGoodTrustRoot,
  trustRootFromConfig,
  warnOfTrustRoot,
  type ArtifactLog,
  type CredentialSource,
  type LoadedModule,
  type ModuleLocation,
  type PolicyFetcher,
  type RegistryClient,
  type Transport,
  type TransportLimits,
  type TrustRootSource,
} from '@portcullis/artifact';
import type { SupplyChainConfig } from './config/supply-chain.ts';
import { PolicyFetch } from './policy-fetch.ts';

/** The world policies come from. One for the whole server: what is known about a registry is known to everyone. */
export interface PolicyOrigins extends AsyncDisposable {
  readonly transport: Transport;
  readonly credentials: CredentialSource;
  readonly trustRoot: TrustRootSource;
  /** Brings a module to disk: verified, fetched, compared with what was signed. What it returns reads it. */
  fetch(location: ModuleLocation): Promise<() => Promise<LoadedModule>>;
}

export interface PolicyOriginsParts {
  readonly log: ArtifactLog;
  /** Of requests to registries and web servers; those that are not named are the transport's own. */
  readonly limits?: Partial<TransportLimits> | undefined;
  /** Aborted when the server should stop although it has not begun to serve. */
  readonly stop?: AbortSignal | undefined;
}

/** Nothing is asked of anybody until the first policy is fetched. */
export function openPolicyOrigins(
  config: SupplyChainConfig,
  { log, limits = {}, stop }: PolicyOriginsParts,
): PolicyOrigins {
  const { sources, proxies, dockerConfigFolder, downloadTimeoutMs: timeoutMs } = config;
  const transport = createTransport({ sources, proxies, log, limits });
  const credentials = createDockerCredentials({ folder: dockerConfigFolder, log });
  const client = createRegistryClient({ transport, credentials, log, mirrors: sources.mirrors });
  const trustRoot = openTrustRoot(config, transport, log);
  const fetcher = openFetcher(config, { transport, client, trustRoot, log });
  // What is stored is compared with what was signed, and that takes a registry that answers.
  const mayBeStale = config.verification === undefined;
  const fetches = new PolicyFetch({ fetcher, timeoutMs, mayBeStale, stop, log });
  return {
    transport,
    credentials,
    trustRoot,
    async fetch(location) {
      // What fetches and verifies is not even loaded for a file that nobody has to sign.
      if (location.scheme === 'file' && mayBeStale) return () => loadModule(location, { maxBytes: MAX_MODULE_BYTES });
      const fetched = await fetches.fetch(location);
      return () => fetcher.read(fetched);
    },
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  };
}

function openTrustRoot(
  { trustConfigPath, trustCacheFolder }: SupplyChainConfig,
  transport: Transport,
  log: ArtifactLog,
): TrustRootSource {
  if (trustConfigPath !== undefined) {
    const configured = trustRootFromConfig(trustConfigPath);
    // The file is here: whoever named one that cannot be used should read so at the start, not when a signature needs it.
    configured.trustRoot().catch(warnOfTrustRoot(log));
    return configured;
  }
  return publicGoodTrustRoot({ cacheFolder: trustCacheFolder, transport, log });
}

interface FetcherParts {
  readonly transport: Transport;
  readonly client: RegistryClient;
  readonly trustRoot: TrustRootSource;
  readonly log: ArtifactLog;
}

function openFetcher(config: SupplyChainConfig, { transport, client, trustRoot, log }: FetcherParts): PolicyFetcher {
  const { verification, downloadDir } = config;
  return createPolicyFetcher({
    transport,
    client,
    store: new PolicyStore(downloadDir),
    maxBytes: MAX_MODULE_BYTES,
    log,
    ...(verification !== undefined && {
      verifier: createPolicyVerifier({ client, config: verification, trustRoot, log, now: () => new Date() }),
    }),
  });
}
