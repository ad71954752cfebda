/** Through which proxies the outside is reached; each `undefined` when there is none. */
export interface Proxies {
  readonly httpProxy: string | undefined;
  readonly httpsProxy: string | undefined;
  readonly noProxy: string | undefined;
}

/** A host that holds what another registry holds. It is spoken to as its own entries in the sources say, with its own credentials. */
export interface Mirror {
  /** `host` or `host:port`. */
  readonly host: string;
  /** Stands before the repositories on the mirror; empty = they have the same names there. */
  readonly path: string;
  /** Whether its word is taken for what a tag names. Otherwise it is asked for content by digest, and for nothing else. */
  readonly resolve: boolean;
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
  /** Who is asked before a registry, in order; by the registry's comparable name. */
  readonly mirrors?: ReadonlyMap<string, readonly Mirror[]>;
}

/** Nothing but what the system trusts. */
export const NO_SOURCES: Sources = {
  insecure: new Set(),
  authorities: new Map(),
  proxies: undefined,
  mirrors: new Map(),
};
