import type { CredentialSource } from '../credentials/credentials.ts';
import { ArtifactError } from '../errors.ts';
import type { ArtifactLog } from '../log.ts';
import { type Actions, RegistryAuthorization } from './authorization.ts';
import { refusalOf } from './refusal.ts';
import { isOwnHost, registryUrl } from './registry-url.ts';
import type { Repository } from './registry.ts';
import type { RequestMethod, Transport, TransportResponse } from '../transport/transport.ts';

export interface RegistryRequest {
  readonly method: RequestMethod;
  /** Below `/v2/<repository>/`, or a whole URL a registry named. */
  readonly target: string | URL;
  readonly actions: Actions;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly signal?: AbortSignal;
  readonly operation?: string;
}

/** Requests to registries that carry what the registry wants to see. */
export interface RegistrySession {
  /** @throws ArtifactError when there is no answer, or `not-authorized` (401); an answer of any other status is an answer. */
  request(repository: Repository, request: RegistryRequest): Promise<TransportResponse>;
}

export interface SessionOptions {
  readonly transport: Transport;
  readonly credentials: CredentialSource;
  readonly log: ArtifactLog;
  readonly nowMs: () => number;
}

/** How sentences about registries begin. */
export const FAILURE = 'Fail to interact with OCI registry';

export function createSession(options: SessionOptions): RegistrySession {
  const authorization = new RegistryAuthorization(options);
  return {
    async request(repository, request) {
      try {
        return await authorized(options.transport, authorization, { repository, request });
      } catch (error) {
        throw inRegistryWords(error);
      }
    },
  };
}

interface Addressed {
  readonly repository: Repository;
  readonly request: RegistryRequest;
}

async function authorized(
  transport: Transport,
  authorization: RegistryAuthorization,
  { repository, request }: Addressed,
): Promise<TransportResponse> {
  const { actions, signal, operation } = request;
  const url = urlOf(repository, request.target);
  // Uploads may be led to storage on another host, which has no business with our token.
  if (!isOwnHost(repository.registry, url)) return send(transport, request, { url });
  const wanted = { repository, actions, signal, operation };
  const hostKey = repository.registry;
  const shown = await authorization.authorize(wanted);
  const response = await send(transport, request, { url, hostKey, authorization: shown.header });
  if (response.status !== 401) return response;
  const renewed = await authorization.renew(wanted, response, shown);
  if (renewed === undefined) throw await refusalOf(response, FAILURE, shown.problem);
  await response.discard();
  const second = await send(transport, request, { url, hostKey, authorization: renewed.header });
  if (second.status === 401) throw await refusalOf(second, FAILURE, renewed.problem);
  return second;
}

/** Registries behind a proxy often name themselves with `http:`; how they are spoken to is for the ladder to find out. */
function urlOf({ registry, repository }: Repository, target: string | URL): URL {
  if (typeof target === 'string') return registryUrl(registry, `${repository}/${target}`);
  if (!isOwnHost(registry, target)) return target;
  // By parts: as a text, a path of `//elsewhere/` would be another host, and get the token.
  const url = registryUrl(registry, '');
  url.pathname = target.pathname;
  url.search = target.search;
  return url;
}

function send(
  transport: Transport,
  { method, headers, body, signal, operation }: RegistryRequest,
  { url, hostKey, authorization }: { url: URL; hostKey?: string; authorization?: string | undefined },
): Promise<TransportResponse> {
  return transport.request({
    url,
    method,
    headers: { ...headers, ...(authorization === undefined ? {} : { authorization }) },
    hostKey,
    body,
    signal,
    operation,
  });
}

function inRegistryWords(error: unknown): unknown {
  if (!(error instanceof ArtifactError) || error.code !== 'registry-unreachable') return error;
  return new ArtifactError(error.code, `${FAILURE}: ${error.message}`, { cause: error.cause });
}
