import { join } from 'node:path';
import { messageOf } from '@portcullis/protocol';
import type { Environment } from '../environment.ts';
import { KwctlError } from '../errors.ts';
import { readTextFile } from '../text-file.ts';
import type { ClusterAccess } from './cluster-access.ts';
import { accessFromKubeconfig } from './kubeconfig.ts';

/** Where a pod finds the credentials of its service account. */
const SERVICE_ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';
const MAX_FILE_BYTES = 2 ** 20;

/**
 * Access to a cluster as the surroundings have it: a kubeconfig or, in a pod, its service account.
 *
 * @throws KwctlError `cluster-unusable` with both reasons
 */
export async function inferAccess(
  environment: Environment,
  serviceAccountFolder = SERVICE_ACCOUNT_FOLDER,
): Promise<ClusterAccess> {
  try {
    return await accessFromKubeconfig(environment);
  } catch (kubeconfig) {
    if (!(kubeconfig instanceof KwctlError)) throw kubeconfig;
    return accessOfPod(environment, serviceAccountFolder).catch((inCluster: unknown) => {
      throw new KwctlError(
        'cluster-unusable',
        `failed to infer config: in-cluster: (${messageOf(inCluster)}), kubeconfig: (${kubeconfig.message})`,
        { cause: kubeconfig },
      );
    });
  }
}

async function accessOfPod({ env }: Environment, folder: string): Promise<ClusterAccess> {
  const { KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port = '' } = env;
  const server = URL.parse(`https://${host.includes(':') ? `[${host}]` : host}:${port}`);
  if (host === '' || port === '' || server === null) {
    throw new KwctlError('cluster-unusable', 'KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set');
  }
  const token = (await read(join(folder, 'token'))).trim();
  const ca = await read(join(folder, 'ca.crt'));
  return {
    server,
    tls: { ca, rejectUnauthorized: true },
    headers: { authorization: `Bearer ${token}` },
    proxyUrl: undefined,
  };
}

function read(path: string): Promise<string> {
  const describe = (reason: string): string => `cannot read '${path}': ${reason}`;
  return readTextFile(path, { maxBytes: MAX_FILE_BYTES, code: 'cluster-unusable', describe });
}
