import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { test } from 'tap';
import type { Test } from 'tap';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const WORKSPACE = fileURLToPath(new URL('../../../', import.meta.url));

async function listenSomewhere(t: Test): Promise<{ port: number; close: () => Promise<unknown> }> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = () => new Promise((resolve) => void server.close(resolve));
  t.teardown(close);
  return { port: (server.address() as AddressInfo).port, close };
}

async function freePort(t: Test): Promise<number> {
  const { port, close } = await listenSomewhere(t);
  await close();
  return port;
}

/** Starts `pnpm start`'s program; `until` waits for a text in what it prints. */
function start(t: Test, args: readonly string[]) {
  const child = spawn(process.execPath, [MAIN, ...args], { cwd: WORKSPACE, stdio: ['ignore', 'pipe', 'pipe'] });
  t.teardown(() => child.kill('SIGKILL'));
  let output = '';
  const exit = once(child, 'close').then(([code]) => code as number | null);
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const until = async (text: string) => {
    while (!output.includes(text)) {
      const ended = await Promise.race([once(child.stdout, 'data').then(() => false), exit.then(() => true)]);
      if (ended && !output.includes(text)) throw new Error(`ended without ${JSON.stringify(text)}:\n${output}`);
    }
  };
  return { child, exit, until, output: () => output };
}

const patchOf = (patch: string | undefined) => JSON.parse(Buffer.from(patch ?? '', 'base64').toString()) as unknown;

interface Answer {
  readonly response: { allowed: boolean; status?: { message?: string }; patch?: string };
}

test('one command serves the example policies, says what to paste, and stops on Ctrl-C', async (t) => {
  const [port, readinessPort] = [await freePort(t), await freePort(t)];
  const run = start(t, ['--port', String(port), '--readiness-probe-port', String(readinessPort)]);
  await run.until('Ctrl-C stops it.');
  const table = run
    .output()
    .split('\n')
    .filter((line) => / (?:protect|monitor) .* yes$/.test(line));
  t.same(
    table.map((line) => line.split(/ {2,}/).slice(0, 2)),
    [
      ['pod-privileged', 'protect'],
      ['required-labels', 'protect'],
      ['trusted-registries', 'protect'],
      ['pinned-images', 'monitor'],
    ],
  );
  const pasted = /^ {2}curl -s -H 'Content-Type: application\/json' -d @(\S+) (\S+)$/m.exec(run.output());
  const [, sample = '', url = ''] = pasted ?? [];
  t.equal(url, `http://127.0.0.1:${port}/validate/pod-privileged`);
  const body = await readFile(`${WORKSPACE}/${sample}`);
  const ask = async (policy: string) => {
    const answer = await fetch(url.replace('pod-privileged', policy), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    return ((await answer.json()) as Answer).response;
  };
  t.match(await ask('pod-privileged'), {
    allowed: false,
    status: { message: 'privileged containers are not allowed: container "nginx"' },
  });
  const labelled = await ask('required-labels');
  t.same(patchOf(labelled.patch), [{ op: 'add', path: '/metadata/labels/team', value: 'team-unknown' }]);
  t.match(await ask('trusted-registries'), { allowed: true });
  t.match(await ask('pinned-images'), { allowed: true }, 'monitor mode lets through');
  t.equal((await fetch(`http://127.0.0.1:${readinessPort}/readiness`)).status, 200);
  run.child.kill('SIGINT');
  run.child.kill('SIGINT');
  t.equal(await run.exit, 0);
  await t.rejects(fetch(url), 'the server is gone');
});

test('a busy port and a mistyped flag are plain texts', async (t) => {
  const { port } = await listenSomewhere(t);
  const busy = start(t, ['--port', String(port)]);
  t.equal(await busy.exit, 1);
  t.equal(
    busy.output(),
    `Error: port ${port} of 127.0.0.1 is in use - stop what listens there, or choose another: pnpm start --port <port>\n`,
  );
  for (const args of [
    ['--port', 'x'],
    ['--prot', '1'],
  ]) {
    const wrong = start(t, args);
    t.equal(await wrong.exit, 1);
    t.match(wrong.output(), /^Error: .*\nUsage: pnpm start \[--port <port>\] \[--readiness-probe-port <port>\]\n$/);
  }
});
