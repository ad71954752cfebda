import { parseYaml, YamlError, type YamlPath } from '@portcullis/artifact';
import {
  any,
  boolean,
  JsonError,
  list,
  messageOf,
  optional,
  readWithPaths,
  string,
  stringifyJson,
  struct,
} from '@portcullis/protocol';
import { KwctlError } from '../errors.ts';

const cluster = struct('struct Cluster', {
  server: optional(string),
  'certificate-authority': optional(string),
  'certificate-authority-data': optional(string),
  'insecure-skip-tls-verify': optional(boolean),
  'tls-server-name': optional(string),
  'proxy-url': optional(string),
});

const exec = struct('struct ExecConfig', {
  apiVersion: optional(string),
  command: optional(string),
  args: optional(list(string)),
  env: optional(list(struct('struct ExecEnvVar', { name: optional(string), value: optional(string) }))),
  interactiveMode: optional(string),
  installHint: optional(string),
  provideClusterInfo: optional(boolean),
});

const user = struct('struct AuthInfo', {
  'client-certificate': optional(string),
  'client-certificate-data': optional(string),
  'client-key': optional(string),
  'client-key-data': optional(string),
  token: optional(string),
  tokenFile: optional(string),
  username: optional(string),
  password: optional(string),
  as: optional(string),
  'as-uid': optional(string),
  'as-groups': optional(list(string)),
  exec: optional(exec),
  'auth-provider': optional(any),
});

const context = struct('struct Context', { cluster: optional(string), user: optional(string) });

const kubeconfig = struct('struct Kubeconfig', {
  'current-context': optional(string),
  clusters: optional(list(struct('struct NamedCluster', { name: optional(string), cluster: optional(cluster) }))),
  contexts: optional(list(struct('struct NamedContext', { name: optional(string), context: optional(context) }))),
  users: optional(list(struct('struct NamedAuthInfo', { name: optional(string), user: optional(user) }))),
});

type Cluster = ReturnType<typeof cluster.read>;
type User = ReturnType<typeof user.read>;
type Context = ReturnType<typeof context.read>;
export type ExecConfig = ReturnType<typeof exec.read>;

/** An entry and the folder its relative paths begin at. */
export interface Located<T> {
  readonly value: T;
  readonly folder: string;
}

/** Several kubeconfig files as one. */
export interface Kubeconfig {
  readonly currentContext: string | undefined;
  readonly clusters: ReadonlyMap<string, Located<Cluster>>;
  readonly contexts: ReadonlyMap<string, Located<Context>>;
  readonly users: ReadonlyMap<string, Located<User>>;
}

/** Of entries with the same name, the first one counts; so does the first current context. */
export function mergeKubeconfigs(files: readonly Kubeconfig[]): Kubeconfig {
  const all = files.toReversed();
  return {
    currentContext: files.find((file) => file.currentContext !== undefined)?.currentContext,
    clusters: new Map(all.flatMap((file) => [...file.clusters])),
    contexts: new Map(all.flatMap((file) => [...file.contexts])),
    users: new Map(all.flatMap((file) => [...file.users])),
  };
}

/**
 * Reads the text of one kubeconfig file.
 *
 * @param place - the file, for messages, and the folder it is in
 * @throws KwctlError `cluster-unusable`
 */
export function parseKubeconfig(text: string, { path, folder }: { path: string; folder: string }): Kubeconfig {
  try {
    const { value } = parseYaml(text, { duplicateKeys: 'last-wins', textAt });
    const file = readWithPaths(kubeconfig, stringifyJson(value ?? new Map()));
    const current = file['current-context'];
    return {
      currentContext: current === '' ? undefined : current,
      clusters: named(file.clusters, (entry) => entry.cluster, folder),
      contexts: named(file.contexts, (entry) => entry.context, folder),
      users: named(file.users, (entry) => entry.user, folder),
    };
  } catch (error) {
    if (!(error instanceof YamlError) && !(error instanceof JsonError)) throw error;
    const reason = error instanceof JsonError ? `${error.path}: ${error.detail}` : messageOf(error);
    throw new KwctlError('cluster-unusable', `cannot parse kubeconfig '${path}': ${reason}`, { cause: error });
  }
}

const BOOLEANS = new Set<string | number>(['insecure-skip-tls-verify', 'provideClusterInfo']);

/** A token of digits is a text, as the typed readers of other clients take it. */
function textAt(path: YamlPath): 'unless-null' | 'never' {
  return BOOLEANS.has(path.at(-1) ?? '') ? 'never' : 'unless-null';
}

function named<E extends { name?: string | undefined }, T>(
  entries: readonly E[] = [],
  valueOf: (entry: E) => T | undefined,
  folder: string,
): Map<string, Located<T>> {
  const found = new Map<string, Located<T>>();
  for (const entry of entries) {
    const value = valueOf(entry);
    const { name } = entry;
    if (name !== undefined && value !== undefined && !found.has(name)) found.set(name, { value, folder });
  }
  return found;
}
