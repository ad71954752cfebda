import { comparableRegistry } from '@portcullis/protocol';

/** The key under which Docker keeps what it knows about Docker Hub. */
const DOCKER_HUB_KEY = 'https://index.docker.io/v1/';
const DOCKER_HUB = 'docker.io';

/**
 * True when a key of `auths` or `credHelpers` is about this registry. Whole hosts are compared, never beginnings or ends: a
 * password for `ghcr.io` must not travel to `ghcr.io.example.com`.
 */
export function isKeyOf(key: string, registryHost: string): boolean {
  return key === registryHost || comparableRegistry(hostOf(key)) === comparableRegistry(registryHost);
}

/** What a credential helper is asked for. */
export function helperServerAddress(registryHost: string): string {
  return comparableRegistry(registryHost) === DOCKER_HUB ? DOCKER_HUB_KEY : registryHost;
}

/** `https://host:port/v1/` and `host:port/path` are about `host:port`. */
function hostOf(key: string): string {
  const rest = key.replace(/^https?:\/\//i, '');
  const slash = rest.indexOf('/');
  return slash === -1 ? rest : rest.slice(0, slash);
}
