import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { systemErrorText } from '@portcullis/artifact';
import { JsonError, messageOf, parseJson, type JsonValue } from '@portcullis/protocol';
import { KwctlError } from '../errors.ts';
import { collect } from '../file.ts';
import { printable } from '../output/log.ts';
import type { ClusterAccess } from './cluster-access.ts';

/** Reads from the API server of a cluster. */
export interface ApiClient extends Disposable {
  /**
   * @param path - absolute, as in `/api/v1`
   * @throws KwctlError `cluster-unusable`
   */
  get(path: string): Promise<JsonValue>;
  /** All answers together were too slow or too large: nothing more is asked. */
  readonly isExhausted: boolean;
}

export interface ApiLimits {
  readonly connectTimeoutMs: number;
  readonly answerTimeoutMs: number;
  readonly maxAnswerBytes: number;
  /** Of all answers together. */
  readonly totalTimeoutMs: number;
  readonly maxTotalBytes: number;
}

/** Whoever has no cluster at hand must not wait long for none. */
const LIMITS: ApiLimits = {
  connectTimeoutMs: 1000,
  answerTimeoutMs: 5000,
  maxAnswerBytes: 8 * 2 ** 20,
  totalTimeoutMs: 20_000,
  maxTotalBytes: 64 * 2 ** 20,
};

export interface ApiClientOptions {
  /** Proxies of the environment: `HTTPS_PROXY`, `NO_PROXY`. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly limits?: Partial<ApiLimits>;
}

export function createApiClient(access: ClusterAccess, { env, limits = {} }: ApiClientOptions): ApiClient {
  return new HttpApiClient(access, agentFor(access, env), { ...LIMITS, ...limits });
}

class HttpApiClient implements ApiClient {
  readonly #access: ClusterAccess;
  readonly #agent: HttpAgent;
  readonly #limits: ApiLimits;
  readonly #total: AbortSignal;
  #bytesLeft: number;

  constructor(access: ClusterAccess, agent: HttpAgent, limits: ApiLimits) {
    this.#access = access;
    this.#agent = agent;
    this.#limits = limits;
    this.#total = AbortSignal.timeout(limits.totalTimeoutMs);
    this.#bytesLeft = limits.maxTotalBytes;
  }

  get isExhausted(): boolean {
    return this.#total.aborted || this.#bytesLeft <= 0;
  }

  async get(path: string): Promise<JsonValue> {
    const { server } = this.#access;
    const url = new URL(server.pathname.replace(/\/+$/, '') + path, server);
    const tooLate = AbortSignal.any([this.#total, AbortSignal.timeout(this.#limits.answerTimeoutMs)]);
    try {
      return await this.#fetch(url, tooLate);
    } catch (error) {
      if (error instanceof KwctlError) throw error;
      const reason = tooLate.aborted ? `no answer within ${this.#limits.answerTimeoutMs} ms` : failureText(error);
      throw unusable(url, this.isExhausted ? 'its answers take too long or are too large' : reason, error);
    }
  }

  async #fetch(url: URL, tooLate: AbortSignal): Promise<JsonValue> {
    tooLate.throwIfAborted();
    const { connectTimeoutMs, maxAnswerBytes } = this.#limits;
    const headers = { accept: 'application/json', ...this.#access.headers };
    // The timeout of a request is that of the tunnel through a proxy.
    const options = { agent: this.#agent, headers, timeout: connectTimeoutMs };
    const answer = await send(url, options, { tooLate, connectTimeoutMs });
    const body = await this.#collect(answer, Math.min(maxAnswerBytes, this.#bytesLeft));
    const status = answer.statusCode ?? 0;
    if (status !== 200) throw unusable(url, `it answered with status ${status}${reasonIn(body)}`);
    return parseJson(body);
  }

  async #collect(answer: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
    try {
      const body = await collect(answer, maxBytes);
      this.#bytesLeft -= body.length;
      return body;
    } catch (error) {
      if (error instanceof RangeError) this.#bytesLeft -= maxBytes;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

function agentFor(
  { server, tls, proxyUrl }: ClusterAccess,
  env: Readonly<Record<string, string | undefined>>,
): HttpAgent {
  const proxyEnv = proxyUrl === undefined ? env : { HTTP_PROXY: proxyUrl, HTTPS_PROXY: proxyUrl };
  // Node takes no notice of a proxy it cannot speak to, and would connect to the server directly.
  if (proxyUrl !== undefined && !/^https?:\/\/./i.test(proxyUrl)) {
    throw unusable(server, `expected a proxy-url with http:// or https://, got '${proxyUrl.replace(/\/\/.*@/, '//')}'`);
  }
  try {
    const options = { keepAlive: true, maxSockets: 4, proxyEnv };
    return server.protocol === 'https:' ? new HttpsAgent({ ...options, ...tls }) : new HttpAgent(options);
  } catch (error) {
    throw unusable(server, `its proxy or its certificates cannot be used: ${messageOf(error)}`, error);
  }
}

interface Patience {
  /** Ends the request in whatever state it is. */
  readonly tooLate: AbortSignal;
  readonly connectTimeoutMs: number;
}

function send(url: URL, options: RequestOptions, { tooLate, connectTimeoutMs }: Patience): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = url.protocol === 'https:' ? httpsRequest(url, options) : httpRequest(url, options);
    // A request that has no connection yet does not tell that it was destroyed.
    const giveUp = (reason: Error): void => {
      reject(reason);
      request.destroy(reason);
    };
    const timer = setTimeout(() => giveUp(new Error(`no connection within ${connectTimeoutMs} ms`)), connectTimeoutMs);
    tooLate.addEventListener('abort', () => giveUp(new Error('no answer')), { once: true });
    request.on('socket', (socket: Socket) => {
      if (!socket.connecting) clearTimeout(timer);
      else socket.once('connect', () => clearTimeout(timer));
    });
    request.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    request.on('response', resolve);
    request.end();
  });
}

function failureText(error: unknown): string {
  if (error instanceof JsonError) return `its answer is not JSON: ${error.message}`;
  if (error instanceof RangeError) return `its answer: ${error.message}`;
  // One connection was tried for each address of the host.
  if (error instanceof AggregateError) return error.errors.map(systemErrorText).join('; ');
  return systemErrorText(error);
}

/** The message of a Kubernetes `Status`; whatever else answers is not quoted. */
function reasonIn(body: Uint8Array): string {
  try {
    const value = parseJson(body);
    const message = value instanceof Map ? value.get('message') : undefined;
    return typeof message === 'string' && message !== '' ? `: ${printable(message.slice(0, 300).toWellFormed())}` : '';
  } catch {
    return '';
  }
}

function unusable(url: URL, reason: string, cause?: unknown): KwctlError {
  const place = `${url.origin}${url.pathname}`;
  return new KwctlError('cluster-unusable', `the API server at ${place} cannot be used: ${reason}`, { cause });
}
