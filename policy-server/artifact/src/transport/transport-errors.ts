import { messageOf } from '@portcullis/protocol';
import { ArtifactError } from '../errors.ts';

/** A URL fit for logs and errors: names and passwords, and the query (signed URLs carry keys there), stay out. */
export function shownUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

/** What operators of the reference know, for errors that Node explains with advice of its own or of OpenSSL's source files. */
const REASONS: ReadonlyMap<string, string> = new Map([
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'invalid peer certificate: UnknownIssuer'],
  ['UNABLE_TO_GET_ISSUER_CERT', 'invalid peer certificate: UnknownIssuer'],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'invalid peer certificate: UnknownIssuer'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'invalid peer certificate: UnknownIssuer'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'invalid peer certificate: UnknownIssuer'],
  ['CERT_HAS_EXPIRED', 'invalid peer certificate: Expired'],
  ['CERT_NOT_YET_VALID', 'invalid peer certificate: NotValidYet'],
  [
    'ERR_SSL_WRONG_VERSION_NUMBER',
    'received corrupt message of type InvalidContentType: the host does not speak TLS on this port',
  ],
]);

/** @param proxy the URL of the proxy on the way, if there is one */
export function unreachableError(url: URL, cause: unknown, proxy?: string): ArtifactError {
  return new ArtifactError(
    'registry-unreachable',
    `error sending request for url (${shownUrl(url)}) – ${reasonOf(cause)}; ${adviceFor(cause, proxy)}`,
    { cause },
  );
}

function adviceFor(cause: unknown, proxy: string | undefined): string {
  const reason = REASONS.get(errorCode(cause) ?? '') ?? '';
  if (reason.endsWith('UnknownIssuer')) {
    return 'if it has a certificate of your own authority, name that in source_authorities of the sources file';
  }
  if (reason.includes('InvalidContentType')) {
    return 'if it is meant to be spoken to without TLS, name it in insecure_sources of the sources file';
  }
  const place = URL.parse(proxy ?? '');
  return place === null ? 'check host, port and network' : `check the proxy ${place.origin}, which is asked for it`;
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
export function silentError(url: URL, timeoutMs: number, cause: unknown): ArtifactError {
  return new ArtifactError(
    'download-stalled',
    `${shownUrl(url)} does not answer: no answer within ${timeoutMs} ms – try again later`,
    { cause },
  );
}

/** The words that say why. Connecting to several addresses fails with an error that says nothing itself. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) {
    return error.errors.map((inner) => reasonOf(inner)).join('; ');
  }
  const known = REASONS.get(errorCode(error) ?? '');
  if (known !== undefined) return known;
  if (error instanceof Error && 'reason' in error && typeof error.reason === 'string') return error.reason;
  return messageOf(error).trim();
}

/** Errors of undici and of the system carry a code. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
