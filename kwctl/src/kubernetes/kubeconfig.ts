import { delimiter, dirname, isAbsolute, join, resolve } from 'node:path';
import type { Environment } from '../environment.ts';
import { KwctlError } from '../errors.ts';
import { readTextFile } from '../text-file.ts';
import { parseServerUrl, type ClusterAccess, type ClusterTls } from './cluster-access.ts';
import { execCredential } from './exec-credential.ts';
import { mergeKubeconfigs, parseKubeconfig, type Kubeconfig, type Located } from './kubeconfig-file.ts';

const MAX_FILE_BYTES = 4 * 2 ** 20;

/**
 * Access to the cluster of the current context, as every client of Kubernetes finds it: the files of `KUBECONFIG`, or
 * `~/.kube/config`.
 *
 * @throws KwctlError `cluster-unusable`
 */
export async function accessFromKubeconfig(environment: Environment): Promise<ClusterAccess> {
  const config = await readKubeconfigs(environment);
  const name = config.currentContext;
  if (name === undefined) throw unusable('there is no current-context in the kubeconfig');
  const context = config.contexts.get(name)?.value;
  if (context === undefined) throw unusable(`the kubeconfig has no context '${name}', which is its current one`);
  const cluster = config.clusters.get(context.cluster ?? '');
  if (cluster === undefined) throw unusable(`the kubeconfig has no cluster '${context.cluster ?? ''}'`);
  const user = context.user === undefined || context.user === '' ? undefined : config.users.get(context.user);
  if (user === undefined && (context.user ?? '') !== '') {
    throw unusable(`the kubeconfig has no user '${context.user ?? ''}'`);
  }
  return accessOf(cluster, user, environment);
}

type ClusterEntry = Kubeconfig['clusters'] extends ReadonlyMap<string, infer T> ? T : never;
type UserEntry = Kubeconfig['users'] extends ReadonlyMap<string, infer T> ? T : never;

async function readKubeconfigs({ env, home }: Environment): Promise<Kubeconfig> {
  const listed = (env['KUBECONFIG'] ?? '').split(delimiter).filter((path) => path !== '');
  const paths = listed.length > 0 ? listed : [join(home, '.kube', 'config')];
  const missing: string[] = [];
  const files: Kubeconfig[] = [];
  for (const path of paths) {
    const text = await readText(path, 'kubeconfig').catch((error: unknown) => {
      // A list may name files that are yet to be written.
      if (!isMissing(error)) throw error;
      missing.push(path);
      return undefined;
    });
    if (text !== undefined) files.push(parseKubeconfig(text, { path, folder: dirname(resolve(path)) }));
  }
  if (files.length === 0) throw unusable(`there is no kubeconfig at ${missing.map((path) => `'${path}'`).join(', ')}`);
  return mergeKubeconfigs(files);
}

async function accessOf(
  cluster: ClusterEntry,
  user: UserEntry | undefined,
  environment: Environment,
): Promise<ClusterAccess> {
  const { server: serverText = '', ...options } = cluster.value;
  const server = parseServerUrl(serverText);
  if (server === undefined) throw unusable(`the kubeconfig has no usable server URL: got '${serverText}'`);
  const ca = await pem(cluster, 'certificate-authority');
  const servername = options['tls-server-name'];
  const identity = user === undefined ? { tls: {}, headers: {} } : await identityOf(user, cluster, environment);
  return {
    server,
    tls: {
      ...(ca !== undefined && { ca }),
      ...(servername !== undefined && servername !== '' && { servername }),
      rejectUnauthorized: options['insecure-skip-tls-verify'] !== true,
      ...identity.tls,
    },
    headers: identity.headers,
    proxyUrl: options['proxy-url'],
  };
}

interface Identity {
  readonly tls: Pick<ClusterTls, 'cert' | 'key'>;
  readonly headers: ClusterAccess['headers'];
}

async function identityOf(user: UserEntry, cluster: ClusterEntry, environment: Environment): Promise<Identity> {
  const { value } = user;
  let [cert, key] = [await pem(user, 'client-certificate'), await pem(user, 'client-key')];
  let authorization = await authorizationOf(user);
  if (cert === undefined && authorization === undefined && value.exec !== undefined) {
    const exec = { value: value.exec, folder: user.folder };
    const credential = await execCredential(exec, clusterInfo(cluster), environment);
    ({ cert, key } = credential);
    authorization = credential.token === undefined ? undefined : `Bearer ${credential.token}`;
  } else if (cert === undefined && authorization === undefined && value['auth-provider'] !== undefined) {
    throw unusable("auth-provider of the kubeconfig is not supported: use a plugin of 'exec', as newer clients do");
  }
  if (cert !== undefined && key === undefined)
    throw unusable('the kubeconfig has a client-certificate, and no key to it');
  return {
    tls: { ...(cert !== undefined && { cert }), ...(key !== undefined && { key }) },
    headers: { ...(authorization !== undefined && { authorization }), ...impersonation(value) },
  };
}

async function authorizationOf({ value, folder }: UserEntry): Promise<string | undefined> {
  const { token, tokenFile, username, password = '' } = value;
  if (tokenFile !== undefined && tokenFile !== '') {
    return `Bearer ${(await readText(located(tokenFile, folder), 'tokenFile')).trim()}`;
  }
  if (token !== undefined && token !== '') return `Bearer ${token}`;
  if (username === undefined || username === '') return undefined;
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function impersonation(user: UserEntry['value']): ClusterAccess['headers'] {
  const groups = user['as-groups'] ?? [];
  return {
    ...(user.as !== undefined && { 'impersonate-user': user.as }),
    ...(user['as-uid'] !== undefined && { 'impersonate-uid': user['as-uid'] }),
    ...(groups.length > 0 && { 'impersonate-group': groups }),
  };
}

/** What a credential plugin may be told about the cluster. */
function clusterInfo({ value }: ClusterEntry): Readonly<Record<string, string | boolean>> {
  const ca = value['certificate-authority-data'];
  const servername = value['tls-server-name'];
  return {
    server: value.server ?? '',
    ...(ca !== undefined && { 'certificate-authority-data': ca }),
    ...(servername !== undefined && { 'tls-server-name': servername }),
    ...(value['insecure-skip-tls-verify'] === true && { 'insecure-skip-tls-verify': true }),
  };
}

/** The data in the kubeconfig wins over the file it names. */
async function pem<K extends string>(
  { value, folder }: Located<{ readonly [P in K | `${K}-data`]?: string | undefined }>,
  name: K,
): Promise<string | undefined> {
  const data = value[`${name}-data`] ?? '';
  if (data !== '') return decodedPem(data, name);
  const path = value[name] ?? '';
  return path === '' ? undefined : readText(located(path, folder), name);
}

function decodedPem(data: string, name: string): string {
  const text = Buffer.from(data, 'base64').toString('latin1');
  if (text.includes('-----BEGIN ')) return text;
  throw unusable(`${name}-data of the kubeconfig is not a PEM text in base64`);
}

function located(path: string, folder: string): string {
  return isAbsolute(path) ? path : join(folder, path);
}

function readText(path: string, what: string): Promise<string> {
  const describe = (reason: string): string => `cannot read ${what} '${path}': ${reason}`;
  return readTextFile(path, { maxBytes: MAX_FILE_BYTES, code: 'cluster-unusable', describe });
}

function isMissing(error: unknown): boolean {
  const cause = error instanceof KwctlError ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
}

function unusable(message: string): KwctlError {
  return new KwctlError('cluster-unusable', message);
}
