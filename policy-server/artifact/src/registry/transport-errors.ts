import { messageOf } from '@portcullis/protocol';
import { ArtifactError } from '../errors.ts';

/** A URL fit for logs and errors: names and passwords, and the query (signed URLs carry keys there), stay out. */
export function shownUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

export function unreachableError(url: URL, cause: unknown): ArtifactError {
  return new ArtifactError(
    'registry-unreachable',
    `error sending request for url (${shownUrl(url)}) – ${reasonOf(cause)}; ` +
      'check host and port; a host with an own CA belongs in source_authorities of the sources file, one without TLS in insecure_sources',
    { cause },
  );
}

export function abortedError(url: URL, cause: unknown): ArtifactError {
  return new ArtifactError('aborted', `gave up the request for ${shownUrl(url)}: ${reasonOf(cause)}`, { cause });
}

export function stalledError(url: URL, problem: string, cause?: unknown): ArtifactError {
  return new ArtifactError(
    'download-stalled',
    `cannot read the answer of ${shownUrl(url)}: ${problem} – try again; what has come is resumed where the server allows it`,
    { cause },
  );
}

/** The answer did not begin in time: whoever is there speaks, but not to us. */
export function silentError(url: URL, cause: unknown): ArtifactError {
  return new ArtifactError(
    'download-stalled',
    `${shownUrl(url)} does not answer: ${reasonOf(cause)} – try again later`,
    {
      cause,
    },
  );
}

/**
 * The words that say why. Connecting to several addresses fails with an error that says nothing itself, and OpenSSL
 * frames its reason in the names of source files.
 */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) {
    return error.errors.map((inner) => reasonOf(inner)).join('; ');
  }
  if (error instanceof Error && 'reason' in error && typeof error.reason === 'string') return error.reason;
  return messageOf(error).trim();
}

/** Errors of undici and of the system carry a code. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
