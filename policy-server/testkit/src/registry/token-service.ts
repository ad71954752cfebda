import { randomBytes } from 'node:crypto';
import { type BasicAuth, basicAuthorization } from './registry-target.ts';

/** How a registry gives out bearer tokens. */
export interface TokenOptions {
  readonly service?: string;
  /** Credentials the service asks for; anybody gets a token otherwise. */
  readonly basicAuth?: BasicAuth;
  /** Refresh token that `POST /token` exchanges, as after `docker login` with an identity token. */
  readonly identityToken?: string;
  /** Default 300. */
  readonly expiresInSeconds?: number;
  /** Which field carries the token; both are in use. */
  readonly field?: 'token' | 'access_token';
  /** Where clients are sent for a token; this server's `/token` otherwise. */
  readonly realm?: string;
}

/** A request for a token, as the service saw it. */
export interface TokenRequest {
  readonly method: string;
  readonly query: URLSearchParams;
  readonly form: URLSearchParams;
  readonly authorization: string | undefined;
}

/** What the service answers. */
export interface TokenAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

interface Grant {
  readonly scopes: ReadonlySet<string>;
  readonly expiresMs: number;
}

/** The token side of a registry: gives out tokens for scopes and says whether one is good for a request. */
export class TokenService {
  /** Every request for a token so far. */
  readonly requests: TokenRequest[] = [];
  readonly #options: TokenOptions;
  readonly #grants = new Map<string, Grant>();

  constructor(options: TokenOptions) {
    this.#options = options;
  }

  /** Makes every token given so far worthless. */
  revokeAll(): void {
    this.#grants.clear();
  }

  /** Answer to a request for a token. */
  issue(request: TokenRequest): TokenAnswer {
    this.requests.push(request);
    if (!this.#isKnown(request)) return json(401, errors('UNAUTHORIZED', 'authentication required'));
    const parameters = request.method === 'POST' ? request.form : request.query;
    const scopes = parameters.getAll('scope').flatMap((scope) => scope.split(' '));
    const token = randomBytes(24).toString('base64url');
    const seconds = this.#options.expiresInSeconds ?? 300;
    this.#grants.set(token, { scopes: new Set(scopes.flatMap(singleActions)), expiresMs: Date.now() + seconds * 1000 });
    return json(200, { [this.#options.field ?? 'token']: token, expires_in: seconds });
  }

  /** The refusal of a request whose token is missing or not good for it; `undefined` lets it through. */
  challenge(authorization: string | undefined, scope: string | undefined, url: string): TokenAnswer | undefined {
    const grant = this.#grants.get(/^Bearer (.+)$/i.exec(authorization ?? '')?.[1] ?? '');
    const valid = grant !== undefined && grant.expiresMs > Date.now();
    if (valid && (scope === undefined || singleActions(scope).every((each) => grant.scopes.has(each))))
      return undefined;
    const realm = this.#options.realm ?? `${url}/token`;
    const wanted = scope === undefined ? '' : `,scope="${scope}"`;
    const header = `Bearer realm="${realm}",service="${this.#options.service ?? 'registry.test'}"${wanted}`;
    const refusal = json(401, errors('UNAUTHORIZED', 'authentication required'));
    return { ...refusal, headers: { ...refusal.headers, 'www-authenticate': header } };
  }

  #isKnown({ method, form, authorization }: TokenRequest): boolean {
    const { basicAuth, identityToken } = this.#options;
    if (method === 'POST') {
      if (form.get('grant_type') === 'refresh_token') return form.get('refresh_token') === identityToken;
      return basicAuth?.user === form.get('username') && basicAuth?.password === form.get('password');
    }
    if (basicAuth === undefined) return identityToken === undefined;
    return authorization === basicAuthorization(basicAuth);
  }
}

/** Scope of a request to the distribution API; `undefined` for `/v2/` itself. */
export function scopeOf(method: string, path: string): string | undefined {
  const name = /^\/v2\/(.+)\/(?:manifests|blobs|referrers|tags)\//.exec(path)?.[1];
  if (name === undefined) return undefined;
  return `repository:${name}:${method === 'GET' || method === 'HEAD' ? 'pull' : 'pull,push'}`;
}

/** `repository:a:pull,push` → `repository:a:pull`, `repository:a:push`. */
function singleActions(scope: string): string[] {
  const colon = scope.lastIndexOf(':');
  return scope
    .slice(colon + 1)
    .split(',')
    .map((action) => `${scope.slice(0, colon)}:${action}`);
}

/** The error envelope of the distribution API. */
export function errors(code: string, message: string): object {
  return { errors: [{ code, message }] };
}

function json(status: number, body: object): TokenAnswer {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}
