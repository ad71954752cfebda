import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KeyPair } from '../api-server/certificates.ts';
import { type RunningProgram, startProgram, untilReady } from '../api-server/process.ts';
import { toolFolder } from '../tools/tools.ts';
import { type BasicAuth, type RegistryTarget, callRegistry } from './registry-target.ts';

/**
 * Which program serves:
 * - `referrers`: cuelabs ociserver, in memory; correct `OCI-Subject` and artifactType filter; plain http only;
 * - `switches`: go-containerregistry; its referrers list gives the media type of the config as artifactType;
 * - `distribution`: the CNCF registry, what most people run; no referrers API.
 */
export type RegistryProgram = 'referrers' | 'switches' | 'distribution';

export interface RegistryOptions {
  /** Whether it has the referrers API of OCI distribution 1.1. */
  readonly referrers: boolean;
  /** Serving certificate, see `createServerCertificate`. */
  readonly tls?: KeyPair;
  /** PEM of the authority that signed it, kept in the answer's `authority`. */
  readonly authority?: string;
  readonly basicAuth?: BasicAuth;
  /** Folder for blobs; in memory otherwise. */
  readonly diskFolder?: string;
  /** Chosen by the other options when absent. */
  readonly program?: RegistryProgram;
}

/** A real registry on loopback. Disposal ends it and removes what it wrote. */
export interface TestRegistry extends RegistryTarget, AsyncDisposable {
  /** `127.0.0.1:PORT`, the first part of references. */
  readonly host: string;
  readonly program: RegistryProgram;
}

const READY_TIMEOUT_MS = 20_000;
const LISTENING = /listening on 127\.0\.0\.1:(\d+)/;

/**
 * Starts a real registry program on a port of its own and waits until it answers.
 *
 * @throws ToolUnavailable when this machine cannot build it; see `missingTool(...registryTools(options))`.
 */
export async function startRegistry(options: RegistryOptions): Promise<TestRegistry> {
  const program = programFor(options);
  const [tool] = registryTools(options);
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-registry-'));
  let running: RunningProgram | undefined;
  const dispose = async (): Promise<void> => {
    await running?.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const binary = join(await toolFolder(tool), program === 'distribution' ? 'registry' : tool);
    const { args, env } = await launchFor(program, options, folder);
    running = startProgram(binary, args, folder, env);
    const target = await untilListening(running, options);
    return { ...target, program, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** Tools that `startRegistry` needs with these options. */
export function registryTools(options: RegistryOptions): ['registry-referrers' | 'registry-switches' | 'distribution'] {
  const program = programFor(options);
  return [program === 'distribution' ? program : `registry-${program}`];
}

function programFor(options: RegistryOptions): RegistryProgram {
  const { tls, basicAuth, diskFolder, referrers } = options;
  const plain = tls === undefined && basicAuth === undefined && diskFolder === undefined;
  const program = options.program ?? (plain && referrers ? 'referrers' : 'switches');
  if (program === 'referrers' && !(plain && referrers))
    throw new Error('the referrers program serves plain http, without credentials, always with referrers');
  if (program === 'distribution' && (referrers || basicAuth !== undefined))
    throw new Error('the distribution program is started without referrers and without credentials');
  return program;
}

interface Launch {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

async function launchFor(program: RegistryProgram, options: RegistryOptions, folder: string): Promise<Launch> {
  if (program === 'referrers') return { args: ['127.0.0.1:0'], env: {} };
  const files = { cert: join(folder, 'server.crt'), key: join(folder, 'server.key') };
  if (options.tls !== undefined) {
    await writeFile(files.cert, options.tls.cert);
    await writeFile(files.key, options.tls.key, { mode: 0o600 });
  }
  return program === 'switches' ? switchesLaunch(options, files) : distributionLaunch(options, files, folder);
}

function switchesLaunch(options: RegistryOptions, files: KeyPair): Launch {
  const args = [`-referrers=${options.referrers}`];
  if (options.tls !== undefined) args.push('-cert', files.cert, '-key', files.key);
  if (options.basicAuth !== undefined) args.push('-user', options.basicAuth.user, '-pass', options.basicAuth.password);
  if (options.diskFolder !== undefined) args.push('-disk', options.diskFolder);
  return { args, env: {} };
}

async function distributionLaunch(options: RegistryOptions, files: KeyPair, folder: string): Promise<Launch> {
  const storage =
    options.diskFolder === undefined ? { inmemory: {} } : { filesystem: { rootdirectory: options.diskFolder } };
  const tls = options.tls === undefined ? {} : { tls: { certificate: files.cert, key: files.key } };
  const config = {
    version: 0.1,
    log: { level: 'info' },
    storage,
    http: { addr: '127.0.0.1:0', secret: 'test', ...tls },
  };
  const path = join(folder, 'config.yml');
  await writeFile(path, JSON.stringify(config));
  // Its traces would go to a collector that nobody runs.
  return { args: ['serve', path], env: { OTEL_TRACES_EXPORTER: 'none' } };
}

async function untilListening(
  running: RunningProgram,
  options: RegistryOptions,
): Promise<Omit<TestRegistry, 'program' | typeof Symbol.asyncDispose>> {
  let port: string | undefined;
  const scheme = options.tls === undefined ? 'http' : 'https';
  const target = (): RegistryTarget & { host: string } => ({
    host: `127.0.0.1:${port}`,
    url: `${scheme}://127.0.0.1:${port}`,
    authority: options.authority ?? options.tls?.cert,
    basicAuth: options.basicAuth,
  });
  const ready = async (): Promise<boolean> => {
    port ??= LISTENING.exec(running.output())?.[1];
    return port !== undefined && (await callRegistry(target(), 'GET', '/v2/')).status === 200;
  };
  await untilReady(running, ready, READY_TIMEOUT_MS);
  return target();
}
