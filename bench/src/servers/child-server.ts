import { type ChildProcess, spawn } from 'node:child_process';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BenchError } from '../bench.ts';

const STOP_TIMEOUT_MS = 10_000;
const POLL_MS = 10;
const MAX_OUTPUT_CHARS = 8192;

export interface ChildServerOptions {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** Answers 200 once the server serves. */
  readonly readyUrl: string;
  readonly readyTimeoutMs: number;
}

/** A server on loopback that we started and that we, and only we, end. */
export interface ChildServer extends AsyncDisposable {
  readonly pid: number;
  /** From the start of the process to the first answer with 200. */
  readonly readyMs: number;
  output(): string;
}

/** @throws when it ends, or is not ready in time; with the end of what it printed */
export async function startChildServer(options: ChildServerOptions): Promise<ChildServer> {
  const startedMs = performance.now();
  const child = spawn(options.program, options.args, { cwd: options.cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let tail = '';
  const keep = (chunk: Buffer): void => void (tail = (tail + chunk.toString()).slice(-MAX_OUTPUT_CHARS));
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  child.once('error', (error) => keep(Buffer.from(error.message)));
  const output = (): string => tail;
  while (!(await answers(options.readyUrl))) {
    const elapsedMs = performance.now() - startedMs;
    if (child.exitCode === null && child.pid !== undefined && elapsedMs < options.readyTimeoutMs) await sleep(POLL_MS);
    else {
      await end(child, output).catch(() => {});
      throw new BenchError(
        `${basename(options.args[0] ?? options.program)} was not ready after ${elapsedMs.toFixed(0)} ms:\n${tail}`,
      );
    }
  }
  return {
    pid: child.pid ?? 0,
    readyMs: performance.now() - startedMs,
    output,
    [Symbol.asyncDispose]: () => end(child, output),
  };
}

async function answers(url: string): Promise<boolean> {
  try {
    const answer = await fetch(url);
    await answer.arrayBuffer();
    return answer.ok;
  } catch {
    return false;
  }
}

/** @throws when it had ended by itself: whatever was measured then is worthless */
async function end(child: ChildProcess, output: () => string): Promise<void> {
  if (child.pid === undefined) return;
  if (child.exitCode !== null || child.signalCode !== null)
    throw new BenchError(
      `a server ended by itself (${child.signalCode ?? `exit code ${child.exitCode}`}):\n${output()}`,
    );
  const ended = new Promise((resolve) => child.once('close', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(timer);
}
