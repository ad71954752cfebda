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
}

export interface ApiLimits {
  readonly connectTimeoutMs: number;
  readonly answerTimeoutMs: number;
  readonly maxAnswerBytes: number;
}

/** Whoever has no cluster at hand must not wait long for none. */
const LIMITS: ApiLimits = { connectTimeoutMs: 1000, answerTimeoutMs: 10_000, maxAnswerBytes: 8 * 2 ** 20 };

export interface ApiClientOptions {
  /** Proxies of the environment: `HTTPS_PROXY`, `NO_PROXY`. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly limits?: Partial<ApiLimits>;
}

export function createApiClient(access: ClusterAccess, { env, limits = {} }: ApiClientOptions): ApiClient {
  const agent = agentFor(access, env);
  const bounds = { ...LIMITS, ...limits };
  return {
    get: (path) => getJson(access, path, { agent, limits: bounds }),
    [Symbol.dispose]: () => agent.destroy(),
  };
}

function agentFor(
  { server, tls, proxyUrl }: ClusterAccess,
  env: Readonly<Record<string, string | undefined>>,
): HttpAgent {
  const proxyEnv = proxyUrl === undefined ? env : { HTTP_PROXY: proxyUrl, HTTPS_PROXY: proxyUrl };
  try {
    const options = { keepAlive: true, maxSockets: 4, proxyEnv };
    return server.protocol === 'https:' ? new HttpsAgent({ ...options, ...tls }) : new HttpAgent(options);
  } catch (error) {
    throw unusable(server, `its proxy or its certificates cannot be used: ${messageOf(error)}`, error);
  }
}

interface Way {
  readonly agent: HttpAgent;
  readonly limits: ApiLimits;
}

async function getJson({ server, headers }: ClusterAccess, path: string, way: Way): Promise<JsonValue> {
  const url = new URL(server.pathname.replace(/\/+$/, '') + path, server);
  try {
    const answer = await send(url, { accept: 'application/json', ...headers }, way);
    const body = await collect(answer, way.limits.maxAnswerBytes);
    const status = answer.statusCode ?? 0;
    if (status !== 200) throw unusable(url, `it answered with status ${status}${reasonIn(body)}`);
    return parseJson(body);
  } catch (error) {
    if (error instanceof KwctlError) throw error;
    const reason = error instanceof JsonError ? `its answer is not JSON: ${error.message}` : failureText(error, way);
    throw unusable(url, reason, error);
  }
}

function send(url: URL, headers: ClusterAccess['headers'], { agent, limits }: Way): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(limits.answerTimeoutMs);
    const options: RequestOptions = { agent, headers, signal };
    const request = url.protocol === 'https:' ? httpsRequest(url, options) : httpRequest(url, options);
    const timer = setTimeout(() => request.destroy(new ConnectTimeout()), limits.connectTimeoutMs);
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

class ConnectTimeout extends Error {}

function failureText(error: unknown, { limits }: Way): string {
  if (error instanceof ConnectTimeout) return `no connection within ${limits.connectTimeoutMs} ms`;
  if (error instanceof RangeError) return `its answer: ${error.message}`;
  if (error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError')) {
    return `no answer within ${limits.answerTimeoutMs} ms`;
  }
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
