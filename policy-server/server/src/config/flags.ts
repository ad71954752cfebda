import {
  parseBoolean,
  parseChoice,
  parseInteger,
  parsePathList,
  parsePresence,
  parseText,
  type Parsed,
} from './flag-values.ts';
import type { InstanceMode } from '@portcullis/evaluator';
import { LOG_LEVELS, type LogLevel } from '../telemetry/log.ts';

/** One row of the table below: everything that is known about a flag. */
export interface Flag<T> {
  readonly env: string;
  /** Name of the value in help and messages; absent for a switch. */
  readonly placeholder?: string;
  readonly parse: (text: string) => Parsed<T>;
  /** Where the variable follows other rules than the flag (NO_COLOR). */
  readonly parseEnv?: (text: string) => Parsed<T>;
  readonly fallback: T;
  /** Shown instead of `fallback` in help. */
  readonly fallbackText?: string;
  readonly help: string;
  readonly hidden?: true;
  /** What to say when the flag is set, for a feature this release does not have. */
  readonly notServed?: string;
}

type FlagRest<T> = Omit<Flag<T>, 'env' | 'placeholder' | 'parse'>;

function valued<T>(env: string, placeholder: string, parse: Flag<T>['parse'], rest: FlagRest<T>): Flag<T> {
  return { env, placeholder, parse, ...rest };
}

function path(env: string, help: string, notServed?: string): Flag<string | undefined> {
  return { env, placeholder: 'PATH', parse: parseText, fallback: undefined, help, ...(notServed && { notServed }) };
}

function toggle(env: string, help: string, rest: Partial<Flag<boolean>> = {}): Flag<boolean> {
  return { env, parse: parseBoolean, fallback: false, help, ...rest };
}

const MAX_SECONDS = 2_147_483; // what a 32-bit millisecond timer can hold
const MAX_BODY_BYTES = 1024 * 1024 * 1024;
const MAX_MEMORY_PAGES = 65_536; // 4 GiB, the end of a 32-bit linear memory
const SECONDS = parseInteger(0, MAX_SECONDS);

const LISTENERS = {
  addr: valued('KUBEWARDEN_BIND_ADDRESS', 'ADDRESS', parseText, {
    fallback: '0.0.0.0',
    help: 'IP address both listeners bind to',
  }),
  port: valued('KUBEWARDEN_PORT', 'PORT', parseText, { fallback: '3000', help: 'Port of the admission API' }),
  'readiness-probe-port': valued('KUBEWARDEN_READINESS_PROBE_PORT', 'PORT', parseText, {
    fallback: '8081',
    help: 'Port of the readiness probe, always plain HTTP',
  }),
  'cert-file': path('KUBEWARDEN_CERT_FILE', 'Server certificate, PEM; a chain is accepted, leaf first'),
  'key-file': path('KUBEWARDEN_KEY_FILE', 'Private key of the server certificate, PEM'),
  'client-ca-file': valued<readonly string[]>('KUBEWARDEN_CLIENT_CA_FILE', 'PATHS', parsePathList, {
    fallback: [],
    fallbackText: '',
    help: 'CA certificates, PEM, comma-separated; clients must then present a certificate of one of them (mTLS)',
  }),
  'max-body-bytes': valued('PORTCULLIS_MAX_BODY_BYTES', 'BYTES', parseInteger(1, MAX_BODY_BYTES), {
    fallback: 8 * 1024 * 1024,
    help: 'Largest request body; an UPDATE carries the old and the new object',
  }),
  'shutdown-delay': valued<number | undefined>('PORTCULLIS_SHUTDOWN_DELAY', 'SECONDS', SECONDS, {
    fallback: undefined,
    fallbackText: '5 in a Kubernetes pod, else 0',
    help: 'After SIGTERM: go on accepting connections this long, with readiness already false',
  }),
  'shutdown-grace': valued('PORTCULLIS_SHUTDOWN_GRACE', 'SECONDS', SECONDS, {
    fallback: 20,
    help: 'After that: let requests in flight finish for at most this long',
  }),
} as const;

const POLICIES = {
  policies: valued('KUBEWARDEN_POLICIES', 'PATH', parseText, {
    fallback: 'policies.yml',
    help: 'Policies to serve, YAML or JSON',
  }),
  'policies-download-dir': valued('KUBEWARDEN_POLICIES_DOWNLOAD_DIR', 'PATH', parseText, {
    fallback: '.',
    help: 'Where downloaded policies are kept',
  }),
  'policies-download-timeout': valued('PORTCULLIS_POLICIES_DOWNLOAD_TIMEOUT', 'SECONDS', parseInteger(1, MAX_SECONDS), {
    fallback: 300,
    help: 'How long after the start all policies must have been fetched; those that have not cannot be served',
  }),
  workers: valued<number | undefined>('KUBEWARDEN_WORKERS', 'COUNT', parseInteger(1, 65_536), {
    fallback: undefined,
    fallbackText: 'number of CPUs',
    help: 'How many evaluations may run at the same time',
  }),
  'policy-timeout': valued('KUBEWARDEN_POLICY_TIMEOUT', 'SECONDS', parseInteger(1, MAX_SECONDS), {
    fallback: 2,
    help: 'Longest time one evaluation may take, unless the policy has its own timeoutEvalSeconds',
  }),
  'disable-timeout-protection': toggle(
    'KUBEWARDEN_DISABLE_TIMEOUT_PROTECTION',
    "Drop the global policy timeout; a policy's own timeoutEvalSeconds still holds, and 30 s at load for those without one",
  ),
  'memory-pages': valued<number | undefined>('PORTCULLIS_MEMORY_PAGES', 'PAGES', parseInteger(1, MAX_MEMORY_PAGES), {
    fallback: undefined,
    fallbackText: "the evaluator's own limit",
    help: 'Most linear memory of one policy instance, in pages of 64 KiB',
  }),
  instances: valued<InstanceMode>('PORTCULLIS_INSTANCES', 'MODE', parseChoice(['reset', 'fresh']), {
    fallback: 'reset',
    help: 'reset: evaluations reuse an instance brought back to its first state; fresh: each one gets a new instance',
  }),
  'cache-dir': path('PORTCULLIS_CACHE_DIR', 'Keep prepared modules in this folder, so that the next start is faster'),
  'always-accept-admission-reviews-on-namespace': valued<string | undefined>(
    'KUBEWARDEN_ALWAYS_ACCEPT_ADMISSION_REVIEWS_ON_NAMESPACE',
    'NAMESPACE',
    parseText,
    { fallback: undefined, help: 'Accept every admission review of this namespace without evaluating policies' },
  ),
  'continue-on-errors': toggle(
    'KUBEWARDEN_CONTINUE_ON_ERRORS',
    'Start although some policies cannot be served; requests to those are rejected',
    { hidden: true },
  ),
  'ignore-kubernetes-connection-failure': toggle(
    'KUBEWARDEN_IGNORE_KUBERNETES_CONNECTION_FAILURE',
    'Start although policies ask for Kubernetes resources; this release has no Kubernetes client: their lookups fail',
  ),
} as const;

const SUPPLY_CHAIN = {
  'sources-path': path('KUBEWARDEN_SOURCES_PATH', 'Registries: insecure hosts, extra CAs, proxies'),
  'verification-path': path('KUBEWARDEN_VERIFICATION_CONFIG_PATH', 'Signatures every policy must carry'),
  'sigstore-cache-dir': valued('KUBEWARDEN_SIGSTORE_CACHE_DIR', 'PATH', parseText, {
    fallback: 'sigstore-data',
    help: 'Cache of the Sigstore trust root',
  }),
  'sigstore-trust-config': path(
    'KUBEWARDEN_SIGSTORE_TRUST_CONFIG_PATH',
    'Sigstore trust root to use instead of the public one',
  ),
  'docker-config-json-path': path(
    'KUBEWARDEN_DOCKER_CONFIG_JSON_PATH',
    'Folder that holds config.json with the credentials of registries',
  ),
  'oci-cache-ttl': valued('PORTCULLIS_OCI_CACHE_TTL', 'SECONDS', parseInteger(0, 3600), {
    fallback: 60,
    help: 'How long policies are given what a registry said about a tag before it is asked again; 0 asks each time',
  }),
} as const;

type LogFormat = 'text' | 'json' | 'otlp';

const TELEMETRY = {
  'log-level': valued<LogLevel>('KUBEWARDEN_LOG_LEVEL', 'LEVEL', parseChoice(LOG_LEVELS), {
    fallback: 'info',
    help: 'Least severe log lines to write: trace, debug, info, warn, error',
  }),
  'log-fmt': valued<LogFormat>('KUBEWARDEN_LOG_FMT', 'FORMAT', parseChoice(['text', 'json', 'otlp']), {
    fallback: 'text',
    help: 'Format of log lines: text, json, otlp (text until traces are exported)',
  }),
  'log-no-color': toggle('NO_COLOR', 'Write no colours, even to a terminal', { parseEnv: parsePresence }),
  'print-policies': toggle(
    'PORTCULLIS_PRINT_POLICIES',
    'Print the table of policies at start; a terminal always gets it',
  ),
  'enable-metrics': toggle('KUBEWARDEN_ENABLE_METRICS', 'Push metrics by OTLP', {
    notServed: 'this release exports no metrics',
  }),
  'enable-pprof': toggle('KUBEWARDEN_ENABLE_PPROF', 'Serve profiles under /debug/pprof', {
    notServed: 'this release serves no profiles',
  }),
} as const;

const IN_FOREGROUND = 'this release stays in the foreground: let the service manager or the container detach it';

const DAEMON = {
  daemon: toggle('KUBEWARDEN_DAEMON', 'Detach from the terminal', { notServed: IN_FOREGROUND }),
  'daemon-pid-file': valued('KUBEWARDEN_DAEMON_PID_FILE', 'PATH', parseText, {
    fallback: 'policy-server.pid',
    help: 'Process id of the detached server',
    notServed: IN_FOREGROUND,
  }),
  'daemon-stdout-file': path('KUBEWARDEN_DAEMON_STDOUT_FILE', 'Standard output of the detached server', IN_FOREGROUND),
  'daemon-stderr-file': path('KUBEWARDEN_DAEMON_STDERR_FILE', 'Standard error of the detached server', IN_FOREGROUND),
} as const;

/** Every flag of the server with its variable, default, parser and help: the one place they are defined. */
export const FLAGS = { ...LISTENERS, ...POLICIES, ...SUPPLY_CHAIN, ...TELEMETRY, ...DAEMON } as const;

export type FlagName = keyof typeof FLAGS;

export type FlagValues = { readonly [N in FlagName]: (typeof FLAGS)[N] extends Flag<infer T> ? T : never };

export const FLAG_NAMES = Object.keys(FLAGS) as readonly FlagName[];

/** The row of a flag without its value type, for code that treats all flags alike. */
export function flagRow(name: FlagName): Flag<unknown> {
  return FLAGS[name] as Flag<unknown>;
}

/** `--port <PORT>` or `--daemon`: how messages and help name a flag. */
export function flagLabel(name: FlagName): string {
  const { placeholder } = flagRow(name);
  return placeholder === undefined ? `--${name}` : `--${name} <${placeholder}>`;
}
