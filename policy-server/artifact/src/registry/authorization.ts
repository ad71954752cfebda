import { messageOf } from '@portcullis/protocol';
import { credentialIdentity, type Credential } from '../credentials/credentials.ts';
import { Flights } from '../flights.ts';
import { parseChallenge, type Challenge } from './challenge.ts';
import { isOwnHost, registryUrl } from './registry-url.ts';
import type { Repository } from './registry.ts';
import type { SessionOptions } from './session.ts';
import { basicAuthorization, requestToken, type Token } from './token.ts';
import type { TransportResponse, TransportSecurity } from '../transport/transport.ts';

/** What a token is asked for. */
export type Actions = 'pull' | 'pull,push';

export interface AuthorizationRequest {
  readonly repository: Repository;
  readonly actions: Actions;
  readonly signal: AbortSignal | undefined;
  readonly operation: string | undefined;
}

/** What a request to a registry carries. */
export interface Authorization {
  /** `undefined` = nothing: nobody asked for it, or there is nothing to show. */
  readonly header: string | undefined;
  /** Why there is nothing to show, fit for logs. */
  readonly problem: string | undefined;
}

/** What a registry asked for, and how sure it is that it was the registry who asked. */
interface Demand {
  readonly challenge: Challenge | undefined;
  readonly security: TransportSecurity;
}

/** A Bearer challenge and how sure it is whose it is, in one piece: one must not be judged by the other's certificate. */
interface BearerDemand extends Omit<Extract<Challenge, { scheme: 'bearer' }>, 'scheme'> {
  readonly security: TransportSecurity;
}

interface StoredToken {
  readonly header: string;
  readonly expiresAtMs: number;
}

const NOTHING: Authorization = { header: undefined, problem: undefined };
/** Helpers are programs: one run serves a while, unless what it said is refused. */
const CREDENTIAL_LIFETIME_MS = 5 * 60_000;
const DOUBTED_LIFETIME_MS = 10_000;
/** A token must not run out between being chosen and being judged. */
const TOKEN_MARGIN_MS = 10_000;
/** Whoever chooses image names chooses registries: what is remembered of each is bounded, the oldest goes first. */
const MAX_REMEMBERED = 1000;
const WAITED_FOR = 'a registry';

/** Remembers what registries ask for, and the tokens their services gave. */
export class RegistryAuthorization {
  readonly #options: SessionOptions;
  readonly #demands = new Map<string, Demand>();
  readonly #credentials = new Map<string, { found: Credential | undefined; sinceMs: number }>();
  readonly #tokens = new Map<string, StoredToken>();
  readonly #demandFlights = new Flights<Demand>(WAITED_FOR);
  readonly #credentialFlights = new Flights<Credential | undefined>(WAITED_FOR);
  readonly #tokenFlights = new Flights<Token>(WAITED_FOR);

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** What to show for a request. A token service that gives nothing is no error: registries serve much to anybody. */
  async authorize(request: AuthorizationRequest): Promise<Authorization> {
    const demand = await this.#demandOf(request);
    if (demand.challenge === undefined) return NOTHING;
    const credential = await this.#credentialOf(request);
    if (demand.challenge.scheme === 'basic') return basic(credential);
    return this.#bearer(request, credential, { ...demand.challenge, security: demand.security });
  }

  /**
   * What to show instead of what was refused; `undefined` when there is nothing else. Only the registry's own words count:
   * an answer that came from elsewhere, after a redirect, cannot ask for our credentials.
   */
  async renew(
    request: AuthorizationRequest,
    response: TransportResponse,
    refused: Authorization,
  ): Promise<Authorization | undefined> {
    const { registry } = request.repository;
    if (!isOwnHost(registry, response.url)) return undefined;
    const challenge = parseChallenge(response.headers.get('www-authenticate'));
    if (challenge !== undefined) remember(this.#demands, registry, { challenge, security: response.security });
    this.#doubtCredential(registry);
    if (refused.header !== undefined) this.#forget(refused.header);
    const renewed = await this.authorize(request);
    return renewed.header === undefined || renewed.header === refused.header ? undefined : renewed;
  }

  async #demandOf({ repository: { registry }, signal, operation }: AuthorizationRequest): Promise<Demand> {
    const known = this.#demands.get(registry);
    if (known !== undefined) return known;
    return this.#demandFlights.join(registry, { signal }, async (flight) => {
      const response = await this.#options.transport.request({
        url: registryUrl(registry, ''),
        hostKey: registry,
        method: 'GET',
        signal: flight.signal,
        operation,
      });
      await response.discard();
      const isOwn = isOwnHost(registry, response.url);
      const header = response.status === 401 && isOwn ? response.headers.get('www-authenticate') : null;
      const demand = { challenge: parseChallenge(header), security: response.security };
      // A registry in trouble says nothing about what it asks for in better times.
      if (response.status < 500 && response.status !== 429) remember(this.#demands, registry, demand);
      return demand;
    });
  }

  async #credentialOf({ repository: { registry }, signal }: AuthorizationRequest): Promise<Credential | undefined> {
    const { credentials, nowMs } = this.#options;
    const known = this.#credentials.get(registry);
    if (known !== undefined && nowMs() < known.sinceMs + CREDENTIAL_LIFETIME_MS) return known.found;
    return this.#credentialFlights.join(registry, { signal }, async () => {
      const found = await credentials.credentialFor(registry);
      remember(this.#credentials, registry, { found, sinceMs: nowMs() });
      return found;
    });
  }

  /** Passwords are changed; but a registry that refuses everything must not start a helper with every request. */
  #doubtCredential(registry: string): void {
    const known = this.#credentials.get(registry);
    const isOld = known !== undefined && this.#options.nowMs() >= known.sinceMs + DOUBTED_LIFETIME_MS;
    if (isOld) this.#credentials.delete(registry);
  }

  async #bearer(
    request: AuthorizationRequest,
    credential: Credential | undefined,
    demand: BearerDemand,
  ): Promise<Authorization> {
    const { repository, actions, signal } = request;
    const { realm, service, security } = demand;
    const wanted = [repository.registry, repository.repository, actions, credentialIdentity(credential)];
    const key = JSON.stringify([...wanted, realm, service ?? null, security]);
    const { nowMs } = this.#options;
    const known = this.#tokens.get(key);
    if (known !== undefined && known.expiresAtMs > nowMs()) return { header: known.header, problem: undefined };
    try {
      const token = await this.#tokenFlights.join(key, { signal }, () => this.#askFor(request, credential, demand));
      return { header: this.#keep(key, token), problem: undefined };
    } catch (error) {
      if (signal?.aborted === true) throw error;
      return this.#without(messageOf(error));
    }
  }

  #askFor(
    { repository, actions }: AuthorizationRequest,
    credential: Credential | undefined,
    { realm: text, service, security }: BearerDemand,
  ): Promise<Token> {
    const realm = URL.parse(text);
    if (realm === null) throw new Error('the registry names a token service that is no URL');
    const mayShow = mayHaveCredentials(repository.registry, realm, security);
    if (credential !== undefined && !mayShow) this.#warnOfForeignRealm(repository.registry, realm);
    return requestToken(this.#options.transport, {
      realm,
      service,
      scope: `repository:${repository.repository}:${actions}`,
      credential: mayShow ? credential : undefined,
    });
  }

  #keep(key: string, { text, lifetimeMs }: Token): string {
    const header = `Bearer ${text}`;
    const margin = Math.min(TOKEN_MARGIN_MS, lifetimeMs / 5);
    remember(this.#tokens, key, { header, expiresAtMs: this.#options.nowMs() + lifetimeMs - margin });
    return header;
  }

  #forget(header: string): void {
    for (const [key, token] of this.#tokens) if (token.header === header) this.#tokens.delete(key);
  }

  #warnOfForeignRealm(registry: string, realm: URL): void {
    this.#options.log({
      level: 'warn',
      target: 'policy_fetcher::registry',
      message:
        'credentials not sent: the token service is on another host, and the certificate of the registry that names it is not checked',
      fields: { registry, token_service: realm.host },
    });
  }

  #without(problem: string): Authorization {
    const target = 'policy_fetcher::registry';
    this.#options.log({ level: 'debug', target, message: `no token, going on anonymously: ${problem}` });
    return { header: undefined, problem };
  }
}

function remember<T>(entries: Map<string, T>, key: string, value: T): void {
  entries.delete(key);
  entries.set(key, value);
  const [oldest] = entries.keys();
  if (entries.size > MAX_REMEMBERED && oldest !== undefined) entries.delete(oldest);
}

function basic(credential: Credential | undefined): Authorization {
  if (credential === undefined) return NOTHING;
  if (credential.kind === 'basic') {
    return { header: basicAuthorization(credential.username, credential.password), problem: undefined };
  }
  return { header: undefined, problem: 'the registry asks for a password, and there is only an identity token' };
}

/**
 * Whether a token service may be shown our credential. The registry names the service, often on another host (Docker Hub
 * does), and could as well have asked for the password itself, by Basic: naming a service gives an honest or dishonest
 * registry nothing it lacks. But it must have been the registry who spoke. Where its certificate was not checked,
 * anybody on the way could have answered, and named a service of his own, which has a fine certificate and keeps the
 * password; so there the service must be on the registry's own host, where the operator accepted the risk.
 */
function mayHaveCredentials(registry: string, realm: URL, security: TransportSecurity): boolean {
  return security === 'verified' || realm.hostname === registryUrl(registry, '').hostname;
}
