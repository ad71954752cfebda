import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { freePort } from '@portcullis/testkit';
import { type ChildServer, startChildServer } from './child-server.ts';

export const CHECKOUT = join(import.meta.dirname, '../../..');
const READY_TIMEOUT_MS = 120_000;

export interface PortcullisOptions {
  /** Which checkout's server. @default this one */
  readonly checkout?: string;
  readonly modules: Readonly<Record<string, Uint8Array>>;
  /** As in policies.yml; `module` names a key of `modules`. */
  readonly policies: Readonly<Record<string, PolicyEntry>>;
  readonly workers?: number;
  readonly cacheDir?: string;
  readonly flags?: readonly string[];
}

export interface PolicyEntry {
  readonly module: string;
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly timeoutEvalSeconds?: number;
}

export interface Portcullis extends ChildServer {
  readonly port: number;
}

/** Our server as an operator would start it, quiet, on loopback. */
export async function startPortcullis(options: PortcullisOptions): Promise<Portcullis> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-bench-'));
  const removed = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    await writePolicies(folder, options);
    const [port, readinessPort] = [await freePort(), await freePort()];
    const flags = {
      addr: '127.0.0.1',
      port: String(port),
      'readiness-probe-port': String(readinessPort),
      policies: join(folder, 'policies.yml'),
      'log-level': 'error',
      ...(options.workers !== undefined && { workers: String(options.workers) }),
      ...(options.cacheDir !== undefined && { 'cache-dir': options.cacheDir }),
    };
    const binary = join(options.checkout ?? CHECKOUT, 'policy-server/server/bin/policy-server.js');
    const named = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
    const server = await startChildServer({
      program: process.execPath,
      args: [binary, ...named, ...(options.flags ?? [])],
      cwd: folder,
      readyUrl: `http://127.0.0.1:${readinessPort}/readiness`,
      readyTimeoutMs: READY_TIMEOUT_MS,
    });
    return {
      ...server,
      port,
      [Symbol.asyncDispose]: async () => {
        try {
          await server[Symbol.asyncDispose]();
        } finally {
          await removed();
        }
      },
    };
  } catch (error) {
    await removed();
    throw error;
  }
}

async function writePolicies(folder: string, { modules, policies, cacheDir }: PortcullisOptions): Promise<void> {
  const path = (module: string): string => join(folder, `${module}.wasm`);
  for (const [name, bytes] of Object.entries(modules)) await writeFile(path(name), bytes);
  const located = Object.entries(policies).map(([id, entry]) => {
    return [id, { ...entry, module: pathToFileURL(path(entry.module)).href }];
  });
  await writeFile(join(folder, 'policies.yml'), JSON.stringify(Object.fromEntries(located)));
  if (cacheDir !== undefined) await mkdir(cacheDir, { recursive: true });
}
