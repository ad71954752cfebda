import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { guestModule } from '@portcullis/testkit';
import { parseCommandLine } from '../config/command-line.ts';
import { loadConfig } from '../config/config.ts';
import { ServerError } from '../errors.ts';
import { formatUrl, startServer, type RunningServer, type ServerParts } from '../server.ts';
import { memoryLog, type MemoryLog } from '../telemetry/memory-log.ts';

export const folder = await mkdtemp(join(tmpdir(), 'server-'));

export async function moduleFile(name: string, bytes: Uint8Array): Promise<string> {
  await writeFile(join(folder, name), bytes);
  return pathToFileURL(join(folder, name)).href;
}

export const rust = await moduleFile('rust.wasm', await guestModule('wapc-rust'));

const POD = { kind: 'Pod', metadata: { labels: {} }, spec: { token: 'hunter2' } };

export function review(change: Record<string, unknown> = {}): string {
  const kind = { group: '', version: 'v1', kind: 'Pod' };
  const resource = { group: '', version: 'v1', resource: 'pods' };
  const request = { uid: 'u-1', kind, resource, operation: 'CREATE', userInfo: {}, namespace: 'default', object: POD };
  return JSON.stringify({ request: { ...request, ...change } });
}

interface Started extends AsyncDisposable {
  readonly server: RunningServer;
  readonly log: MemoryLog;
  readonly url: string;
  post(path: string, body?: string): Promise<{ status: number; headers: Headers; text: string }>;
  verdict(path: string, body?: string): Promise<{ allowed: boolean; status?: { message?: string; code?: number } }>;
}

/** What a test puts in place of what a process has. */
export type StartOptions = Omit<ServerParts, 'log'> & { readonly env?: Readonly<Record<string, string>> };

export async function start(
  policies: Record<string, unknown>,
  flags: readonly string[] = [],
  { env = {}, ...parts }: StartOptions = {},
): Promise<Started> {
  const path = join(folder, `policies-${performance.now()}.yml`);
  await writeFile(path, JSON.stringify(policies));
  const listen = ['--addr=127.0.0.1', '--port=0', '--readiness-probe-port=0', `--policies=${path}`];
  const command = parseCommandLine([...listen, ...flags], env);
  if (command.kind !== 'serve') throw new Error('expected to serve');
  const options = { cpus: 2, env, home: folder };
  const log = memoryLog();
  const server = await startServer(await loadConfig(command.flags, command.given, options), { ...parts, log });
  const url = formatUrl(server.scheme, server.apiAddress);
  const post: Started['post'] = async (target, body = review()) => {
    const answer = await fetch(url + target, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    return { status: answer.status, headers: answer.headers, text: await answer.text() };
  };
  return {
    server,
    log,
    url,
    post,
    verdict: async (target, body) => JSON.parse((await post(target, body)).text).response,
    [Symbol.asyncDispose]: () => server.close(),
  };
}

export async function startFailure(
  policies: Record<string, unknown>,
  flags: readonly string[] = [],
  options: StartOptions = {},
): Promise<ServerError> {
  const error: unknown = await start(policies, flags, options).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof ServerError) return error;
  throw new Error(`expected a ServerError, got ${String(error)}`);
}
