import type { ArtifactLog } from '../log.ts';
import type { Proxies, Sources } from '../sources/sources.ts';

/** Bounds of one exchange with a server. */
export interface TransportLimits {
  /** TCP and TLS together, through a proxy as well. */
  readonly connectTimeoutMs: number;
  /** From the beginning of the request to the end of the answer's headers; bodies of requests get time of their own. */
  readonly headersTimeoutMs: number;
  /** Between two pieces of a body. */
  readonly idleTimeoutMs: number;
  /** A body that comes slower, averaged over `rateWindowMs` of waiting for it, is given up. */
  readonly minBytesPerSecond: number;
  readonly rateWindowMs: number;
  readonly maxRedirects: number;
  /** The longest wait a server may ask for (`Retry-After`); a longer one ends the request. */
  readonly maxRetryAfterMs: number;
  /** How often a request is made again after such a wait. */
  readonly maxRetries: number;
}

export const DEFAULT_TRANSPORT_LIMITS: TransportLimits = {
  connectTimeoutMs: 10_000,
  headersTimeoutMs: 60_000,
  idleTimeoutMs: 30_000,
  minBytesPerSecond: 1024,
  rateWindowMs: 30_000,
  maxRedirects: 5,
  maxRetryAfterMs: 30_000,
  maxRetries: 2,
};

export interface TransportOptions {
  readonly sources: Sources;
  /** Of the environment; what `sources` says about proxies wins. */
  readonly proxies: Proxies;
  readonly log: ArtifactLog;
  readonly limits?: Partial<TransportLimits>;
  /** PEM certificates of the authorities that are trusted for every host. @default what the system trusts */
  readonly systemAuthorities?: readonly string[];
  /** Milliseconds of a clock that never goes back. */
  readonly nowMs?: () => number;
  /** Waits; rejects when `signal` is aborted. */
  readonly sleep?: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
}

export type RequestMethod = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH';

export interface TransportRequest {
  /** `https:`, or `http:` where somebody wrote so. What is spoken with insecure hosts the transport decides. */
  readonly url: URL;
  /** The host as sources name it, where that is not the URL's (`docker.io`, an explicit port 443). @default `url.host` */
  readonly hostKey?: string;
  readonly method: RequestMethod;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly signal?: AbortSignal;
  /** How often it is made again after a wait the server asks for. @default `maxRetries` of the transport */
  readonly maxRetries?: number;
  /** Set by operations whose failed steps are logged; without it the ladder is silent, as for a pull. */
  readonly operation?: string;
}

/** How the peer was reached: with its certificate checked, unchecked, or without TLS. */
export type TransportSecurity = 'verified' | 'unverified' | 'plain';

/** An answer whose headers are here. Its body must be read or discarded. */
export interface TransportResponse {
  readonly status: number;
  readonly headers: Headers;
  /** Of the last request, after redirects. */
  readonly url: URL;
  readonly security: TransportSecurity;
  /** Ends with ArtifactError `download-stalled` when the server stops, slows down or cuts the connection. Once only. */
  readonly body: AsyncIterable<Uint8Array>;
  /** The whole body. Rejects with `download-too-large` above `maxBytes`. */
  bytes(maxBytes: number): Promise<Uint8Array>;
  /** Lets go of the body. Never rejects. */
  discard(): Promise<void>;
}

/** HTTP as the sources allow it: which host is spoken to how, through which proxy, and for how long. */
export interface Transport extends AsyncDisposable {
  /** @throws ArtifactError `registry-unreachable` or `aborted`; an answer of any status is an answer. */
  request(request: TransportRequest): Promise<TransportResponse>;
}
