import { isIP } from 'node:net';
import type { InstanceMode } from '@portcullis/evaluator';
import { ServerError } from '../errors.ts';
import type { TlsFiles } from '../http/tls/material.ts';
import type { LogLevel } from '../telemetry/log.ts';
import type { Environment } from './command-line.ts';
import { FLAG_NAMES, flagRow, type FlagName, type FlagValues } from './flags.ts';
import { loadPolicies, type LoadedPolicies } from './policies/load.ts';
import { loadSupplyChain, type SupplyChainConfig } from './supply-chain.ts';

/** Everything the server needs to know, checked: flags, environment and policies file in one frozen object. */
export interface ServerConfig {
  /** IP address, without brackets. */
  readonly address: string;
  readonly port: number;
  readonly readinessPort: number;
  readonly tls: TlsFiles | undefined;
  readonly maxBodyBytes: number;
  readonly shutdownDelayMs: number;
  readonly shutdownGraceMs: number;
  readonly policies: LoadedPolicies;
  readonly supplyChain: SupplyChainConfig;
  /** Evaluations at the same time. */
  readonly workers: number;
  /** `undefined` = only policies with a limit of their own have one. */
  readonly policyTimeoutMs: number | undefined;
  readonly memoryPages: number | undefined;
  readonly instances: InstanceMode;
  readonly cacheDir: string | undefined;
  readonly alwaysAcceptNamespace: string | undefined;
  /** How long what registries said about a tag is taken as it was; 0 = it is asked each time. */
  readonly ociCacheTtlMs: number;
  readonly continueOnErrors: boolean;
  /** What was asked for and is not served yet, in words for the log. */
  readonly notices: readonly string[];
}

/** How the process logs; needed before the rest of the configuration is read. */
export interface LogConfig {
  readonly level: LogLevel;
  readonly format: 'text' | 'json';
  readonly noColour: boolean;
}

export interface ConfigOptions {
  /** Default of `--workers`. */
  readonly cpus: number;
  /** Variables that other programs read too: DOCKER_CONFIG, the proxies, KUBERNETES_SERVICE_HOST. */
  readonly env: Environment;
  /** Home folder of the user, if there is one. */
  readonly home: string | undefined;
}

/** API servers go on connecting to a pod until its removal from the Service has reached every node. */
const POD_SHUTDOWN_DELAY_SECONDS = 5;

export function logConfig(flags: FlagValues): LogConfig {
  const format = flags['log-fmt'] === 'json' ? 'json' : 'text';
  return { level: flags['log-level'], format, noColour: flags['log-no-color'] };
}

/**
 * Turns flag values into a configuration and reads the policies file.
 *
 * @throws ServerError
 */
export async function loadConfig(
  flags: FlagValues,
  given: ReadonlySet<FlagName>,
  options: ConfigOptions,
): Promise<ServerConfig> {
  const notices = notServedNotices(flags, given);
  const listeners = listenerConfig(flags);
  const supplyChain = await loadSupplyChain(flags, options);
  const inPod = options.env['KUBERNETES_SERVICE_HOST'] !== undefined;
  const policies = await loadPolicies(flags.policies, { continueOnErrors: flags['continue-on-errors'] });
  if (!flags['ignore-kubernetes-connection-failure']) refuseKubernetesNeeds(policies);
  return Object.freeze({
    ...listeners,
    tls: tlsFiles(flags),
    maxBodyBytes: flags['max-body-bytes'],
    shutdownDelayMs: (flags['shutdown-delay'] ?? (inPod ? POD_SHUTDOWN_DELAY_SECONDS : 0)) * 1000,
    shutdownGraceMs: flags['shutdown-grace'] * 1000,
    policies,
    supplyChain,
    workers: flags.workers ?? options.cpus,
    policyTimeoutMs: flags['disable-timeout-protection'] ? undefined : flags['policy-timeout'] * 1000,
    memoryPages: flags['memory-pages'],
    instances: flags.instances,
    cacheDir: flags['cache-dir'],
    alwaysAcceptNamespace: flags['always-accept-admission-reviews-on-namespace'],
    ociCacheTtlMs: flags['oci-cache-ttl'] * 1000,
    continueOnErrors: flags['continue-on-errors'],
    notices: [...notices, ...supplyChain.warnings],
  });
}

/** Nothing that was asked for is ignored in silence. */
function notServedNotices(flags: FlagValues, given: ReadonlySet<FlagName>): readonly string[] {
  const notices: string[] = [];
  for (const name of FLAG_NAMES) {
    const { notServed, env } = flagRow(name);
    if (notServed === undefined || !given.has(name) || flags[name] === false) continue;
    notices.push(`--${name} (${env}) is not served yet: ${notServed}`);
  }
  if (flags['log-fmt'] === 'otlp') {
    notices.push(
      '--log-fmt otlp (KUBEWARDEN_LOG_FMT) is not served yet: this release exports no traces, logs are text',
    );
  }
  if (flags['ignore-kubernetes-connection-failure']) {
    notices.push('this release has no Kubernetes client: the kubernetes/* host capabilities answer with an error');
  }
  return notices;
}

/** The words of the reference for anything that is no socket address, with what was wrong. */
function listenerConfig(flags: FlagValues): Pick<ServerConfig, 'address' | 'port' | 'readinessPort'> {
  const problems: string[] = [];
  const address = /^\[(.*)\]$/.exec(flags.addr)?.[1] ?? flags.addr;
  if (isIP(address) === 0) problems.push(`--addr: expected an IP address, got '${flags.addr}'`);
  const readPort = (name: 'port' | 'readiness-probe-port'): number => {
    const port = /^\d{1,5}$/.test(flags[name]) ? Number(flags[name]) : Number.NaN;
    if (!(port <= 65_535)) problems.push(`--${name}: expected a port from 0 to 65535, got '${flags[name]}'`);
    return port;
  };
  const port = readPort('port');
  const readinessPort = readPort('readiness-probe-port');
  if (port === readinessPort && port !== 0) {
    throw new ServerError(
      'arguments-invalid',
      `--port and --readiness-probe-port are both ${port}: expected two different ports, one for each listener`,
    );
  }
  if (problems.length > 0) {
    const text = `error parsing arguments: invalid socket address syntax (${problems.join('; ')})`;
    throw new ServerError('arguments-invalid', text);
  }
  return { address, port, readinessPort };
}

function tlsFiles(flags: FlagValues): TlsFiles | undefined {
  const { 'cert-file': certFile, 'key-file': keyFile, 'client-ca-file': clientCaFiles } = flags;
  if (certFile !== undefined && keyFile !== undefined) return { certFile, keyFile, clientCaFiles };
  if (certFile !== undefined || keyFile !== undefined) {
    throw new ServerError('arguments-invalid', 'both certificate and key must be provided together');
  }
  if (clientCaFiles.length > 0) {
    const text = 'client CA certificate requires server certificate and key to be specified';
    throw new ServerError('arguments-invalid', text);
  }
  return undefined;
}

/** A pattern such as `*` allows lookups without needing them; a named resource or an explicit pattern is a need. */
function refuseKubernetesNeeds({ entries }: LoadedPolicies): void {
  const sources = entries.flatMap((entry) => (entry.kind === 'policy' ? [entry.source] : [...entry.members.values()]));
  const needing = sources.filter(
    ({ contextAwareResources, allowList }) =>
      contextAwareResources.length > 0 ||
      allowList.patterns.some((pattern) => pattern.trim().startsWith('kubernetes/')),
  );
  if (needing.length === 0) return;
  const names = needing.map(({ id }) => `'${id}'`).join(', ');
  throw new ServerError(
    'kubernetes-unavailable',
    'Cannot connect to Kubernetes, context aware policies would not work properly: this release has no Kubernetes client, ' +
      `but ${names} ask for Kubernetes resources – start with --ignore-kubernetes-connection-failure to serve the rest`,
  );
}
