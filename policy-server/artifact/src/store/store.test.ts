import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { parseModuleLocation } from '../location.ts';
import { ownedName } from './draft-name.ts';
import { PolicyStore } from './store.ts';
import { put, tree } from './test/store-files.ts';

test('the list is sorted, and has every regular file below a scheme and nothing else', async (t) => {
  const root = t.testdir();
  put(root, 'registry/ghcr.io/z/p:v1', 'zz');
  put(root, 'registry/ghcr.io/a/p:v1', 'a');
  put(root, 'https/example.com/x/p.wasm', 'h');
  put(root, 'http/example.com/p.wasm', 'h');
  put(root, 'registry/ghcr.io/a/p:latest@sha256:00:latest', 'odd');
  put(root, 'file/etc/passwd');
  put(root, '.policy-drafts/.policy.unnamed.x.part');
  put(root, `registry/ghcr.io/a/${ownedName(undefined)}`);
  symlinkSync('/etc/passwd', join(root, 'registry/ghcr.io/a/link:v1'));
  mkdirSync(join(root, 'registry/ghcr.io/empty'));
  const listed = await new PolicyStore(root).list();
  t.same(
    listed.map(({ uri, sizeBytes }) => [uri, sizeBytes]),
    [
      ['http://example.com/p.wasm', 1],
      ['https://example.com/x/p.wasm', 1],
      ['registry://ghcr.io/a/p:latest@sha256:00:latest', 3],
      ['registry://ghcr.io/a/p:v1', 1],
      ['registry://ghcr.io/z/p:v1', 2],
    ],
  );
  t.same(listed[3]?.location, parseModuleLocation('ghcr.io/a/p:v1'));
  t.equal(listed[2]?.location.scheme, 'file', 'a name that no location has is still a file that can be used');
  t.same(await new PolicyStore(join(root, 'none')).list(), [], 'a store that is not there is empty');
});

test('policies are found by location and by the beginning of their SHA-256', async (t) => {
  const root = t.testdir();
  const store = new PolicyStore(root);
  put(root, 'registry/ghcr.io/a/p:v1', 'one');
  put(root, 'https/example.com/p.wasm', 'two');
  const sha256 = createHash('sha256').update('one').digest('hex');
  const found = await store.find(parseModuleLocation('ghcr.io/a/p:v1'));
  t.equal(found?.path, join(root, 'registry/ghcr.io/a/p:v1'));
  t.equal(
    (await store.find(parseModuleLocation('https://u:p@example.com/p.wasm?a=1')))?.uri,
    'https://example.com/p.wasm',
  );
  t.equal(await store.find(parseModuleLocation('ghcr.io/a/p:v2')), undefined);
  t.equal(await store.find(parseModuleLocation('ghcr.io/a/p:v1/x:v1'.replace(':v1/', '/'))), undefined);
  t.equal(await store.find(parseModuleLocation('https://example.com/p.wasm/below')), undefined, 'a file is no folder');
  for (const length of [1, 12, 64]) {
    t.ok(
      (await store.findBySha256Prefix(sha256.slice(0, length))).some(({ uri }) => uri === 'registry://ghcr.io/a/p:v1'),
    );
  }
  put(root, 'registry/ghcr.io/b/p:v1', 'one');
  t.equal((await store.findBySha256Prefix(sha256)).length, 2);
  t.same(await store.findBySha256Prefix(sha256.toUpperCase()), []);
  t.same(await store.findBySha256Prefix(''), [], 'FIX: the empty text begins nothing');
});

test('removing takes the empty folders along, and nothing else', async (t) => {
  const root = t.testdir();
  const store = new PolicyStore(root);
  put(root, 'registry/ghcr.io/a/deep/p:v1');
  put(root, 'registry/ghcr.io/a/q:v1');
  t.equal(await store.remove(parseModuleLocation('ghcr.io/a/deep/p:v1')), true);
  t.same(tree(root), ['registry', 'registry/ghcr.io', 'registry/ghcr.io/a', 'registry/ghcr.io/a/q:v1']);
  t.equal(await store.remove(parseModuleLocation('ghcr.io/a/deep/p:v1')), false);
  t.equal(await store.remove(parseModuleLocation('https://h/a')), false);
  const [odd] = await store.list();
  t.ok(odd !== undefined && (await store.removeStored(odd)));
  t.same(tree(root), [], 'up to the root, which stays');
  t.ok(existsSync(root));
  await t.rejects(store.remove({ scheme: 'file', path: '/x' }), { message: /^unknown scheme: file/ });
});

test('many who create, commit and remove in the same folder do not take it from each other', async (t) => {
  const store = new PolicyStore(join(t.testdir(), 'store'));
  const work = async (name: string): Promise<void> => {
    const location = parseModuleLocation(`ghcr.io/same/folder/${name}:v1`);
    for (let round = 0; round < 15; round++) {
      await using draft = await store.create(location);
      await draft.write(Buffer.from('\0asm'));
      await draft.commit();
      if (!(await store.remove(location))) throw new Error('it is gone');
    }
  };
  await t.resolves(Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map(work)));
  t.same(tree(store.root), []);
});

test('what cannot be written says why, where, and what to do', async (t) => {
  const root = t.testdir({ registry: { 'ghcr.io': 'a file' } });
  const blocked = new PolicyStore(root);
  await t.rejects(
    (async () => {
      await using draft = await blocked.create(parseModuleLocation('ghcr.io/a/p:v1'));
      await draft.commit();
    })(),
    {
      code: 'store-unusable',
      message: new RegExp(`^wasm module cannot be save to "${root}/registry/ghcr.io/a/p:v1": .* – a file has the name`),
    },
  );
  t.same(tree(root), ['registry', 'registry/ghcr.io']);
  // Nobody can make folders there, not even root.
  await t.rejects(new PolicyStore('/proc/none').create(parseModuleLocation('ghcr.io/a/p:v1')), {
    code: 'store-unusable',
    message:
      /^wasm module cannot be save to "\/proc\/none\/registry\/ghcr\.io\/a\/p:v1": No such file or directory \(os error 2\)/,
  });
  const file = join(t.testdir({ store: 'a file' }), 'store');
  t.same(await new PolicyStore(file).list(), []);
});

test('a folder that may only be read serves what it has, and says why it takes nothing', async (t) => {
  const root = t.testdir();
  put(root, 'registry/ghcr.io/a/p:v1');
  // Root may write everywhere: somebody else tries.
  const script = `
    const { PolicyStore } = await import(${JSON.stringify(join(import.meta.dirname, 'store.ts'))});
    const { parseModuleLocation } = await import(${JSON.stringify(join(import.meta.dirname, '../location.ts'))});
    if (process.getuid() === 0) process.setuid(65534);
    const store = new PolicyStore(${JSON.stringify(root)});
    const location = parseModuleLocation('ghcr.io/a/p:v2');
    const error = await store.create(location).then(() => undefined, (problem) => problem);
    process.stdout.write(JSON.stringify([(await store.list()).length, error?.code, error?.message]));`;
  chmodSync(root, 0o555);
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  chmodSync(root, 0o755);
  t.same(JSON.parse(said), [
    1,
    'store-unusable',
    `wasm module cannot be save to ${JSON.stringify(join(root, 'registry/ghcr.io/a/p:v2'))}: Permission denied (os error 13) – check the permissions of the folder, or choose another`,
  ]);
});
