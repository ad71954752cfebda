import { type IncomingMessage, type ServerResponse } from 'node:http';
import type { KeyPair } from '../api-server/certificates.ts';
import { bodyOf, startLoopbackServer } from './loopback-server.ts';
import { type RegistryTarget, callRegistry } from './registry-target.ts';
import { type Damage, type UpstreamAnswer, isInvented, sendAltered, sendInvented } from './tamper.ts';
import { type TokenOptions, TokenService, scopeOf } from './token-service.ts';

/** Which requests are damaged, and how. */
export type Tamper = Damage & {
  /** `GET` when absent; `*`: any. */
  readonly method?: string;
  /** Path without query; every path of the API when absent. */
  readonly path?: RegExp;
  /** How many requests are damaged before they pass again; all when absent. */
  readonly times?: number;
};

export interface TamperingProxyOptions {
  readonly tls?: KeyPair;
  /** PEM of the authority behind `tls`. */
  readonly authority?: string;
  /** Asks for bearer tokens before it passes anything on. */
  readonly tokens?: TokenOptions;
  readonly tampers?: readonly Tamper[];
}

/** A request as it came to the proxy. */
export interface ProxiedRequest {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
  readonly host: string | undefined;
  /** Kind of the damage done, if any. */
  damage: Damage['kind'] | undefined;
  /** Bytes of body that were handed to the network. */
  sentBytes: number;
}

/** Stands between a client and a registry. */
export interface TamperingProxy extends RegistryTarget, AsyncDisposable {
  readonly host: string;
  readonly requests: readonly ProxiedRequest[];
  readonly tokens: TokenService | undefined;
  /** From now on, in place of what was set before; without arguments everything passes unharmed. */
  tamper(...tampers: readonly Tamper[]): void;
}

/** Headers between one pair of machines, not to be passed on. */
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding', 'host', 'content-length']);

/** Starts a proxy that passes everything on to `upstream` except what it is told to damage. */
export async function startTamperingProxy(
  upstream: RegistryTarget | string,
  options: TamperingProxyOptions = {},
): Promise<TamperingProxy> {
  const target = typeof upstream === 'string' ? { url: upstream } : upstream;
  const tokens = options.tokens === undefined ? undefined : new TokenService(options.tokens);
  const requests: ProxiedRequest[] = [];
  let tampers = budgets(options.tampers ?? []);
  const serve = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const record = recordOf(incoming);
    requests.push(record);
    const body = await bodyOf(incoming);
    if (refuse({ incoming, body, url: server.url }, tokens, response)) return;
    const damage = takeDamage(tampers, record);
    record.damage = damage?.kind;
    if (damage !== undefined && isInvented(damage)) {
      record.sentBytes = await sendInvented(damage, incoming.url ?? '/', response);
      return;
    }
    const answer = await pass(target, incoming, body, tokens !== undefined);
    if (damage === undefined) relay(answer, response, server.url, target.url);
    else record.sentBytes = await sendAltered(damage, answer, response);
  };
  const server = await startLoopbackServer((incoming, response) => {
    serve(incoming, response).catch(() => response.destroy());
  }, options.tls);
  return {
    host: server.host,
    url: server.url,
    authority: options.authority ?? options.tls?.cert,
    basicAuth: target.basicAuth,
    requests,
    tokens,
    tamper: (...given) => void (tampers = budgets(given)),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

interface Budget {
  readonly tamper: Tamper;
  left: number;
}

function budgets(tampers: readonly Tamper[]): Budget[] {
  return tampers.map((tamper) => ({ tamper, left: tamper.times ?? Infinity }));
}

function takeDamage(tampers: readonly Budget[], { method, path }: ProxiedRequest): Damage | undefined {
  const found = tampers.find(({ tamper, left }) => {
    const wanted = tamper.method ?? 'GET';
    return left > 0 && (wanted === '*' || wanted === method) && (tamper.path ?? /^\/v2\/./).test(path);
  });
  if (found !== undefined) found.left -= 1;
  return found?.tamper;
}

function recordOf({ method, url, headers }: IncomingMessage): ProxiedRequest {
  const path = (url ?? '/').replace(/\?.*$/, '');
  const { authorization, range, host } = headers;
  return { method: method ?? 'GET', path, authorization, range, host, damage: undefined, sentBytes: 0 };
}

/** Answers requests for tokens and requests without a good one. */
function refuse(
  { incoming, body, url }: { incoming: IncomingMessage; body: Buffer; url: string },
  tokens: TokenService | undefined,
  response: ServerResponse,
): boolean {
  if (tokens === undefined) return false;
  const { pathname, searchParams } = new URL(incoming.url ?? '/', url);
  const method = incoming.method ?? 'GET';
  const { authorization } = incoming.headers;
  const answer =
    pathname === '/token'
      ? tokens.issue({ method, query: searchParams, form: new URLSearchParams(body.toString()), authorization })
      : tokens.challenge(authorization, scopeOf(method, pathname), url);
  if (answer === undefined) return false;
  response.writeHead(answer.status, answer.headers).end(answer.body);
  return true;
}

async function pass(
  target: RegistryTarget,
  incoming: IncomingMessage,
  body: Buffer,
  ownTokens: boolean,
): Promise<UpstreamAnswer> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (!HOP_BY_HOP.has(name) && typeof value === 'string') headers[name] = value;
  }
  if (ownTokens) delete headers['authorization'];
  // The proxy damages answers; it adds no credentials that the client did not have.
  const anonymous = {
    url: target.url,
    authority: target.authority,
    basicAuth: ownTokens ? target.basicAuth : undefined,
  };
  const call = body.length > 0 ? { headers, body } : { headers };
  const answer = await callRegistry(anonymous, incoming.method ?? 'GET', incoming.url ?? '/', call);
  return { status: answer.status, headers: passedOn(answer.headers), body: answer.body };
}

function passedOn(headers: NodeJS.Dict<string | string[]>): Record<string, string | string[]> {
  const kept: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && name !== 'transfer-encoding' && name !== 'connection' && name !== 'keep-alive')
      kept[name] = value;
  }
  return kept;
}

/** Unharmed; upload locations stay with the proxy. */
function relay(answer: UpstreamAnswer, response: ServerResponse, own: string, upstream: string): void {
  const headers = { ...answer.headers };
  const { location } = headers;
  if (typeof location === 'string') headers['location'] = location.replace(upstream, own);
  response.writeHead(answer.status, headers).end(answer.body);
}
