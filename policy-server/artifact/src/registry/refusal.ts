import { list, optional, readAs, required, string, struct } from '@portcullis/protocol';
import { ArtifactError, type ArtifactErrorCode } from '../errors.ts';
import { retryAfterMs } from '../transport/retry-after.ts';
import { shownUrl } from '../transport/transport-errors.ts';
import type { TransportResponse } from '../transport/transport.ts';

const MAX_BODY_BYTES = 64 * 1024;
const MAX_QUOTED = 300;
const MAX_ERRORS = 5;

const envelope = struct('an error envelope', {
  errors: required(list(struct('an error', { code: optional(string), message: optional(string) }))),
});

/**
 * What an answer of status ≥ 400 says, as an error: the messages of a registry's error envelope, or the first line of a
 * text. A page made for browsers is never quoted. The body is used up.
 *
 * @param what the sentence begins with it: `Fail to interact with OCI registry`
 * @param hint what else is known of the cause
 */
export async function refusalOf(response: TransportResponse, what: string, hint?: string): Promise<ArtifactError> {
  const body = await response.bytes(MAX_BODY_BYTES).catch(() => new Uint8Array());
  await response.discard();
  const { status } = response;
  const waitMs = retryAfterMs(response.headers.get('retry-after'), response.headers.get('date'));
  return new ArtifactError(codeOf(status), `${what}: ${wordsOf(response, body)}${adviceFor(status, waitMs, hint)}`, {
    status,
    retryAfterMs: waitMs,
  });
}

function wordsOf(response: TransportResponse, body: Uint8Array): string {
  const url = shownUrl(response.url);
  if (response.status === 401) return `Not authorized: url ${url}`;
  const messages = envelopeMessages(body);
  if (messages.length > 0) {
    const errors = messages.map((message) => `OCI API error: ${message}`).join(', ');
    return `Registry error: url ${url}, envelope: OCI API errors: [${errors}]`;
  }
  return `Server error: url ${url}, code: ${response.status}, message: ${textOf(response, body)}`;
}

function codeOf(status: number): ArtifactErrorCode {
  if (status === 401 || status === 403) return 'not-authorized';
  if (status === 404) return 'not-found';
  return status === 429 ? 'rate-limited' : 'registry-refused';
}

function adviceFor(status: number, waitMs: number | undefined, hint: string | undefined): string {
  const known = hint === undefined ? '' : `${hint}; `;
  if (status === 401) return ` – ${known}log in, or check the credentials for this host in the docker config`;
  if (status === 403) return ` – ${known}use credentials that may do this`;
  if (status !== 429 && status !== 503) return '';
  return waitMs === undefined
    ? ' – try again later'
    : ` – the server asks to wait ${Math.ceil(waitMs / 1000)} s; try again then`;
}

function envelopeMessages(body: Uint8Array): string[] {
  try {
    const { errors } = readAs(envelope, body);
    return errors
      .slice(0, MAX_ERRORS)
      .map(({ code, message }) => oneLine(message ?? '') || oneLine(code ?? ''))
      .filter((text) => text !== '');
  } catch {
    return [];
  }
}

function textOf(response: TransportResponse, body: Uint8Array): string {
  const text = new TextDecoder().decode(body).trim();
  const isPage = /html|xml/i.test(response.headers.get('content-type') ?? '') || text.startsWith('<');
  if (isPage) return 'the answer is a web page, not that of a registry';
  return oneLine(text.split('\n')[0] ?? '') || 'the answer says nothing more';
}

/** A stranger's words on one line of a log: no control characters, no terminal sequences, no end in the middle of a character. */
function oneLine(text: string): string {
  const clean = text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ').trim();
  return clean.length > MAX_QUOTED ? `${clean.slice(0, MAX_QUOTED).toWellFormed()}…` : clean;
}
