import { any, JsonNumber, optional, readAs, string, struct } from '@portcullis/protocol';
import type { Credential } from '../credentials/credentials.ts';
import { ArtifactError } from '../errors.ts';
import { shownUrl } from '../transport/transport-errors.ts';
import type { Transport, TransportResponse } from '../transport/transport.ts';

/** A token for one repository. */
export interface Token {
  readonly text: string;
  readonly lifetimeMs: number;
}

export interface TokenRequest {
  readonly realm: URL;
  readonly service: string | undefined;
  readonly scope: string;
  readonly credential: Credential | undefined;
}

/** Tokens with many grants are some kilobytes. */
const MAX_ANSWER_BYTES = 256 * 1024;
/** What the distribution project says of tokens that do not say it themselves. */
const DEFAULT_LIFETIME_S = 60;
const MAX_LIFETIME_S = 24 * 3600;
/** How token services that know no POST answer one: containerd falls back on the same. */
const POST_NOT_SERVED: ReadonlySet<number> = new Set([400, 401, 404, 405, 501]);

const answer = struct('a token', {
  token: optional(string),
  access_token: optional(string),
  expires_in: optional(any),
});

/**
 * Asks a token service. A refresh token is exchanged by POST, in the body, where no access log keeps it.
 *
 * @throws ArtifactError; its message holds neither credential nor token
 */
export async function requestToken(transport: Transport, request: TokenRequest): Promise<Token> {
  const { credential } = request;
  if (credential?.kind !== 'identity-token') {
    return readToken(await get(transport, request, credential?.username, credential?.password));
  }
  const response = await post(transport, request, credential.token);
  if (!POST_NOT_SERVED.has(response.status)) return readToken(response);
  await response.discard();
  return readToken(await get(transport, request, '<token>', credential.token));
}

/** The value of an Authorization header. */
export function basicAuthorization(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`;
}

function get(
  transport: Transport,
  { realm, service, scope }: TokenRequest,
  username: string | undefined,
  password: string | undefined,
): Promise<TransportResponse> {
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set('service', service);
  url.searchParams.set('scope', scope);
  const headers: Record<string, string> = { accept: 'application/json' };
  if (username !== undefined) headers['authorization'] = basicAuthorization(username, password ?? '');
  return transport.request({ url, method: 'GET', headers });
}

function post(
  transport: Transport,
  { realm, service, scope }: TokenRequest,
  refreshToken: string,
): Promise<TransportResponse> {
  const form = new URLSearchParams({ grant_type: 'refresh_token', client_id: 'portcullis', scope });
  if (service !== undefined) form.set('service', service);
  form.set('refresh_token', refreshToken);
  return transport.request({
    url: realm,
    method: 'POST',
    headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
    body: new TextEncoder().encode(form.toString()),
  });
}

async function readToken(response: TransportResponse): Promise<Token> {
  if (response.status !== 200) {
    await response.discard();
    throw invalid(response, `status ${response.status}`);
  }
  const parsed = parseAnswer(response, await response.bytes(MAX_ANSWER_BYTES));
  const text = parsed.token ?? parsed.access_token ?? '';
  // It becomes part of a header: no white space, no line ends.
  if (!/^[\x21-\x7e]+$/.test(text)) throw invalid(response, 'an answer without a token');
  const said = parsed.expires_in instanceof JsonNumber ? parsed.expires_in.toNumber() : DEFAULT_LIFETIME_S;
  const lifetimeS = Number.isFinite(said) && said > 0 ? Math.min(said, MAX_LIFETIME_S) : DEFAULT_LIFETIME_S;
  return { text, lifetimeMs: lifetimeS * 1000 };
}

function parseAnswer(
  response: TransportResponse,
  bytes: Uint8Array,
): { token?: string | undefined; access_token?: string | undefined; expires_in?: unknown } {
  try {
    return readAs(answer, bytes);
  } catch {
    // The words of the parser may quote the answer, and with it a token: only what kind of thing went wrong is told.
    throw invalid(response, 'an answer that is not JSON of a token');
  }
}

function invalid(response: TransportResponse, got: string): ArtifactError {
  return new ArtifactError('answer-invalid', `the token service at ${shownUrl(response.url)} gave no token: ${got}`, {
    status: response.status,
  });
}
