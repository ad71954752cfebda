import { execFile, spawn, type ChildProcessByStdio } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { test } from 'tap';
import { freePort } from './api-server/process.ts';
import { registryTools, startRegistry } from './registry/registry.ts';
import { missingTool, toolFolder } from './tools/tools.ts';

const ROOT = join(import.meta.dirname, '../../..');
const run = promisify(execFile);

interface Line {
  readonly command: string;
  readonly output: string;
}

/** The console blocks of the README, each as lines: what is typed, and what is printed after it. */
async function readmeBlocks(): Promise<Line[][]> {
  const text = await readFile(join(ROOT, 'README.md'), 'utf8');
  return [...text.matchAll(/```console\n([\s\S]*?)```/g)].map(([, block = '']) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((part) => {
        const [command = '', ...output] = part.trimEnd().split('\n');
        return { command, output: output.join('\n') };
      }),
  );
}

/** Runs a line in a shell; the served port differs so that the test can run beside a running server. */
async function type(command: string, port: number): Promise<string> {
  const { stdout } = await run('bash', ['-c', command.replace(':3000', `:${port}`)], { cwd: ROOT, timeout: 60_000 });
  return stdout.trimEnd();
}

test('README: every line of the main job does what it says', async (t) => {
  const [[start, ...others] = []] = await readmeBlocks();
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

/** A shell that is typed into, line by line, as at a terminal. */
class Shell implements AsyncDisposable {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #ended: Promise<void>;
  #printed = '';

  constructor(env: NodeJS.ProcessEnv) {
    this.#process = spawn('bash', { cwd: ROOT, env, detached: true, stdio: ['pipe', 'pipe', 'inherit'] });
    this.#ended = new Promise((resolve) => void this.#process.once('close', () => resolve()));
    this.#process.stdout.on('data', (chunk: Buffer) => (this.#printed += chunk.toString()));
  }

  /** What the line prints to stdout. */
  async type(command: string): Promise<string> {
    const mark = `--- ${performance.now()} ---`;
    this.#printed = '';
    this.#process.stdin.write(`${command}\necho; echo '${mark}'\n`);
    const deadlineMs = Date.now() + 120_000;
    while (!this.#printed.includes(mark)) {
      if (Date.now() > deadlineMs) throw new Error(`no end of: ${command}\n${this.#printed}`);
      await sleep(20);
    }
    return this.#printed.slice(0, this.#printed.indexOf(mark)).trimEnd();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.stdin.end();
    if (this.#process.pid !== undefined) process.kill(-this.#process.pid, 'SIGTERM');
    await this.#ended;
  }
}

const anyDigest = (text: string): string => text.replaceAll(/sha256:[0-9a-f]{64}/g, 'sha256:<digest>');

test(
  'README: the tutorial, from a folder to a server, prints what it shows',
  { skip: await missingTool('cosign', ...registryTools({ referrers: true })) },
  async (t) => {
    const [, ...blocks] = await readmeBlocks();
    const caches = await mkdtemp(join(tmpdir(), 'tutorial-'));
    t.teardown(() => rm(caches, { recursive: true, force: true }));
    const folder = join(ROOT, 'tutorial');
    if (!existsSync(folder)) t.teardown(() => rm(folder, { recursive: true, force: true }));
    await using registry = await startRegistry({ referrers: true });
    const ports = { ':5000': `:${registry.host.split(':')[1]}`, 3001: await freePort(), 8082: await freePort() };
    const placed = (text: string): string =>
      Object.entries(ports).reduce((moved, [shown, used]) => moved.replaceAll(shown, String(used)), text);
    await using shell = new Shell({
      ...process.env,
      PATH: [await toolFolder('cosign'), process.env['PATH']].join(delimiter),
      // The user's own credentials, policies and verification config are none of the tutorial's business.
      DOCKER_CONFIG: caches,
      TUF_ROOT: join(caches, 'tuf'),
      XDG_CACHE_HOME: join(caches, 'cache'),
      XDG_CONFIG_HOME: join(caches, 'config'),
    });
    const lines = blocks.flat();
    t.ok(lines.length >= 20);
    for (const { command, output } of lines) {
      t.equal(anyDigest(await shell.type(placed(command))), anyDigest(placed(output)), command);
    }
  },
);
