/** What can go wrong with a policy at rest. */
export type ArtifactErrorCode =
  | 'location-invalid'
  | 'source-not-served'
  | 'file-unreadable'
  | 'file-too-large'
  | 'module-invalid'
  | 'metadata-invalid'
  | 'version-unsupported'
  | 'sources-invalid'
  | 'registry-unreachable'
  | 'registry-refused'
  | 'not-authorized'
  | 'not-found'
  | 'rate-limited'
  | 'answer-invalid'
  | 'artifact-invalid'
  | 'digest-mismatch'
  | 'download-too-large'
  | 'download-stalled'
  | 'aborted'
  | 'push-refused'
  | 'policy-not-found'
  | 'store-unusable'
  | 'archive-invalid'
  | 'verification-config-invalid'
  | 'trust-root-unavailable'
  | 'verification-failed';

/** What a policy was being fetched for when it failed. */
export type FetchStage = 'verification' | 'download' | 'checksum';

export interface ArtifactErrorOptions extends ErrorOptions {
  readonly status?: number | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly stage?: FetchStage | undefined;
}

/** A policy that cannot be found, read or accepted. The message names the policy and is fit for an operator's eyes. */
export class ArtifactError extends Error {
  readonly code: ArtifactErrorCode;
  /** Of the HTTP answer behind it, when there is one. */
  readonly status: number | undefined;
  /** How long a server that limits rates wants to be left alone. */
  readonly retryAfterMs: number | undefined;
  /** Set by the policy fetcher: its callers have other words for each stage. */
  readonly stage: FetchStage | undefined;

  constructor(code: ArtifactErrorCode, message: string, options: ArtifactErrorOptions = {}) {
    super(message, options);
    this.name = 'ArtifactError';
    this.code = code;
    this.status = options.status;
    this.retryAfterMs = options.retryAfterMs;
    this.stage = options.stage;
  }
}
