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

/** A policy that cannot be found, read or accepted. The message names the policy and is fit for an operator's eyes. */
export class ArtifactError extends Error {
  readonly code: ArtifactErrorCode;

  constructor(code: ArtifactErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ArtifactError';
    this.code = code;
  }
}
