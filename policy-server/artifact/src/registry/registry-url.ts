/** Docker Hub is named by one host and served by another. */
const NETWORK_HOSTS: ReadonlyMap<string, readonly string[]> = new Map([
  ['docker.io', ['index.docker.io', 'registry-1.docker.io']],
]);

/** A URL of the distribution API, for whatever lies below `/v2/`. */
export function registryUrl(registry: string, path: string): URL {
  return new URL(`https://${NETWORK_HOSTS.get(registry)?.[0] ?? registry}/v2/${path}`);
}

/** Whether a URL is served by the registry itself: host and port must be the same. */
export function isOwnHost(registry: string, url: URL): boolean {
  const served = NETWORK_HOSTS.get(registry) ?? [registry];
  return served.some((host) => hostOf(host) === url.host || (url.protocol === 'http:' && `${url.host}:80` === host));
}

function hostOf(registry: string): string {
  return new URL(`https://${registry}`).host;
}
