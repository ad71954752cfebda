/** How the API server of a cluster is reached, and as whom. All files it needed have been read. */
export interface ClusterAccess {
  /** With the path of a gateway, if there is one before it. */
  readonly server: URL;
  readonly tls: ClusterTls;
  /** Who is asking; the values are secrets. */
  readonly headers: Readonly<Record<string, string | string[]>>;
  /** Wins over the proxies of the environment. */
  readonly proxyUrl: string | undefined;
}

export interface ClusterTls {
  /** PEM; without it the authorities of the system are trusted. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** The name the certificate must have, where it is not that of the URL. */
  readonly servername?: string;
  readonly rejectUnauthorized: boolean;
}

/** The address of an API server. */
export function parseServerUrl(text: string): URL | undefined {
  const url = URL.parse(text);
  const isServed = url !== null && (url.protocol === 'https:' || url.protocol === 'http:') && url.hostname !== '';
  return isServed ? url : undefined;
}
