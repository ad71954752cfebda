import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';
import type { Environment } from '../environment.ts';
import type { ClusterAccess } from './cluster-access.ts';

/** Looks like a certificate to whoever only looks. */
export const PEM = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
export const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** Surroundings of a command with this home folder. */
export function environment(home: string, env: Record<string, string> = {}): Environment {
  return {
    env: { PATH: process.env['PATH'], ...env },
    home,
    stdin: new ReadableStream(),
    write: () => {},
    writeError: () => {},
    terminal: { stdoutColumns: undefined, isStderrTerminal: false },
    now: () => new Date(0),
  };
}

interface KubeconfigParts {
  cluster?: string;
  user?: string;
}

/** A kubeconfig with one cluster and one user, whose members are given as YAML. */
export function kubeconfig(
  { cluster = 'server: https://c:6443', user = 'token: t' }: KubeconfigParts,
  name = 'x',
): string {
  return `apiVersion: v1
kind: Config
current-context: ${name}
clusters: [{name: ${name}, cluster: {${cluster}}}]
contexts: [{name: ${name}, context: {cluster: ${name}, user: ${name}}}]
users: [{name: ${name}, user: {${user}}}]
preferences: {}
`;
}

/** Where a server listens until the test ends. */
export async function listening(t: Test, server: Server): Promise<URL> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
}

/** Access to an API server that a test plays. */
export async function served(t: Test, listener: RequestListener): Promise<ClusterAccess> {
  const server = await listening(t, createHttpServer(listener));
  return { server, tls: { rejectUnauthorized: true }, headers: {}, proxyUrl: undefined };
}
