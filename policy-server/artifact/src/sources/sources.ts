/** Through which proxies the outside is reached; each `undefined` when there is none. */
export interface Proxies {
  readonly httpProxy: string | undefined;
  readonly httpsProxy: string | undefined;
  readonly noProxy: string | undefined;
}

/**
 * Which hosts may be reached how, as `sources.yml` says. Hosts are `host` or `host:port`, exactly as in the URL: an entry for
 * one port never speaks for another.
 */
export interface Sources {
  /** Hosts that may be spoken to without verified TLS, at last in plain HTTP. */
  readonly insecure: ReadonlySet<string>;
  /** PEM certificates trusted for a host, besides the system's. */
  readonly authorities: ReadonlyMap<string, readonly string[]>;
  /** `undefined` = the file does not say: the environment decides. */
  readonly proxies: Proxies | undefined;
}

/** Nothing but what the system trusts. */
export const NO_SOURCES: Sources = { insecure: new Set(), authorities: new Map(), proxies: undefined };
