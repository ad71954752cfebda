import type { HistogramCounts } from './histogram.ts';

export interface LoadRequest {
  readonly path: string;
  readonly body: Uint8Array;
  /** What the answer must say; anything else is counted as wrong. Absent: every answer is right. */
  readonly expect?: Verdict;
}

export type Verdict = 'allowed' | 'denied';

/**
 * Closed: every connection sends when its answer came; finds what a server can do at most. Open: send times are fixed in advance and
 * latency counts from the intended time, so that a server that stalls is charged for all who would have waited (no coordinated
 * omission); finds what clients feel.
 */
export type Pace =
  | {
      readonly kind: 'closed';
      readonly connections: number;
      /** How long a connection that was told 429 waits before it asks again, as a client that reads Retry-After. @default 0 */
      readonly backOffMs?: number;
    }
  | { readonly kind: 'open'; readonly perSecond: number; readonly connections: number };

export interface LoadPlan {
  readonly host: string;
  readonly port: number;
  /** Sent in turn. */
  readonly requests: readonly LoadRequest[];
  readonly pace: Pace;
  /** Sent and not counted. */
  readonly warmUpMs: number;
  readonly durationMs: number;
  /** Ends the run earlier. */
  readonly maxRequests?: number;
}

export interface LoadCounts {
  readonly latencies: HistogramCounts;
  /** HTTP status → answers. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Answers whose verdict was not the expected one. */
  readonly wrong: number;
  /** Connections that failed: what went wrong → how often. */
  readonly failures: Readonly<Record<string, number>>;
  /** Open pace: how late the driver itself noticed that a request was due; large values say that the driver, not the server, is what was measured. */
  readonly lateness: HistogramCounts;
  /** Open pace: requests never sent because every connection was busy until the end. */
  readonly unsent: number;
  readonly elapsedMs: number;
  readonly driverCpuMs: number;
}
