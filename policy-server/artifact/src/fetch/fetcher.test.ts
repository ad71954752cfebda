import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { ProgrammableRegistry, type ProgrammedAnswer } from '@portcullis/testkit';
import { test } from 'tap';
import { ArtifactError } from '../errors.ts';
import { parseModuleLocation } from '../location.ts';
import { filesBelow } from '../store/test/store-files.ts';
import { moduleOf, openTestFetcher, serve, sha256 } from './test/test-fetcher.ts';

const V1 = moduleOf(1);
const V2 = moduleOf(2);
const BLOBS = /\/blobs\//;
const MANIFESTS = /\/manifests\//;

test('a tag that is stored makes no requests; `latest` is asked again, and only what changed is downloaded', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  await using given = openTestFetcher(t.testdir(), [registry.host]);
  const { fetcher, store } = given;
  for (const [tag, before, after] of [
    ['v1', V1, V2],
    ['latest', moduleOf(3), moduleOf(4)],
  ] as const) {
    const digest = serve(registry, 'acme/policy', tag, [{ bytes: before }]);
    const location = parseModuleLocation(`${registry.host}/acme/policy:${tag}`);
    const first = await fetcher.fetch(location);
    t.same([first.origin, first.path, first.verifiedDigest], ['downloaded', store.pathOf(location), undefined]);
    t.ok(readFileSync(first.path).equals(before));
    const pinned = parseModuleLocation(`${registry.host}/acme/policy:${tag}@${digest}`);
    t.equal((await fetcher.fetch(pinned)).origin, 'stored', 'the same layer is taken from the disk');
    registry.requests.length = 0;
    t.equal((await fetcher.fetch(pinned)).origin, 'stored');
    t.equal(registry.count(), 0, 'a digest is never asked again');
    t.equal((await fetcher.fetch(location)).origin, 'stored');
    t.equal(registry.count(), tag === 'v1' ? 0 : registry.count('GET', MANIFESTS), tag);
    serve(registry, 'acme/policy', tag, [{ bytes: after }]);
    const later = await fetcher.load(location);
    t.equal(later.sha256, sha256(tag === 'v1' ? before : after), tag);
    t.equal(later.location, `registry://${registry.host}/acme/policy:${tag}`);
    t.equal((await fetcher.load(pinned)).sha256, sha256(before));
  }
});

test('FIX: a policy found by its SHA-256 is used as it is stored, whatever `latest` is by now', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  await using given = openTestFetcher(t.testdir(), [registry.host]);
  const { fetcher } = given;
  const location = parseModuleLocation(`${registry.host}/acme/policy`);
  await t.rejects(fetcher.fetch(location, { storedOnly: true }), {
    code: 'policy-not-found',
    message: new RegExp(`^Cannot find policy with uri: registry://${registry.host}/acme/policy:latest`),
  });
  serve(registry, 'acme/policy', 'latest', [{ bytes: V1 }]);
  await fetcher.fetch(location);
  serve(registry, 'acme/policy', 'latest', [{ bytes: V2 }]);
  registry.requests.length = 0;
  t.equal((await fetcher.load(location, { storedOnly: true })).sha256, sha256(V1));
  t.equal(registry.count(), 0);
});

test('`latest` of a registry that cannot answer is what is stored, with a warning; a registry that says no is heard', async (t) => {
  const registry = await ProgrammableRegistry.start();
  await using given = openTestFetcher(t.testdir(), [registry.host], { limits: { headersTimeoutMs: 300 } });
  const { fetcher, records } = given;
  serve(registry, 'acme/policy', 'latest', [{ bytes: V1 }]);
  const location = parseModuleLocation(`${registry.host}/acme/policy:latest`);
  await fetcher.fetch(location);
  const outcome = async (answer: ProgrammedAnswer): Promise<unknown> => {
    registry.route('GET', '/v2/acme/policy/manifests/latest', answer);
    return fetcher.fetch(location).then(
      ({ origin }) => origin,
      (error: unknown) => (error instanceof ArtifactError ? error.code : error),
    );
  };
  t.equal(await outcome({ status: 500 }), 'stale');
  t.equal(await outcome({ status: 503 }), 'stale');
  t.equal(await outcome({ status: 429 }), 'stale');
  t.equal(await outcome({ drop: true }), 'stale');
  t.equal(await outcome({ drop: 'hang' }), 'stale');
  t.equal(await outcome({ status: 401 }), 'not-authorized');
  t.equal(await outcome({ status: 403 }), 'not-authorized');
  t.equal(await outcome({ status: 404 }), 'not-found');
  t.equal(await outcome({ status: 400 }), 'registry-refused');
  t.equal(await outcome({ body: '<html>' }), 'answer-invalid');
  const warning = records.find(({ level }) => level === 'warn');
  t.match(warning?.message, /using the one that is stored/);
  t.equal(warning?.fields?.['policy'], `registry://${registry.host}/acme/policy:latest`);
  await registry[Symbol.asyncDispose]();
  t.equal((await fetcher.fetch(location)).origin, 'stale', 'nobody listens any more');
  await t.rejects(fetcher.fetch(parseModuleLocation(`${registry.host}/acme/other`)), {
    code: 'registry-unreachable',
    stage: 'download',
  });
});

test('many who want the same share one download, each as long as it likes', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  const manifest = serve(registry, 'a/p', 'v1', [{ bytes: V1 }]);
  registry.route('GET', '/v2/a/p/manifests/v1', async (_request, calls) => {
    if (calls === 0) await new Promise((resolve) => setTimeout(resolve, 100));
    return undefined;
  });
  await using given = openTestFetcher(t.testdir(), [registry.host]);
  const location = parseModuleLocation(`${registry.host}/a/p:v1`);
  const impatient = new AbortController();
  const leaving = given.fetcher.fetch(location, { signal: impatient.signal });
  const seen = new Set<number>();
  const waiting = Array.from({ length: 200 }, (_, index) =>
    given.fetcher.fetch(location, { onProgress: () => seen.add(index) }),
  );
  setTimeout(() => impatient.abort(new Error('no time')), 30);
  await t.rejects(leaving, { code: 'aborted' }, 'one goes');
  const paths = new Set((await Promise.all(waiting)).map(({ path }) => path));
  t.equal(paths.size, 1);
  t.equal(seen.size, 200, 'each sees how far it is');
  t.same([registry.count('GET', MANIFESTS), registry.count('GET', BLOBS)], [1, 2], 'one manifest, config and layer');
  t.ok(manifest);
});

test('when nobody waits any more, the download ends and leaves nothing', async (t) => {
  const closed = Promise.withResolvers<void>();
  let calls = 0;
  const server = createServer((_request, response) => {
    if (++calls > 1) return void response.end(V1);
    response.on('close', closed.resolve);
    response.write(V1.subarray(0, 100_000));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const folder = t.testdir();
  await using given = openTestFetcher(folder, [host]);
  const location = parseModuleLocation(`http://${host}/p.wasm`);
  const [first, second] = [new AbortController(), new AbortController()];
  const begun = Promise.withResolvers<void>();
  const leaving = given.fetcher.fetch(location, { signal: first.signal, onProgress: () => begun.resolve() });
  const staying = given.fetcher.fetch(location, { signal: second.signal });
  await begun.promise;
  first.abort();
  await t.rejects(leaving, { code: 'aborted' });
  t.equal(calls, 1);
  second.abort(new Error('the program ends'));
  await t.rejects(staying, { code: 'aborted', cause: { message: 'the program ends' } });
  t.equal((await given.fetcher.load(location)).sha256, sha256(V1), 'who comes then begins anew');
  await t.resolves(closed.promise, 'the server is not asked any further');
  t.same(filesBelow(folder), [`store/http/${host}/p.wasm`]);
  const late = given.fetcher.fetch(parseModuleLocation(`http://${host}/q.wasm`), { signal: AbortSignal.abort() });
  await t.rejects(late, { code: 'aborted' });
});

test('an output path is a file that is replaced, or a folder; the store has nothing to do with it', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  serve(registry, 'a/p', 'latest', [{ bytes: V1 }]);
  registry.route('GET', '/dir/p.wasm', { body: V2 });
  const folder = t.testdir({ 'old.wasm': 'old', dir: {}, linked: { 'real.wasm': 'old' } });
  await using given = openTestFetcher(folder, [registry.host]);
  const location = parseModuleLocation(`${registry.host}/a/p`);
  const at = (name: string): string => join(folder, name);
  chmodSync(at('old.wasm'), 0o600);
  symlinkSync(at('linked/real.wasm'), at('link.wasm'));
  const pull = async (name: string, from = location): Promise<string> => {
    return (await given.fetcher.fetch(from, { outputPath: at(name) })).path;
  };
  t.equal(await pull('old.wasm'), at('old.wasm'), 'FIX: what is there is replaced, and gets no suffix');
  t.ok(readFileSync(at('old.wasm')).equals(V1));
  t.equal(statSync(at('old.wasm')).mode & 0o777, 0o600);
  t.equal(await pull('dir'), at('dir/p:latest'));
  t.equal(await pull('dir', parseModuleLocation(`http://${registry.host}/dir/p.wasm?x`)), at('dir/p.wasm'));
  await pull('link.wasm');
  t.ok(lstatSync(at('link.wasm')).isSymbolicLink(), 'a link stays one');
  t.ok(readFileSync(at('linked/real.wasm')).equals(V1));
  t.notOk(existsSync(given.store.root));

  serve(registry, 'a/p', 'latest', [{ bytes: Buffer.from('no wasm') }]);
  await t.rejects(given.fetcher.fetch(location, { outputPath: at('old.wasm') }), { code: 'module-invalid' });
  t.ok(readFileSync(at('old.wasm')).equals(V1), 'a failure leaves what was there');
  t.same(readdirSync(folder).sort(), ['dir', 'link.wasm', 'linked', 'old.wasm'], 'and no draft');
  serve(registry, 'a/p', 'latest', [{ bytes: V1 }]);
  await t.rejects(given.fetcher.fetch(location, { outputPath: at('none/p.wasm') }), {
    code: 'store-unusable',
    message: `wasm module cannot be save to ${JSON.stringify(at('none/p.wasm'))}: No such file or directory (os error 2)`,
  });
  await t.rejects(given.fetcher.fetch(location, { outputPath: '/dev/full' }), {
    code: 'store-unusable',
    message: /^wasm module cannot be save to "\/dev\/full": No space left on device \(os error 28\) – free some space/,
  });
  t.equal((await given.fetcher.fetch(location, { outputPath: '/dev/null' })).path, '/dev/null');
  t.ok(lstatSync('/dev/null').isCharacterDevice(), 'a device is written to, not replaced');
});

test('a file is used where it is, and must be there', async (t) => {
  const folder = t.testdir({ 'p.wasm': Buffer.from(V1), 'text.wasm': 'text' });
  mkdirSync(join(folder, 'dir.wasm'));
  await using given = openTestFetcher(folder, []);
  const at = (name: string) => parseModuleLocation(`file://${join(folder, name)}`);
  const { path, origin } = await given.fetcher.fetch(at('p.wasm'));
  t.same([path, origin], [join(folder, 'p.wasm'), 'file']);
  t.equal((await given.fetcher.load(at('p.wasm'))).sha256, sha256(V1));
  await t.rejects(
    given.fetcher.fetch(at('none.wasm')),
    { code: 'file-unreadable', message: /none\.wasm': No such file or directory \(os error 2\)$/ },
    'FIX',
  );
  await t.rejects(given.fetcher.fetch(at('dir.wasm')), { code: 'file-unreadable', message: /is a directory/ });
  const copy = join(folder, 'copy.wasm');
  t.equal((await given.fetcher.fetch(at('p.wasm'), { outputPath: copy })).path, copy);
  t.ok(readFileSync(copy).equals(V1));
  await t.rejects(given.fetcher.fetch(at('text.wasm'), { outputPath: copy }), { code: 'module-invalid' });
  t.ok(readFileSync(copy).equals(V1));
  t.notOk(existsSync(given.store.root));
});
