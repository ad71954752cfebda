import { execFile, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { test } from 'tap';
import { freePort } from './api-server/process.ts';

const ROOT = join(import.meta.dirname, '../../..');
const run = promisify(execFile);

interface Line {
  readonly command: string;
  readonly output: string;
}

/** The lines of the first console block: what is typed, and what is printed after it. */
async function readmeLines(): Promise<Line[]> {
  const text = await readFile(join(ROOT, 'README.md'), 'utf8');
  const block = /```console\n([\s\S]*?)```/.exec(text)?.[1] ?? '';
  return block
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const [command = '', ...output] = part.trimEnd().split('\n');
      return { command, output: output.join('\n') };
    });
}

/** Runs a line in a shell; the served port differs so that the test can run beside a running server. */
async function type(command: string, port: number): Promise<string> {
  const { stdout } = await run('bash', ['-c', command.replace(':3000', `:${port}`)], { cwd: ROOT, timeout: 60_000 });
  return stdout.trimEnd();
}

test('README: every line of the main job does what it says', async (t) => {
  const [start, ...others] = await readmeLines();
  if (start === undefined) throw new Error('the README shows no commands');
  t.ok(others.length >= 4);
  const [port, readinessPort] = [await freePort(), await freePort()];
  // Its own process group: Ctrl-C at a terminal reaches every process of the line.
  const server = spawn('bash', ['-c', `${start.command} --port ${port} --readiness-probe-port ${readinessPort}`], {
    cwd: ROOT,
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  server.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  const ended = new Promise<void>((resolve) => server.once('close', () => resolve()));
  try {
    const deadlineMs = Date.now() + 120_000;
    while (!printed.includes('Ctrl-C stops it') && Date.now() < deadlineMs) await sleep(100);
    t.match(printed, /^pod-privileged +protect +kubewarden-wapc +[0-9a-f]{12} +[\d.]+ kB +reset +yes$/m);
    t.match(printed, 'curl -s -H');
    for (const { command, output } of others) t.equal(await type(command, port), output, command);
  } finally {
    if (server.pid !== undefined) process.kill(-server.pid, 'SIGINT');
    await ended;
  }
  await t.rejects(fetch(`http://127.0.0.1:${port}/`), 'the server is gone');
});
