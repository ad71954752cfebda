import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { randomFrom } from '@portcullis/testkit';
import { test } from 'tap';
import { ArtifactError } from '../errors.ts';
import { parseModuleLocation, type ModuleLocation } from '../location.ts';
import { newOwner } from './draft-owner.ts';
import { ownedName, releasedName } from './draft-name.ts';
import { locationAt, storePathOf } from './store-path.ts';
import { PolicyStore } from './store.ts';

const HEX = 'a'.repeat(64);
const DIGEST = `sha256:${HEX}`;

function put(root: string, path: string, content: string | Uint8Array = '\0asm'): string {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  return file;
}

/** Every file and folder below a folder, sorted. */
function tree(root: string): string[] {
  return existsSync(root) ? readdirSync(root, { recursive: true, encoding: 'utf8' }).sort() : [];
}

test('store paths are those other programs use on the same machine', async (t) => {
  for (const [text, path] of [
    ['ghcr.io/kubewarden/tests/pod-privileged:v0.2.5', 'registry/ghcr.io/kubewarden/tests/pod-privileged:v0.2.5'],
    ['ghcr.io/kubewarden/tests/pod-privileged', 'registry/ghcr.io/kubewarden/tests/pod-privileged:latest'],
    ['busybox', 'registry/docker.io/library/busybox:latest'],
    ['localhost:5000/p:v1', 'registry/localhost:5000/p:v1'],
    ['[::1]:5000/p:v1', 'registry/[::1]:5000/p:v1'],
    [`ghcr.io/a/b@${DIGEST}`, `registry/ghcr.io/a/b@${DIGEST}`],
    [`ghcr.io/a/b:v1@${DIGEST}`, `registry/ghcr.io/a/b:v1@${DIGEST}`],
    ['https://github.com/a/releases/v0.1.6/policy.wasm', 'https/github.com/a/releases/v0.1.6/policy.wasm'],
    ['https://example.com:8443/p.wasm?token=x#y', 'https/example.com:8443/p.wasm'],
    ['https://EXAMPLE.com:443/p.wasm', 'https/example.com/p.wasm'],
    ['http://user:secret@host/p%20q.wasm', 'http/host/p%20q.wasm'],
    ['https://h/a//b.wasm', 'https/h/a/b.wasm'],
    ['https://h/a/%2e%2e/b.wasm', 'https/h/b.wasm'],
    ['https://h/a%2fb.wasm', 'https/h/a%2fb.wasm'],
  ] as const) {
    t.equal(new PolicyStore('/store').pathOf(parseModuleLocation(text)), `/store/${path}`, text);
  }
});

test('FIX: a digest beside the tag `latest` gets no second suffix', async (t) => {
  const location = parseModuleLocation(`ghcr.io/a/b:latest@${DIGEST}`);
  t.equal(new PolicyStore('/s').pathOf(location), `/s/registry/ghcr.io/a/b:latest@${DIGEST}`);
});

test('what has no safe name in a store is refused', async (t) => {
  const store = new PolicyStore('/store');
  const reference = { registry: 'h', repository: 'r', tag: 't' };
  for (const [location, message] of [
    [{ scheme: 'registry', url: 'registry://h/../../etc/passwd', reference }, /'\.\.' is no name of a file/],
    [{ scheme: 'registry', url: 'registry://../p:v1', reference }, /'\.\.' is no name/],
    [{ scheme: 'registry', url: 'registry://h//p:v1', reference }, /'' is no name/],
    [{ scheme: 'registry', url: 'registry://h/p\0:v1', reference }, /no NUL/],
    [{ scheme: 'registry', url: `registry://h/${'x'.repeat(256)}`, reference }, /has 256 bytes/],
    [{ scheme: 'https', url: 'https://../p.wasm' }, /'\.\.' is no name/],
    [{ scheme: 'https', url: 'https://h/' }, /names a folder/],
    [{ scheme: 'https', url: `https://h/${'é'.repeat(50)}` }, /has 300 bytes/],
    [{ scheme: 'file', path: '/tmp/p.wasm' }, /^unknown scheme: file/],
  ] as const) {
    t.throws(() => store.pathOf(location), { code: 'location-invalid', message }, String(message));
  }
});

test('fuzz: whatever a location says, its file lies within the store, and its name leads back', async (t) => {
  const random = randomFrom(7);
  const pieces = [
    '..',
    '.',
    '/',
    '//',
    '\\',
    '%2e%2e',
    '%2F',
    '%00',
    '\0',
    'a',
    'policy',
    ':v1',
    '@',
    DIGEST,
    ':',
    '?',
    '#',
    'é',
    '[::1]',
    '😀',
    'x'.repeat(200),
  ];
  const store = new PolicyStore('/root/of/store');
  let kept = 0;
  for (let round = 0; round < 20_000; round++) {
    const text = Array.from({ length: 1 + random(7) }, () => pieces[random(pieces.length)]).join('');
    const scheme = ['registry', 'https', 'http'][random(3)];
    let location: ModuleLocation;
    try {
      location = parseModuleLocation(`${scheme}://${random(2) === 0 ? 'host.io/' : ''}${text}`);
    } catch (error) {
      if (!(error instanceof ArtifactError)) throw error;
      continue;
    }
    try {
      const path = store.pathOf(location);
      const names = relative(store.root, path).split('/');
      if (names.includes('..') || names[0] !== location.scheme || names.length < 3) t.fail(`${text} → ${path}`);
      if (path.includes('\0')) t.fail(`NUL in ${path}`);
      const back = locationAt(names);
      if (back === undefined || store.pathOf(back) !== path) t.fail(`${text} → ${path} leads elsewhere`);
      kept++;
    } catch (error) {
      if (!(error instanceof ArtifactError)) throw error;
    }
  }
  t.ok(kept > 500, `${kept} of them have a place`);
});

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

test('a draft is no policy before it is committed, and leaves nothing when it is not', async (t) => {
  const root = join(t.testdir(), 'not', 'there', 'yet');
  const store = new PolicyStore(root);
  const location = parseModuleLocation('ghcr.io/a/p:v1');
  {
    await using draft = await store.create(location);
    await draft.write(Buffer.from('\0asm'));
    t.same(await store.list(), []);
    t.equal(tree(root).filter((path) => path.startsWith('registry')).length, 0);
  }
  t.notOk(existsSync(dirname(dirname(root))), 'FIX: a failure leaves no empty folders, not even that of the store');
  {
    await using draft = await store.create(location, { digest: DIGEST });
    await draft.write(Buffer.from('\0asm'));
    await draft.write(Buffer.from('more'));
    t.equal(draft.length, 8);
    await draft.commit();
  }
  t.equal(readFileSync(store.pathOf(location), 'utf8'), '\0asmmore');
  t.same(tree(root), ['registry', 'registry/ghcr.io', 'registry/ghcr.io/a', 'registry/ghcr.io/a/p:v1']);
});

test('a released draft is continued by one, whoever that is', async (t) => {
  const root = t.testdir();
  const store = new PolicyStore(root);
  const location = parseModuleLocation('ghcr.io/a/p:v1');
  {
    await using draft = await store.create(location, { digest: DIGEST });
    await draft.write(Buffer.from('half'));
    await draft.release();
  }
  t.same(readdirSync(join(root, '.policy-drafts')), [releasedName(`sha256-${HEX}`)]);
  {
    await using other = await store.create(location, { digest: `sha256:${'b'.repeat(64)}` });
    t.equal(other.length, 0, 'another digest is another file');
  }
  const drafts = await Promise.all(Array.from({ length: 6 }, () => store.create(location, { digest: DIGEST })));
  t.same(
    drafts.map(({ length }) => length).sort((a, b) => a - b),
    [0, 0, 0, 0, 0, 4],
  );
  const continued = drafts.find(({ length }) => length === 4);
  const pieces: Uint8Array[] = [];
  for await (const piece of continued?.content() ?? []) pieces.push(Uint8Array.from(piece));
  t.equal(Buffer.concat(pieces).toString(), 'half');
  for (const draft of drafts) await draft[Symbol.asyncDispose]();
  t.same(tree(root), []);
});

test('drafts of processes that ended are continued, those of others are left alone, forgotten ones removed', async (t) => {
  const root = t.testdir();
  const drafts = join(root, '.policy-drafts');
  const script = `import { newOwner } from ${JSON.stringify(join(import.meta.dirname, 'draft-owner.ts'))}; process.stdout.write(newOwner())`;
  const dead = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  const elsewhere = newOwner().replace(/^[0-9a-f]{12}/, '0'.repeat(12));
  const sameNumberEarlier = newOwner().replace(/^([0-9a-f]+-\d+)-\d+/, '$1-1');
  const key = `sha256-${HEX}`;
  put(drafts, `.policy.${key}.${newOwner()}.part`, 'mine');
  put(drafts, `.policy.${key}.${elsewhere}.part`, 'of another machine');
  put(drafts, `.policy.unnamed.${dead}.part`, 'of nobody');
  put(drafts, `.policy.unnamed.${newOwner()}.part`, 'of somebody');
  put(drafts, `.policy.${key}.${dead}.part`, 'of the dead');
  const old = put(drafts, `.policy.sha256-${'c'.repeat(64)}.part`, 'forgotten');
  utimesSync(old, 0, 0);
  const store = new PolicyStore(root);
  const location = parseModuleLocation('ghcr.io/a/p:v1');
  {
    await using draft = await store.create(location, { digest: DIGEST });
    t.equal(draft.length, 'of the dead'.length);
    await draft.commit();
  }
  t.equal(readFileSync(store.pathOf(location), 'utf8'), 'of the dead');
  const left = readdirSync(drafts).map((name) => readFileSync(join(drafts, name), 'utf8'));
  t.same(left.sort(), ['mine', 'of another machine', 'of somebody']);
  put(drafts, `.policy.${key}.${sameNumberEarlier}.part`, 'same number, other process');
  {
    await using draft = await store.create(location, { digest: DIGEST });
    t.equal(draft.length, 'same number, other process'.length);
  }
  const future = new PolicyStore(root, { nowMs: () => Date.now() + 25 * 60 * 60 * 1000 });
  await (await future.create(location))[Symbol.asyncDispose]();
  t.notOk(existsSync(drafts), 'after a day nobody waits for them');
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

test('on Windows names are written in base64url, the scheme is not', async (t) => {
  const root = t.testdir();
  const store = new PolicyStore(root, { platform: 'win32' });
  const location = parseModuleLocation('localhost:5000/policy:v1');
  t.equal(relative(root, store.pathOf(location)), 'registry/bG9jYWxob3N0OjUwMDA/cG9saWN5OnYx');
  {
    await using draft = await store.create(location);
    await draft.write(Buffer.from('\0asm'));
    await draft.commit();
  }
  t.same(
    (await store.list()).map(({ uri }) => uri),
    ['registry://localhost:5000/policy:v1'],
  );
  t.same(storePathOf(location), ['registry', 'localhost:5000', 'policy:v1']);
  t.ok(statSync(store.pathOf(location)).isFile());
});
