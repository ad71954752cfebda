import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { randomFrom } from '@portcullis/testkit';
import { test } from 'tap';
import { parseModuleLocation } from '../location.ts';
import { PolicyStore } from './store.ts';

const REFERENCE = 'ghcr.io/acme/policy:v1';
const LENGTH = 3_000_000;

/** Writes one policy over and over, each time of another byte, as fast as it can. */
const WRITER = `
import { parseModuleLocation } from ${JSON.stringify(join(import.meta.dirname, '../location.ts'))};
import { PolicyStore } from ${JSON.stringify(join(import.meta.dirname, 'store.ts'))};
const store = new PolicyStore(process.argv[1]);
for (let round = 0; ; round++) {
  const bytes = new Uint8Array(${LENGTH / 10}).fill(1 + (round % 250));
  await using draft = await store.create(parseModuleLocation(${JSON.stringify(REFERENCE)}), round % 2 === 0 ? {} : { digest: 'sha256:' + 'a'.repeat(64) });
  await draft.restart();
  for (let piece = 0; piece < 10; piece++) await draft.write(bytes);
  await draft.commit();
  if (round === 0) process.stdout.write('writing');
}
`;

function startWriter(root: string): ChildProcess {
  return spawn(process.execPath, ['--input-type=module', '-e', WRITER, root], { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

test('kill -9 at any moment loses nothing and never leaves half a policy', async (t) => {
  const random = randomFrom(5);
  const store = new PolicyStore(join(t.testdir(), 'store'));
  const path = store.pathOf(parseModuleLocation(REFERENCE));
  const drafts = join(store.root, '.policy-drafts');
  let interrupted = 0;
  for (let round = 0; round < 20; round++) {
    const child = startWriter(store.root);
    if (child.stdout === null) throw new Error('it has an output');
    await once(child.stdout, 'data');
    await sleep(random(60));
    await kill(child);
    const bytes = readFileSync(path);
    if (bytes.length !== LENGTH || !bytes.every((byte) => byte === bytes[0])) t.fail(`half a policy in round ${round}`);
    t.same(
      (await store.list()).map(({ uri }) => uri),
      [`registry://${REFERENCE}`],
    );
    if (existsSync(drafts) && readdirSync(drafts).length > 0) interrupted++;
  }
  t.ok(interrupted > 5, `${interrupted} were interrupted while they wrote`);
  {
    await using draft = await store.create(parseModuleLocation('ghcr.io/acme/other:v1'), {
      digest: `sha256:${'a'.repeat(64)}`,
    });
    t.ok(draft.path);
  }
  const left = existsSync(drafts) ? readdirSync(drafts) : [];
  t.same(
    left.filter((name) => name.startsWith('.policy.unnamed')),
    [],
    'drafts of the dead are cleared away',
  );
});

test('processes that write the same policy at the same time do not see each other', async (t) => {
  const store = new PolicyStore(join(t.testdir(), 'store'));
  const path = store.pathOf(parseModuleLocation(REFERENCE));
  const children = Array.from({ length: 3 }, () => startWriter(store.root));
  await Promise.all(children.map(async ({ stdout }) => stdout !== null && once(stdout, 'data')));
  for (let round = 0; round < 40; round++) {
    const bytes = readFileSync(path);
    if (bytes.length !== LENGTH || !bytes.every((byte) => byte === bytes[0])) t.fail(`half a policy in round ${round}`);
    await sleep(5);
  }
  t.same(
    children.map(({ exitCode }) => exitCode),
    [null, null, null],
    'all of them still write',
  );
  await Promise.all(children.map(kill));
  t.equal((await store.list()).length, 1);
});
