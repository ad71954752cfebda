import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type RunningProgram, freePort, startProgram, untilReady } from '../api-server/process.ts';

const MAIN = join(import.meta.dirname, '../../../server/bin/policy-server.js');
const READY_TIMEOUT_MS = 60_000;

export interface PolicyServerOptions {
  /** Content of policies.yml; `module` may name a key of `modules`. */
  readonly policies: Readonly<Record<string, Record<string, unknown>>>;
  readonly modules: Readonly<Record<string, Uint8Array>>;
  readonly flags?: readonly string[];
  /** `https` when the flags configure a certificate. */
  readonly scheme?: 'http' | 'https';
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** The real binary, serving on loopback. */
export interface RunningPolicyServer {
  readonly url: string;
  readonly readinessUrl: string;
  readonly folder: string;
  readonly program: RunningProgram;
  post(path: string, body: Uint8Array | string): Promise<HttpAnswer>;
  stop(): Promise<void>;
}

/** Starts `policy-server` as an operator would and waits until it says that it is ready. */
export async function startPolicyServer(options: PolicyServerOptions): Promise<RunningPolicyServer> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-server-'));
  for (const [name, bytes] of Object.entries(options.modules)) await writeFile(join(folder, `${name}.wasm`), bytes);
  await writeFile(join(folder, 'policies.yml'), JSON.stringify(withModuleUrls(options.policies, folder)));
  const [port, readinessPort] = [await freePort(), await freePort()];
  const flags = ['--addr', '127.0.0.1', '--port', String(port), '--readiness-probe-port', String(readinessPort)];
  flags.push(
    '--policies',
    join(folder, 'policies.yml'),
    '--ignore-kubernetes-connection-failure',
    ...(options.flags ?? []),
  );
  const program = startProgram(process.execPath, [MAIN, ...flags], folder);
  const readinessUrl = `http://127.0.0.1:${readinessPort}/readiness`;
  const stop = async (): Promise<void> => {
    await program.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await untilReady(program, async () => (await fetch(readinessUrl)).ok, READY_TIMEOUT_MS);
  } catch (error) {
    await stop();
    throw error;
  }
  const url = `${options.scheme ?? 'http'}://127.0.0.1:${port}`;
  return { url, readinessUrl, folder, program, stop, post: (path, body) => post(`${url}${path}`, body) };
}

async function post(url: string, body: Uint8Array | string): Promise<HttpAnswer> {
  const content = typeof body === 'string' ? body : Buffer.from(body);
  const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: content });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

function withModuleUrls(policies: PolicyServerOptions['policies'], folder: string): object {
  const url = (module: unknown): string => pathToFileURL(join(folder, `${String(module)}.wasm`)).href;
  const located = (policy: Record<string, unknown>): Record<string, unknown> => {
    const members = policy['policies'] as Record<string, Record<string, unknown>> | undefined;
    if (members === undefined) return { ...policy, module: url(policy['module']) };
    return {
      ...policy,
      policies: Object.fromEntries(Object.entries(members).map(([name, member]) => [name, located(member)])),
    };
  };
  return Object.fromEntries(Object.entries(policies).map(([name, policy]) => [name, located(policy)]));
}
