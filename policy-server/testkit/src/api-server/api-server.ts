import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toolFolder } from '../tools/tools.ts';
import { type KeyPair, createAuthority, createClientCertificate, createServerCertificate } from './certificates.ts';
import { type RunningProgram, freePort, startProgram, untilReady } from './process.ts';

export interface ApiAnswer {
  readonly status: number;
  readonly body: string;
}

/** A real kube-apiserver with its etcd, on loopback, as the admin sees it. */
export interface ApiServer {
  readonly url: string;
  readonly authority: KeyPair;
  readonly admin: KeyPair;
  /** One call with admin rights; `body` is sent as JSON text unchanged, so that numbers keep their spelling. */
  call(method: string, path: string, body?: string, contentType?: string): Promise<ApiAnswer>;
  close(): Promise<void>;
}

const READY_TIMEOUT_MS = 60_000;

/**
 * Starts etcd and kube-apiserver with certificates of their own. There is no controller manager: nothing acts on objects
 * but the API server itself.
 *
 * @throws ToolUnavailable when this machine cannot build them.
 */
export async function startApiServer(): Promise<ApiServer> {
  const etcdFolder = await toolFolder('etcd');
  const apiServerFolder = await toolFolder('kube-apiserver');
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-api-server-'));
  const programs: RunningProgram[] = [];
  const close = async (): Promise<void> => {
    for (const program of programs.toReversed()) await program.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const etcdPort = await startEtcd(join(etcdFolder, 'etcd'), folder, programs);
    const identity = await writeIdentity(folder);
    const port = await freePort();
    const program = startProgram(
      join(apiServerFolder, 'kube-apiserver'),
      apiServerFlags(port, etcdPort, folder),
      folder,
    );
    programs.push(program);
    const url = `https://127.0.0.1:${port}`;
    const call: ApiServer['call'] = (method, path, body, contentType) =>
      callApi({ url, identity }, method, path, { body, contentType: contentType ?? 'application/json' });
    await untilReady(program, async () => (await call('GET', '/readyz')).body === 'ok', READY_TIMEOUT_MS);
    return { url, ...identity, call, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function startEtcd(binary: string, folder: string, programs: RunningProgram[]): Promise<number> {
  const client = await freePort();
  const peer = `http://127.0.0.1:${await freePort()}`;
  const url = `http://127.0.0.1:${client}`;
  const flags = ['--data-dir', 'etcd', '--listen-client-urls', url, '--advertise-client-urls', url];
  flags.push('--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `default=${peer}`);
  const program = startProgram(binary, flags, folder);
  programs.push(program);
  await untilReady(program, async () => (await fetch(`${url}/health`)).ok, READY_TIMEOUT_MS);
  return client;
}

async function writeIdentity(folder: string): Promise<{ authority: KeyPair; admin: KeyPair }> {
  const authority = await createAuthority('portcullis-test-ca');
  const server = await createServerCertificate(authority, 'kube-apiserver');
  const admin = await createClientCertificate(authority, 'admin', 'system:masters');
  const account = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const files = { 'ca.crt': authority.cert, 'server.crt': server.cert, 'server.key': server.key };
  const accountFiles = { 'account.pub': account.publicKey, 'account.key': account.privateKey };
  for (const [name, content] of Object.entries({ ...files, ...accountFiles }))
    await writeFile(join(folder, name), content);
  return { authority, admin };
}

function apiServerFlags(port: number, etcdPort: number, folder: string): string[] {
  return Object.entries({
    'etcd-servers': `http://127.0.0.1:${etcdPort}`,
    'bind-address': '127.0.0.1',
    'advertise-address': '127.0.0.1',
    'secure-port': port,
    'endpoint-reconciler-type': 'none',
    'tls-cert-file': join(folder, 'server.crt'),
    'tls-private-key-file': join(folder, 'server.key'),
    'client-ca-file': join(folder, 'ca.crt'),
    'service-account-key-file': join(folder, 'account.pub'),
    'service-account-signing-key-file': join(folder, 'account.key'),
    'service-account-issuer': 'https://kubernetes.default.svc',
    'service-cluster-ip-range': '10.0.0.0/24',
    'allow-privileged': true,
    'authorization-mode': 'RBAC',
    'disable-admission-plugins': 'ServiceAccount',
    'cert-dir': join(folder, 'generated'),
  }).map(([flag, value]) => `--${flag}=${value}`);
}

interface Target {
  readonly url: string;
  readonly identity: { readonly authority: KeyPair; readonly admin: KeyPair };
}

function callApi(
  target: Target,
  method: string,
  path: string,
  content: { body: string | undefined; contentType: string },
): Promise<ApiAnswer> {
  return new Promise((resolve, reject) => {
    const { authority, admin } = target.identity;
    const headers = content.body === undefined ? {} : { 'content-type': content.contentType };
    const call = request(
      `${target.url}${path}`,
      { method, headers, ca: authority.cert, cert: admin.cert, key: admin.key },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
        answer.on('error', reject);
      },
    );
    call.on('error', reject);
    call.end(content.body);
  });
}
