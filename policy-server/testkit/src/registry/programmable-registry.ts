import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KeyPair } from '../api-server/certificates.ts';
import { type LoopbackServer, bodyOf, startLoopbackServer } from './loopback-server.ts';
import { type BasicAuth, basicAuthorization } from './registry-target.ts';
import { type TokenOptions, TokenService, errors, scopeOf } from './token-service.ts';

/** A request as it arrived. */
export interface ReceivedRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** What a route answers. */
export interface ProgrammedAnswer {
  /** Default 200. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** A plain object goes as JSON; an iterable goes chunk by chunk, without Content-Length. */
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array> | Readonly<Record<string, unknown>>;
  /** Wait before the first byte. */
  readonly delayMs?: number;
  /** `true` closes the connection instead of answering; `hang` never answers. */
  readonly drop?: boolean | 'hang';
}

/** An answer, or a function of the request and of how often this route was asked before; `undefined` passes on. */
export type Route =
  | ProgrammedAnswer
  | ((
      request: ReceivedRequest,
      callsBefore: number,
    ) => ProgrammedAnswer | undefined | Promise<ProgrammedAnswer | undefined>);

export interface ProgrammableRegistryOptions {
  readonly tls?: KeyPair;
  /** PEM of the authority behind `tls`. */
  readonly authority?: string;
  readonly basicAuth?: BasicAuth;
  /** Asks for bearer tokens, given out at `/token`. */
  readonly tokens?: TokenOptions;
}

interface Entry {
  readonly method: string;
  readonly path: string | RegExp;
  readonly route: Route;
  calls: number;
}

/**
 * A registry in this process that answers what a test tells it to, and remembers every request. What nobody programmed is
 * 404 with the error envelope of the distribution API.
 */
export class ProgrammableRegistry implements AsyncDisposable {
  /** Every request so far, refused ones and requests for tokens included. */
  readonly requests: ReceivedRequest[] = [];
  /** Present when the options ask for bearer tokens. */
  readonly tokens: TokenService | undefined;
  readonly authority: string | undefined;
  readonly #options: ProgrammableRegistryOptions;
  readonly #entries: Entry[] = [];
  #server: LoopbackServer | undefined;

  private constructor(options: ProgrammableRegistryOptions) {
    this.#options = options;
    this.authority = options.authority ?? options.tls?.cert;
    this.tokens = options.tokens === undefined ? undefined : new TokenService(options.tokens);
  }

  /** Starts one on a loopback port of its own. */
  static async start(options: ProgrammableRegistryOptions = {}): Promise<ProgrammableRegistry> {
    const registry = new ProgrammableRegistry(options);
    registry.#server = await startLoopbackServer((request, response) => {
      registry.#serve(request, response).catch(() => response.destroy());
    }, options.tls);
    return registry;
  }

  /** `127.0.0.1:PORT`. */
  get host(): string {
    return this.#server?.host ?? '';
  }

  /** `http://127.0.0.1:PORT` or `https://…`. */
  get url(): string {
    return this.#server?.url ?? '';
  }

  get basicAuth(): BasicAuth | undefined {
    return this.#options.basicAuth;
  }

  /** Answers `method` (`*`: any) on `path`. Routes added later are asked first. `GET` routes serve `HEAD` as well. */
  route(method: string, path: string | RegExp, route: Route): void {
    this.#entries.unshift({ method, path, route, calls: 0 });
  }

  /** Serves a blob, with ranges. Answers its digest. */
  serveBlob(repository: string, bytes: Uint8Array): string {
    const digest = sha256(bytes);
    this.route('GET', `/v2/${repository}/blobs/${digest}`, ({ headers }) => rangeOf(bytes, headers.range));
    return digest;
  }

  /** Serves a manifest by its digest and by `tags`. Answers its digest. */
  serveManifest(
    repository: string,
    manifest: Uint8Array | string | object,
    mediaType: string,
    tags: readonly string[] = [],
  ): string {
    const bytes =
      typeof manifest === 'string' || manifest instanceof Uint8Array ? Buffer.from(manifest) : jsonBytes(manifest);
    const digest = sha256(bytes);
    for (const name of [digest, ...tags]) {
      this.route('GET', `/v2/${repository}/manifests/${name}`, {
        headers: { 'content-type': mediaType, 'docker-content-digest': digest },
        body: bytes,
      });
    }
    return digest;
  }

  /** How many requests came; of one method, to one path. */
  count(method?: string, path?: string | RegExp): number {
    const wanted = ({ method: actual, path: where }: ReceivedRequest): boolean =>
      (method === undefined || method === actual) && (path === undefined || matches(path, where));
    return this.requests.filter(wanted).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(incoming.url ?? '/', this.url);
    const request: ReceivedRequest = {
      method: incoming.method ?? 'GET',
      path: pathname,
      query: searchParams,
      headers: incoming.headers,
      body: await bodyOf(incoming),
    };
    this.requests.push(request);
    const answer = this.#refusal(request) ?? (await this.#programmed(request)) ?? unknown(request);
    await send(answer, request.method, response);
  }

  #refusal(request: ReceivedRequest): ProgrammedAnswer | undefined {
    const { method, path, query, headers, body } = request;
    const { authorization } = headers;
    if (this.tokens !== undefined && path === '/token')
      return this.tokens.issue({ method, query, form: new URLSearchParams(body.toString()), authorization });
    if (!path.startsWith('/v2/')) return undefined;
    if (this.tokens !== undefined) return this.tokens.challenge(authorization, scopeOf(method, path), this.url);
    const { basicAuth } = this.#options;
    if (basicAuth === undefined || authorization === basicAuthorization(basicAuth)) return undefined;
    const challenge = { 'www-authenticate': 'Basic realm="registry"' };
    return { status: 401, headers: challenge, body: { ...errors('UNAUTHORIZED', 'authentication required') } };
  }

  async #programmed(request: ReceivedRequest): Promise<ProgrammedAnswer | undefined> {
    for (const entry of this.#entries) {
      const method = entry.method === '*' || entry.method === request.method;
      const head = entry.method === 'GET' && request.method === 'HEAD';
      if (!(method || head) || !matches(entry.path, request.path)) continue;
      const answer = typeof entry.route === 'function' ? await entry.route(request, entry.calls++) : entry.route;
      if (answer !== undefined) return answer;
    }
    return undefined;
  }
}

function matches(wanted: string | RegExp, path: string): boolean {
  return typeof wanted === 'string' ? wanted === path : wanted.test(path);
}

function unknown({ path }: ReceivedRequest): ProgrammedAnswer {
  if (path === '/v2/') return { body: {} };
  const code = path.includes('/manifests/') ? 'MANIFEST_UNKNOWN' : 'NOT_FOUND';
  return { status: 404, body: { ...errors(code, `${path} is unknown`) } };
}

function rangeOf(bytes: Uint8Array, range: string | undefined): ProgrammedAnswer {
  const headers = { 'content-type': 'application/octet-stream', 'accept-ranges': 'bytes' };
  const asked = /^bytes=(\d+)-(\d*)$/.exec(range ?? '');
  if (asked === null) return { headers, body: bytes };
  const [start, end] = [Number(asked[1]), asked[2] === '' ? bytes.length - 1 : Number(asked[2])];
  const total = { 'content-range': `bytes */${bytes.length}` };
  if (start >= bytes.length || end < start) return { status: 416, headers: total };
  const part = bytes.subarray(start, end + 1);
  const partial = { 'content-range': `bytes ${start}-${start + part.length - 1}/${bytes.length}` };
  return { status: 206, headers: { ...headers, ...partial }, body: part };
}

async function send(answer: ProgrammedAnswer, method: string, response: ServerResponse): Promise<void> {
  if (answer.drop === 'hang') return;
  if (answer.delayMs !== undefined) await sleep(answer.delayMs, undefined, { ref: false });
  if (answer.drop === true) {
    response.destroy();
    return;
  }
  const { body = '' } = answer;
  const status = answer.status ?? 200;
  if (isStream(body)) {
    response.writeHead(status, answer.headers);
    const closed = once(response, 'close');
    for await (const chunk of body) {
      if (!response.write(chunk)) await Promise.race([once(response, 'drain'), closed]);
      if (response.destroyed) return;
    }
    response.end();
    return;
  }
  const plain = typeof body === 'object' && !(body instanceof Uint8Array);
  const bytes = plain ? jsonBytes(body) : Buffer.from(body);
  const type = plain ? { 'content-type': 'application/json' } : {};
  response.writeHead(status, { 'content-length': bytes.length, ...type, ...answer.headers });
  response.end(method === 'HEAD' ? undefined : bytes);
}

function isStream(body: NonNullable<ProgrammedAnswer['body']>): body is AsyncIterable<Uint8Array> {
  return typeof body === 'object' && Symbol.asyncIterator in body;
}

function jsonBytes(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
