import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { folder } from './test-server.ts';

const MAIN = join(import.meta.dirname, '../../bin/policy-server.js');
const STEP_MS = 20;

export interface ServerProcess extends AsyncDisposable {
  readonly output: { stdout: string; stderr: string };
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  /** Waits for a condition, in vain when the process ends. */
  until(condition: () => boolean | Promise<boolean>, what: string): Promise<void>;
  /** Waits until it serves; answers the URL of the admission API. */
  ready(): Promise<string>;
  kill(signal: NodeJS.Signals): void;
  /** Most memory that was resident at any time. */
  peakBytes(): Promise<number>;
}

export interface ProcessOptions {
  readonly flags?: readonly string[];
  /** All of its environment besides PATH. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** A program before the server's, such as one that changes the user. */
  readonly prefix?: readonly string[];
}

/** The real program as an operator starts it, on ports of its own. */
export function startProcess({ flags = [], env = {}, cwd = folder, prefix = [] }: ProcessOptions): ServerProcess {
  const ports = { KUBEWARDEN_BIND_ADDRESS: '127.0.0.1', KUBEWARDEN_PORT: '0', KUBEWARDEN_READINESS_PROBE_PORT: '0' };
  // What the test runner adds to Node's options writes into folders that the process may not.
  const args = ['-u', 'NODE_OPTIONS', ...prefix, process.execPath, MAIN, ...flags];
  const path = { PATH: process.env['PATH'] ?? '', XDG_CACHE_HOME: join(folder, 'cache') };
  const child = spawn('env', args, { cwd, env: { ...path, ...ports, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (output.stdout += String(chunk)));
  child.stderr.on('data', (chunk) => (output.stderr += String(chunk)));
  let isOver = false;
  const ended = once(child, 'close').then(([code, signal]: (number | string | null)[]) => {
    isOver = true;
    return { code: code as number | null, signal: signal as string | null };
  });
  const until: ServerProcess['until'] = async (condition, what) => {
    for (let waitedMs = 0; !(await condition()); waitedMs += STEP_MS) {
      if (isOver || waitedMs > 30_000) throw new Error(`no ${what}:\n${output.stdout}\n${output.stderr}`);
      await sleep(STEP_MS);
    }
  };
  return {
    output,
    ended,
    until,
    kill: (signal) => void child.kill(signal),
    async ready() {
      await until(() => output.stdout.includes('readiness probe is listening'), 'readiness');
      return /admission API is listening url="([^"]+)"/.exec(output.stdout)?.[1] ?? '';
    },
    async peakBytes() {
      const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
      return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
    },
    async [Symbol.asyncDispose]() {
      if (!isOver) child.kill('SIGKILL');
      await ended;
    },
  };
}

let files = 0;

/** Writes a document into a file of its own. */
export async function documentFile(content: object): Promise<string> {
  const path = join(folder, `document-${files++}.json`);
  await writeFile(path, JSON.stringify(content));
  return path;
}
