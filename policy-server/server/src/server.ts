import { setTimeout as sleep } from 'node:timers/promises';
import type { TransportLimits } from '@portcullis/artifact';
import {
  createCapabilities,
  createCertificateHandler,
  createDnsHandler,
  createRegistryCapabilities,
  type RegistryCapabilities,
} from '@portcullis/capabilities';
import { collectGarbage, createEvaluator, EvaluationEnvironment, type Evaluator } from '@portcullis/evaluator';
import { bootstrap } from './bootstrap.ts';
import type { ServerConfig } from './config/config.ts';
import { describeError } from './errors.ts';
import { createAdmissionHandler } from './http/admission.ts';
import { createApp } from './http/app.ts';
import { createTransport, listen, type Transport } from './http/listener.ts';
import { createReadinessServer } from './http/readiness.ts';
import { drain } from './http/shutdown.ts';
import { ModuleCatalogue } from './module-catalogue.ts';
import { openPolicyOrigins, type PolicyOrigins } from './policy-origins.ts';
import type { PolicyTableRow } from './policy-table.ts';
import { createArtifactLog } from './telemetry/artifact-log.ts';
import { logFor, type Log } from './telemetry/log.ts';
import { createDenialLog, createPolicyLog, logEvaluatorEvents } from './telemetry/policy-log.ts';

/** Where a listener can be reached. */
export interface ListenAddress {
  readonly address: string;
  readonly port: number;
}

/** A server that decides requests until it is closed. */
export interface RunningServer extends AsyncDisposable {
  readonly scheme: 'http' | 'https';
  readonly apiAddress: ListenAddress;
  readonly readinessAddress: ListenAddress;
  readonly policies: readonly PolicyTableRow[];
  /** Turns readiness false, serves on for `delayMs`, lets requests in flight finish, and stops. */
  close(options?: { readonly delayMs?: number }): Promise<void>;
}

export interface ServerParts {
  readonly log: Log;
  /** Milliseconds, monotonic. @default performance.now */
  readonly nowMs?: () => number;
  /** Aborted when the server should stop although it has not begun to serve: the start is then given up. */
  readonly stop?: AbortSignal;
  /** Of requests to registries and web servers. */
  readonly transportLimits?: Partial<TransportLimits>;
}

/**
 * Starts everything: the evaluator, all policies, the admission API and, last of all, the readiness probe, which therefore
 * answers only once every policy can.
 *
 * @throws ServerError for what the operator can put right, and the reason of `parts.stop`
 */
export async function startServer(config: ServerConfig, parts: ServerParts): Promise<RunningServer> {
  await using cleanup = new AsyncDisposableStack();
  announce(config, parts.log);
  const transport = cleanup.use(await createTransport(config.tls, parts.log));
  cleanup.use(logEvaluatorEvents(parts.log));
  const origins = cleanup.use(openOrigins(config, parts));
  const registries = cleanup.use(openRegistryCapabilities(config, { origins, log: parts.log }));
  const evaluator = startEvaluator(config, { registries, log: parts.log });
  cleanup.defer(() => evaluator.close());
  // Threads and modules take about as long to get ready.
  if (config.policies.entries.length > 0) evaluator.open();
  const loading = loadEnvironment(config, { ...parts, evaluator, origins });
  const { environment, policies } = await unlessStopped(loading, parts.stop);
  // Bytes of modules, as read and as rewritten: twice what the modules have, and nobody is served yet who would have to wait.
  collectGarbage();
  const state = { ready: true };
  const app = createAdmissionApp(config, { ...parts, environment, transport, state });
  await app.ready();
  cleanup.defer(() => drain(app.server, 0));
  const apiAddress = await listen(app.server, config.address, config.port);
  const readiness = createReadinessServer(() => state.ready);
  cleanup.defer(() => drain(readiness, 0));
  const readinessAddress = await listen(readiness, config.address, config.readinessPort);
  const { scheme } = transport;
  logListeners(parts.log, { scheme, apiAddress, readinessAddress });
  const resources = cleanup.move();
  const stop = async (delayMs: number): Promise<void> => {
    state.ready = false;
    await sleep(delayMs);
    await drain(app.server, config.shutdownGraceMs);
    await resources.disposeAsync();
  };
  let closing: Promise<void> | undefined;
  const close = ({ delayMs = 0 } = {}): Promise<void> => (closing ??= stop(delayMs));
  return { scheme, apiAddress, readinessAddress, policies, close, [Symbol.asyncDispose]: close };
}

function announce(config: ServerConfig, log: Log): void {
  const server = logFor(log, 'policy_server');
  for (const notice of config.notices) server.warn(notice);
  for (const warning of config.policies.warnings) server.warn(warning);
  const { policyTimeoutMs } = config;
  if (policyTimeoutMs === undefined) server.warn('policy timeout protection is disabled');
  else {
    server.info('policy timeout protection is enabled', { execution_limit_seconds: policyTimeoutMs / 1000 });
  }
}

function openOrigins(
  { supplyChain }: ServerConfig,
  { log, transportLimits: limits, stop }: ServerParts,
): PolicyOrigins {
  return openPolicyOrigins(supplyChain, { log: createArtifactLog(log), limits, stop });
}

async function unlessStopped<T>(work: Promise<T>, stop: AbortSignal | undefined): Promise<T> {
  if (stop === undefined) return work;
  const { promise, reject } = Promise.withResolvers<never>();
  const giveUp = (): void => reject(stop.reason);
  if (stop.aborted) giveUp();
  stop.addEventListener('abort', giveUp, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    stop.removeEventListener('abort', giveUp);
  }
}

function openRegistryCapabilities(
  config: ServerConfig,
  { origins, log }: { origins: PolicyOrigins; log: Log },
): RegistryCapabilities {
  const oci = logFor(log, 'policy_server::oci');
  return createRegistryCapabilities({
    transport: origins.transport,
    mirrors: config.supplyChain.sources.mirrors,
    credentials: origins.credentials,
    trustRoot: origins.trustRoot,
    log: createArtifactLog(log),
    times: { ttlMs: config.ociCacheTtlMs },
    ...(log.isEnabled('debug') && {
      onLookup: ({ cache, host, result }) => oci.debug('cache lookup', { cache, host, served_from: result }),
    }),
  });
}

interface HostParts {
  readonly registries: RegistryCapabilities;
  readonly log: Log;
}

function startEvaluator(config: ServerConfig, { registries, log }: HostParts): Evaluator {
  return createEvaluator({
    workers: config.workers,
    instances: config.instances,
    hostCalls: createCapabilities({
      handlers: {
        DNSLookupHost: createDnsHandler(),
        CryptoIsCertificateTrusted: createCertificateHandler(),
        ...registries.handlers,
      },
      log: createPolicyLog(log),
      onDenied: createDenialLog(log),
    }),
    ...(config.memoryPages !== undefined && { limits: { memoryPages: config.memoryPages } }),
    ...(config.cacheDir !== undefined && { cacheDir: config.cacheDir }),
  });
}

interface LoadingParts extends ServerParts {
  readonly evaluator: Evaluator;
  readonly origins: PolicyOrigins;
}

async function loadEnvironment(
  config: ServerConfig,
  { evaluator, origins, log, stop }: LoadingParts,
): Promise<{ environment: EvaluationEnvironment; policies: readonly PolicyTableRow[] }> {
  const { alwaysAcceptNamespace } = config;
  const environment = new EvaluationEnvironment(evaluator, {
    ...(alwaysAcceptNamespace !== undefined && { alwaysAcceptNamespace }),
  });
  const modules = new ModuleCatalogue({
    fetch: (location) => origins.fetch(location),
    prepare: (bytes, mode, sha256) => evaluator.prepare(bytes, mode, sha256),
    log,
  });
  const register = environment.register.bind(environment);
  const { policyTimeoutMs, continueOnErrors } = config;
  const policies = await bootstrap(config.policies, {
    modules,
    register,
    warm: (policy) => evaluator.warm(policy),
    policyTimeoutMs,
    continueOnErrors,
    stop,
    log,
  });
  return { environment, policies };
}

interface AdmissionParts extends ServerParts {
  readonly environment: EvaluationEnvironment;
  readonly transport: Transport;
  readonly state: { readonly ready: boolean };
}

function createAdmissionApp(config: ServerConfig, { environment, transport, state, log, nowMs }: AdmissionParts) {
  const evaluate = environment.evaluate.bind(environment);
  const http = logFor(log, 'policy_server::http');
  return createApp({
    handler: createAdmissionHandler({ evaluate, log, nowMs: nowMs ?? (() => performance.now()) }),
    maxBodyBytes: config.maxBodyBytes,
    createServer: (listener) => transport.createServer(listener),
    isDraining: () => !state.ready,
    onFault: (error) => http.error('internal error', { error: describeError(error) }),
  });
}

function logListeners(
  log: Log,
  at: { scheme: string; apiAddress: ListenAddress; readinessAddress: ListenAddress },
): void {
  const server = logFor(log, 'policy_server');
  server.info('admission API is listening', { url: formatUrl(at.scheme, at.apiAddress) });
  server.info('readiness probe is listening', { url: `${formatUrl('http', at.readinessAddress)}/readiness` });
}

/** An address as a URL people can paste. */
export function formatUrl(scheme: string, { address, port }: ListenAddress): string {
  return `${scheme}://${address.includes(':') ? `[${address}]` : address}:${port}`;
}
