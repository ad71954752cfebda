import { setTimeout as delay } from 'node:timers/promises';
import { ArtifactError } from '../errors.ts';
import type { ArtifactLog } from '../log.ts';
import type { Sources } from '../sources/sources.ts';
import { createDispatchers } from './dispatchers.ts';
import { exchange } from './exchange.ts';
import { createLadder, type Ladder, type LadderStep } from './ladder.ts';
import { proxyFor } from './proxy.ts';
import { redirected, refused } from './redirect.ts';
import { retryAfterMs } from './retry-after.ts';
import { abortedError, shownUrl, unreachableError } from './transport-errors.ts';
import {
  DEFAULT_TRANSPORT_LIMITS,
  type Transport,
  type TransportLimits,
  type TransportOptions,
  type TransportRequest,
  type TransportResponse,
} from './transport.ts';

/** Opens nothing and loads nothing before the first request. */
export function createTransport(options: TransportOptions): Transport {
  const limits = { ...DEFAULT_TRANSPORT_LIMITS, ...options.limits };
  const { sources, log } = options;
  const proxies = sources.proxies ?? options.proxies;
  const dispatchers = createDispatchers({
    authorities: sources.authorities,
    proxies,
    systemAuthorities: options.systemAuthorities,
    limits,
  });
  const nowMs = options.nowMs ?? (() => performance.now());
  const ladder = createLadder({ insecure: sources.insecure, log });
  const perform = async (request: TransportRequest, step: LadderStep): Promise<TransportResponse> => {
    const { url, security } = step;
    try {
      const dispatcher = await dispatchers.dispatcherFor(url, step);
      return await exchange(dispatcher, { ...request, url, security, limits, nowMs, proxy: proxyFor(url, proxies) });
    } catch (error) {
      throw error instanceof ArtifactError ? error : unreachableError(url, error);
    }
  };
  const sleep = options.sleep ?? ((ms, signal) => delay(ms, undefined, { signal }));
  return {
    request: (request) => politely(request, { ladder, perform, limits, log, sleep, sources }),
    [Symbol.asyncDispose]: () => dispatchers[Symbol.asyncDispose](),
  };
}

interface Session {
  readonly ladder: Ladder;
  readonly perform: (request: TransportRequest, step: LadderStep) => Promise<TransportResponse>;
  readonly limits: TransportLimits;
  readonly log: ArtifactLog;
  readonly sources: Sources;
  readonly sleep: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
}

/** Waits as the server asks, a few times and not for long. What it says at last is the caller's to read. */
async function politely(request: TransportRequest, session: Session): Promise<TransportResponse> {
  for (let attempt = 0; ; attempt++) {
    const response = await follow(request, session);
    if (response.status !== 429 && response.status !== 503) return response;
    const waitMs = retryAfterMs(response.headers.get('retry-after'), response.headers.get('date'));
    const { maxRetries = session.limits.maxRetries } = request;
    const { maxRetryAfterMs } = session.limits;
    if (waitMs === undefined || waitMs > maxRetryAfterMs || attempt >= maxRetries) return response;
    await response.discard();
    session.log({
      level: 'info',
      target: 'policy_fetcher::registry',
      message: 'the server asks to wait',
      fields: { url: shownUrl(response.url), wait_ms: String(waitMs) },
    });
    await session.sleep(waitMs, request.signal).catch((error: unknown) => {
      throw abortedError(request.url, error);
    });
  }
}

async function follow(first: TransportRequest, session: Session): Promise<TransportResponse> {
  let request = first;
  for (let redirects = 0; ; redirects++) {
    const current = request;
    const response = await session.ladder.climb(current, (step) => session.perform(current, step));
    const next = redirected(current, response, session.sources.insecure);
    if (next === undefined) return response;
    await response.discard();
    if (redirects >= session.limits.maxRedirects) throw refused(response, `more than ${redirects} times in a row`);
    request = next;
  }
}
