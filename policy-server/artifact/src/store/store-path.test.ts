import { statSync } from 'node:fs';
import { relative } from 'node:path';
import { randomFrom } from '@portcullis/testkit';
import { test } from 'tap';
import { ArtifactError } from '../errors.ts';
import { parseModuleLocation, type ModuleLocation } from '../location.ts';
import { locationAt, storePathOf } from './store-path.ts';
import { PolicyStore } from './store.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;

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
