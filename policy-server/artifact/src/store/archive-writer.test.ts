import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { test } from 'tap';
import { loadArchive } from './archive-reader.ts';
import { saveArchive } from './archive-writer.ts';
import { PolicyStore } from './store.ts';
import { filesBelow, put } from './test/store-files.ts';

const WASM = Buffer.from('\0asm\x01\0\0\0 and some more', 'latin1');
const NAME = 'registry/ghcr.io/a/p:v1';

test('an archive has one regular file for each policy, as it is in the store', async (t) => {
  const folder = t.testdir();
  const store = new PolicyStore(join(folder, 'store'));
  const long = `registry/ghcr.io/${'long-name/'.repeat(12)}policy-${'x'.repeat(90)}:v1.2.3`;
  const names = [long, NAME, 'https/example.com:8443/x/p.wasm', `registry/ghcr.io/a/p@sha256:${'a'.repeat(64)}`];
  for (const [index, name] of names.entries()) {
    const file = put(store.root, name, Buffer.concat([WASM, Buffer.alloc(index * 700)]));
    chmodSync(file, 0o640);
    utimesSync(file, 1_700_000_000, 1_700_000_000 + index);
  }
  const path = join(folder, 'policies.tar.gz');
  const listed = await store.list();
  await saveArchive(path, [...listed].reverse());
  const first = readFileSync(path);
  await saveArchive(path, [...listed, ...listed]);
  t.ok(
    readFileSync(path).equals(first),
    'the same policies make the same archive, in whatever order and however often',
  );

  // What other programs see, GNU tar in this case.
  const lines = execFileSync('tar', ['tzvf', path, '--numeric-owner', '--full-time', '--quoting-style=literal'], {
    encoding: 'utf8',
    env: { ...process.env, TZ: 'UTC' },
  })
    .trim()
    .split('\n');
  t.equal(lines.length, names.length, 'no folders');
  const line = lines.find((text) => text.endsWith(` ${NAME}`)) ?? '';
  t.match(line, new RegExp(`^-rw-r----- ${process.getuid?.()}/${process.getgid?.()} +\\d+ 2023-11-14 22:13:2\\d`));
  const unpacked = join(folder, 'unpacked');
  mkdirSync(unpacked);
  execFileSync('tar', ['xzf', path, '-C', unpacked]);
  t.same(filesBelow(unpacked), filesBelow(store.root));

  const copy = new PolicyStore(join(folder, 'copy'));
  t.same(
    await loadArchive(path, copy),
    listed.map(({ uri }) => uri),
  );
  t.same(filesBelow(copy.root), filesBelow(store.root));
  for (const name of names)
    t.ok(readFileSync(join(copy.root, name)).equals(readFileSync(join(store.root, name))), name);
  await saveArchive(path, await copy.list());
  t.ok(gunzipSync(readFileSync(path)).length === gunzipSync(first).length);
});

test('an archive that cannot be written leaves none, and what was there as it was', async (t) => {
  const folder = t.testdir({ 'old.tar.gz': 'old' });
  const store = new PolicyStore(join(folder, 'store'));
  const file = put(store.root, NAME, WASM);
  const [policy] = await store.list();
  if (policy === undefined) throw new Error('there is one');
  const old = join(folder, 'old.tar.gz');
  await t.rejects(saveArchive(old, [policy, { ...policy, uri: 'registry://x/y:v1', path: `${file}-gone` }]), {
    code: 'store-unusable',
    message: new RegExp(`^cannot create file ${old}: `),
  });
  t.equal(readFileSync(old, 'utf8'), 'old');
  await t.rejects(saveArchive(join(folder, 'none/x.tar.gz'), [policy]), {
    message: `cannot create file ${join(folder, 'none/x.tar.gz')}: No such file or directory (os error 2)`,
  });
  await t.rejects(saveArchive('/dev/full', [policy]), {
    message: /^cannot create file \/dev\/full: No space left on device \(os error 28\)/,
  });
  t.same(readdirSync(folder).sort(), ['old.tar.gz', 'store'], 'no drafts');
});
