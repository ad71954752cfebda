import { access } from 'node:fs/promises';
import { join } from 'node:path';
import {
  ArtifactError,
  loadSources,
  loadVerificationConfig,
  NO_SOURCES,
  proxiesFromEnvironment,
  type Proxies,
  type Sources,
  type VerificationConfig,
} from '@portcullis/artifact';
import { ServerError } from '../errors.ts';
import type { Environment } from './command-line.ts';
import type { FlagValues } from './flags.ts';

/** Where policies may come from, where they are kept, and what must vouch for them. */
export interface SupplyChainConfig {
  /** Downloaded policies lie here, in the layout of a policy store. */
  readonly downloadDir: string;
  /** Of all policies together, from the first request on. */
  readonly downloadTimeoutMs: number;
  readonly sources: Sources;
  /** Of the environment; those of the sources file win. */
  readonly proxies: Proxies;
  /** Folder that holds `config.json` with the credentials of registries. */
  readonly dockerConfigFolder: string;
  /** `undefined` = policies need no signature. */
  readonly verification: VerificationConfig | undefined;
  /** File with a Sigstore ClientTrustConfig; `undefined` = the public trust root. */
  readonly trustConfigPath: string | undefined;
  /** Where the public trust root is kept between starts. */
  readonly trustCacheFolder: string;
  /** Oddities worth a line in the log. */
  readonly warnings: readonly string[];
}

/**
 * Reads the sources file and the verification config. One that was named and cannot be used keeps the server from starting:
 * without it policies would come from elsewhere, or unverified.
 *
 * @throws ServerError `supply-chain-invalid`
 */
export async function loadSupplyChain(
  flags: FlagValues,
  { env, home }: { readonly env: Environment; readonly home: string | undefined },
): Promise<SupplyChainConfig> {
  const sourcesPath = flags['sources-path'];
  const verificationPath = flags['verification-path'];
  const dockerFolder = flags['docker-config-json-path'];
  return {
    downloadDir: flags['policies-download-dir'],
    downloadTimeoutMs: flags['policies-download-timeout'] * 1000,
    sources: sourcesPath === undefined ? NO_SOURCES : await readSources(sourcesPath),
    proxies: proxiesFromEnvironment(env),
    dockerConfigFolder: dockerFolder ?? (env['DOCKER_CONFIG'] || join(home ?? '/', '.docker')),
    verification: verificationPath === undefined ? undefined : await readVerification(verificationPath),
    trustConfigPath: flags['sigstore-trust-config'],
    trustCacheFolder: flags['sigstore-cache-dir'],
    warnings: dockerFolder === undefined ? [] : await dockerWarnings(dockerFolder),
  };
}

/** The folder, not the file, is what the flag takes; everybody gets that wrong once. */
async function dockerWarnings(folder: string): Promise<readonly string[]> {
  const path = join(folder, 'config.json');
  const missing = `Docker config file not found. Check if you are pointing to the directory containing the file. The file path should be ${path}.`;
  return access(path).then(
    () => [],
    () => [missing],
  );
}

function readSources(path: string): Promise<Sources> {
  return usable(loadSources(path), `error while loading sources from ${path}: `);
}

function readVerification(path: string): Promise<VerificationConfig> {
  return usable(loadVerificationConfig(path), '');
}

async function usable<T>(loading: Promise<T>, problem: string): Promise<T> {
  try {
    return await loading;
  } catch (error) {
    if (!(error instanceof ArtifactError)) throw error;
    throw new ServerError('supply-chain-invalid', `${problem}${error.message}`, { cause: error });
  }
}
