import { ArtifactError } from '../../errors.ts';

/** Why one candidate proves nothing: kept as a reason, never the end of the whole verification. */
export function unproven(reason: string, cause?: unknown): ArtifactError {
  return new ArtifactError('verification-failed', reason, { cause });
}

/** What a stranger wrote, fit to be quoted in a log line. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 120).toWellFormed()}…` : text);
}
