import { ArtifactError } from '../../errors.ts';

/** Why one candidate proves nothing: kept as a reason, never the end of the whole verification. */
export function unproven(reason: string, cause?: unknown): ArtifactError {
  return new ArtifactError('verification-failed', reason, { cause });
}

/** What a stranger wrote, fit to be quoted in a log line. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 120).toWellFormed()}…` : text);
}

/** A reason of any origin, fit for a log line: libraries quote what strangers wrote, whole and as it is. */
export function printable(reason: string): string {
  const text = reason.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ');
  return text.length <= MAX_REASON ? text : `${text.slice(0, MAX_REASON).toWellFormed()}…`;
}

const MAX_REASON = 400;
