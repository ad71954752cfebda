import { ArtifactError } from '../errors.ts';
import type { CredentialSource } from '../credentials/credentials.ts';
import type { ArtifactLog } from '../log.ts';
import type { Repository } from './registry.ts';
import type { RequestMethod, Transport, TransportResponse } from './transport.ts';

/** What a token is asked for. */
export type Actions = 'pull' | 'pull,push';

export interface RegistryRequest {
  readonly method: RequestMethod;
  /** Below `/v2/<repository>/`, or a whole URL a registry named. */
  readonly target: string | URL;
  readonly actions: Actions;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly signal?: AbortSignal | undefined;
  readonly operation?: string | undefined;
}

export interface RegistrySession {
  /** @throws ArtifactError when there is no answer; an answer of any status is an answer. */
  request(repository: Repository, request: RegistryRequest): Promise<TransportResponse>;
}

export interface SessionOptions {
  readonly transport: Transport;
  readonly credentials: CredentialSource;
  readonly log: ArtifactLog;
  readonly nowMs: () => number;
}

export const FAILURE = 'Fail to interact with OCI registry';

/** Docker Hub is named by one host and served by another. */
export function networkHost(registry: string): string {
  return registry === 'docker.io' ? 'index.docker.io' : registry;
}

export function registryUrl({ registry, repository }: Repository, path: string): URL {
  return new URL(`https://${networkHost(registry)}/v2/${repository}/${path}`);
}

export function createSession({ transport }: SessionOptions): RegistrySession {
  return {
    async request(repository, request) {
      const { method, target, headers, body, signal, operation } = request;
      const url = typeof target === 'string' ? registryUrl(repository, target) : target;
      try {
        return await transport.request({
          url,
          hostKey: repository.registry,
          method,
          ...(headers === undefined ? {} : { headers }),
          ...(body === undefined ? {} : { body }),
          ...(signal === undefined ? {} : { signal }),
          ...(operation === undefined ? {} : { operation }),
        });
      } catch (error) {
        throw inRegistryWords(error);
      }
    },
  };
}

function inRegistryWords(error: unknown): unknown {
  if (!(error instanceof ArtifactError) || error.code !== 'registry-unreachable') return error;
  return new ArtifactError(error.code, `${FAILURE}: ${error.message}`, { cause: error.cause });
}
