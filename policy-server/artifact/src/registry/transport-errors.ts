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

/** The innermost words: connecting to several addresses fails with an error that says nothing itself. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) {
    return error.errors.map((inner) => messageOf(inner)).join('; ');
  }
  return messageOf(error);
}
