import { ArtifactError } from '@portcullis/artifact';

/** What a failed question to a registry means for what is remembered of its answers. */
export type FailureKind =
  /** It is not there any more. */
  | 'gone'
  /** It may not be seen any more: losing access is a security signal. */
  | 'forbidden'
  /** The registry wants to be left alone. */
  | 'limited'
  /** The registry could not answer: nothing is known. */
  | 'unreachable'
  /** An answer that is wrong in itself; nothing may stand in for it. */
  | 'wrong';

const KINDS: ReadonlyMap<string, FailureKind> = new Map([
  ['not-found', 'gone'],
  ['not-authorized', 'forbidden'],
  ['rate-limited', 'limited'],
  ['registry-unreachable', 'unreachable'],
  ['download-stalled', 'unreachable'],
  ['aborted', 'unreachable'],
]);

export function failureKind(error: unknown): FailureKind {
  if (!(error instanceof ArtifactError)) return isTimeout(error) ? 'unreachable' : 'wrong';
  if (error.code === 'registry-refused') return (error.status ?? 0) >= 500 ? 'unreachable' : 'wrong';
  return KINDS.get(error.code) ?? 'wrong';
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && (error.name === 'TimeoutError' || error.name === 'AbortError');
}
