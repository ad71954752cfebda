import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import {
  OCI_INDEX,
  ProgrammableRegistry,
  startTamperingProxy,
  WASM_LAYER,
  type ProgrammedAnswer,
  type Tamper,
} from '@portcullis/testkit';
import { Readable } from 'node:stream';
import { test } from 'tap';
import { ArtifactError } from '../errors.ts';
import { parseModuleLocation } from '../location.ts';
import type { RegistryReader } from '../registry/registry.ts';
import { createPolicyFetcher } from './fetcher.ts';
import type { DownloadProgress } from './reception.ts';
import { filesBelow, moduleOf, openTestFetcher, serve, sha256 } from './test/test-fetcher.ts';

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

test('artifacts that are no policies are refused in the words scripts know', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  const folder = t.testdir();
  await using given = openTestFetcher(folder, [registry.host]);
  const image = 'application/vnd.oci.image.layer.v1.tar+gzip';
  serve(registry, 'a/foreign', 'v1', [{ bytes: V1 }, { bytes: V2, mediaType: image }]);
  serve(registry, 'a/none', 'v1', []);
  serve(registry, 'a/text', 'v1', [{ bytes: Buffer.from('no wasm at all') }]);
  serve(registry, 'a/empty', 'v1', [{ bytes: new Uint8Array() }]);
  serve(registry, 'a/large', 'v1', [{ bytes: V1, size: 2 ** 40 }]);
  serve(registry, 'a/page', 'v1', [{ bytes: Buffer.from('<!DOCTYPE html><html></html>') }]);
  const windows = {
    platform: { os: 'windows', architecture: 's390x' },
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest: `sha256:${'0'.repeat(64)}`,
    size: 1,
  };
  registry.serveManifest('a/index', { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [windows] }, OCI_INDEX, [
    'v1',
  ]);
  for (const [name, code, message] of [
    ['foreign', 'artifact-invalid', `Fail to interact with OCI registry: Incompatible layer media type: ${image} – `],
    ['none', 'artifact-invalid', 'Fail to interact with OCI registry: No layers to pull – '],
    ['text', 'module-invalid', 'invalid wasm file: '],
    ['empty', 'module-invalid', 'invalid wasm file: '],
    ['large', 'download-too-large', `${registry.host}/a/large:v1 has 1099511627776 bytes, more than the 1048576 `],
    ['page', 'answer-invalid', 'expected a WebAssembly module from '],
    ['index', 'artifact-invalid', 'Fail to interact with OCI registry: Image manifest not found: '],
    ['missing', 'not-found', 'Fail to interact with OCI registry: Registry error: url http://'],
  ] as const) {
    const fetching = given.fetcher.fetch(parseModuleLocation(`${registry.host}/a/${name}:v1`));
    const error = await fetching.then(
      () => undefined,
      (problem: unknown) => problem,
    );
    t.match(error, { name: 'ArtifactError', code, stage: 'download' }, name);
    t.ok(
      error instanceof ArtifactError && error.message.startsWith(message),
      error instanceof Error ? error.message : name,
    );
    t.notOk(existsSync(join(folder, 'store')), `FIX: ${name} leaves no empty folders`);
  }
  t.equal(registry.count('GET', /a\/large\/blobs/), 0, 'what is announced too large is not begun');
  t.equal(registry.count('GET', /a\/foreign\/blobs/), 0);
});

test('an index leads to the policy for this platform; several layers to the first', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  await using given = openTestFetcher(t.testdir(), [registry.host]);
  const digest = serve(registry, 'a/p', 'one', [{ bytes: V1 }, { bytes: V2, mediaType: WASM_LAYER }]);
  const platform = { os: process.platform, architecture: process.arch === 'x64' ? 'amd64' : process.arch };
  const manifests = [{ mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: 1, platform }];
  registry.serveManifest('a/p', { schemaVersion: 2, mediaType: OCI_INDEX, manifests }, OCI_INDEX, ['v1']);
  t.equal((await given.fetcher.load(parseModuleLocation(`${registry.host}/a/p:v1`))).sha256, sha256(V1));
  t.equal(registry.count('GET', BLOBS), 2, 'config and layer');
});

test('tampering: what is changed, cut, drips or never ends is refused with its reason, and nothing is stored', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  serve(registry, 'a/p', 'v1', [{ bytes: V1 }]);
  await using proxy = await startTamperingProxy(registry);
  const layer = new RegExp(`/blobs/sha256:${sha256(V1)}`);
  const limits = { idleTimeoutMs: 250, rateWindowMs: 250, minBytesPerSecond: 50_000, headersTimeoutMs: 1000 };
  for (const [tamper, code, message] of [
    [{ kind: 'flip-byte', path: layer }, 'digest-mismatch', /expected sha256:.*, got sha256:.*nothing was kept/],
    [{ kind: 'flip-byte', path: layer, at: 0 }, 'digest-mismatch', /expected sha256:/],
    [{ kind: 'truncate', path: layer, bytes: 1000 }, 'download-stalled', /ended after 1000 of 300000 bytes/],
    [{ kind: 'cut', path: layer, bytes: 1000 }, 'download-stalled', /the connection broke/],
    [{ kind: 'stall', path: layer, bytes: 1000 }, 'download-stalled', /nothing came for 250 ms/],
    [
      { kind: 'slow-drip', path: layer, bytesPerSecond: 2000 },
      'download-stalled',
      /less than 50000 bytes came in a second/,
    ],
    [{ kind: 'endless', path: layer }, 'download-too-large', /longer than the 300000 bytes the manifest announces/],
    [{ kind: 'endless', path: layer, declared: true }, 'download-too-large', /longer than the 300000 bytes/],
    [{ kind: 'html', path: layer }, 'answer-invalid', /got a web page/],
    [{ kind: 'replace', path: layer, body: V2 }, 'digest-mismatch', /expected sha256:/],
    [{ kind: 'status', path: layer, status: 500 }, 'registry-refused', /code: 500/],
    [{ kind: 'status', path: layer, status: 429, headers: { 'retry-after': '120' } }, 'rate-limited', /wait 120 s/],
    [{ kind: 'drop', path: layer }, 'registry-unreachable', /error sending request/],
    [{ kind: 'html', path: MANIFESTS }, 'answer-invalid', /./],
    [{ kind: 'flip-byte', path: MANIFESTS }, 'digest-mismatch', /./],
    [{ kind: 'digest-header', path: MANIFESTS, digest: `sha256:${'0'.repeat(64)}` }, 'digest-mismatch', /./],
    [{ kind: 'endless', path: MANIFESTS }, 'download-too-large', /./],
    [{ kind: 'flip-byte', path: /\/blobs\/sha256:44136f/ }, 'digest-mismatch', /./],
  ] as const satisfies readonly (readonly [Tamper, string, RegExp])[]) {
    const folder = t.testdir({});
    await using given = openTestFetcher(folder, [proxy.host], { limits });
    proxy.tamper(tamper);
    const name = `${tamper.kind} of ${String(tamper.path)}`;
    const fetching = given.fetcher.fetch(parseModuleLocation(`${proxy.host}/a/p:v1`));
    await t.rejects(fetching, { name: 'ArtifactError', code, message, stage: 'download' }, name);
    t.same(filesBelow(folder), [], `nothing is left of ${name}`);
    t.notOk(existsSync(given.store.root), `no folder either: ${name}`);
    proxy.tamper();
    t.equal(
      (await given.fetcher.load(parseModuleLocation(`${proxy.host}/a/p:v1`))).sha256,
      sha256(V1),
      `then all is well: ${name}`,
    );
  }
});

test('a body of ten gigabytes takes neither memory nor disk', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  await using proxy = await startTamperingProxy(registry, { tampers: [{ kind: 'endless', path: /p\.wasm/ }] });
  const folder = t.testdir();
  const maxBytes = 256 * 2 ** 20;
  await using given = openTestFetcher(folder, [proxy.host], { maxBytes });
  const before = process.memoryUsage().rss;
  await t.rejects(given.fetcher.fetch(parseModuleLocation(`http://${proxy.host}/p.wasm`)), { code: 'module-invalid' });
  await using module = await ProgrammableRegistry.start();
  async function* endless(): AsyncGenerator<Uint8Array> {
    yield Uint8Array.of(0, 0x61, 0x73, 0x6d);
    const piece = new Uint8Array(256 * 1024);
    for (let sent = 0; sent < 10e9; sent += piece.length) yield piece;
  }
  module.route('GET', '/p.wasm', () => ({ body: endless() }));
  await using other = openTestFetcher(folder, [module.host], { maxBytes });
  await t.rejects(other.fetcher.fetch(parseModuleLocation(`http://${module.host}/p.wasm`)), {
    code: 'download-too-large',
    message: /has more bytes than the 268435456 a policy may have/,
  });
  const grown = process.memoryUsage().rss - before;
  t.ok(grown < 100 * 2 ** 20, `memory grew by ${Math.round(grown / 2 ** 20)} MiB while 256 MiB came`);
  t.same(filesBelow(folder), []);
});

test('a download that is cut goes on where it was, within the process and in the next', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  serve(registry, 'a/p', 'v1', [{ bytes: V1 }]);
  await using proxy = await startTamperingProxy(registry);
  const layer = new RegExp(`/blobs/sha256:${sha256(V1)}`);
  const location = parseModuleLocation(`${proxy.host}/a/p:v1`);
  const ranges = (): (string | undefined)[] =>
    proxy.requests.filter(({ path }) => layer.test(path)).map(({ range }) => range);
  {
    proxy.tamper({ kind: 'cut', path: layer, bytes: 150_000, times: 1 });
    await using given = openTestFetcher(t.testdir({}), [proxy.host]);
    t.equal((await given.fetcher.load(location)).sha256, sha256(V1));
    t.match(ranges(), [undefined, /^bytes=1\d{5}-/]);
  }
  const folder = t.testdir({});
  const seen: DownloadProgress[] = [];
  {
    proxy.tamper({ kind: 'cut', path: layer, bytes: 200_000, times: 1 }, { kind: 'cut', path: layer, bytes: 10 });
    await using given = openTestFetcher(folder, [proxy.host]);
    await t.rejects(given.fetcher.fetch(location), { code: 'download-stalled' });
    t.same(await given.store.list(), []);
    t.equal(filesBelow(folder).length, 1, 'what came is kept where nobody takes it for a policy');
    t.match(filesBelow(folder), [/^store\/\.policy-drafts\//]);
  }
  proxy.tamper();
  await using given = openTestFetcher(folder, [proxy.host]);
  await given.fetcher.fetch(location, { onProgress: (progress) => seen.push(progress) });
  t.match(ranges().at(-1), /^bytes=\d{5,6}-/);
  t.equal((await given.fetcher.load(location)).sha256, sha256(V1));
  t.same(filesBelow(folder), [`store/registry/${proxy.host}/a/p:v1`]);
  t.same(seen.at(-1), { receivedBytes: 300_000, totalBytes: 300_000 });
});

test('a reader that ends too early, without a word, is not asked for ever', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  serve(registry, 'a/p', 'v1', [{ bytes: V1 }]);
  await using given = openTestFetcher(t.testdir(), [registry.host]);
  let asked = 0;
  const client: RegistryReader = {
    ...given.client,
    openBlob: async () => {
      asked += 1;
      return { startsAt: 0, body: Readable.from([V1.subarray(0, 50_000)]) };
    },
  };
  const fetcher = createPolicyFetcher({ ...given, client, maxBytes: 2 ** 20, log: () => undefined });
  await t.rejects(fetcher.fetch(parseModuleLocation(`${registry.host}/a/p:v1`)), {
    code: 'download-stalled',
    message: /ended after 50000 of 300000 bytes – try again$/,
  });
  t.ok(asked < 6, `${asked} times`);
});

test('what an earlier attempt left is checked: damaged, too long, or of a registry without ranges', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  serve(registry, 'a/p', 'v1', [{ bytes: V1 }]);
  const location = parseModuleLocation(`${registry.host}/a/p:v1`);
  const damaged = Uint8Array.from(V1.subarray(0, 120_000));
  damaged[5000] = (damaged[5000] ?? 0) ^ 1;
  const blob = `/v2/a/p/blobs/sha256:${sha256(V1)}`;
  for (const [name, left] of [
    ['damaged', damaged],
    ['whole', V1],
    ['too long', Buffer.concat([V1, V1])],
    ['good', V1.subarray(0, 120_000)],
  ] as const) {
    for (const resumes of [true, false]) {
      if (!resumes) registry.route('GET', blob, { body: V1 });
      else serve(registry, 'a/p', 'v1', [{ bytes: V1 }]);
      const folder = t.testdir({
        store: { '.policy-drafts': { [`.policy.sha256-${sha256(V1)}.part`]: Buffer.from(left) } },
      });
      await using given = openTestFetcher(folder, [registry.host]);
      registry.requests.length = 0;
      t.equal(
        (await given.fetcher.load(location)).sha256,
        sha256(V1),
        `${name}, ${resumes ? 'with' : 'without'} ranges`,
      );
      t.same(filesBelow(folder), [`store/registry/${registry.host}/a/p:v1`]);
      if (name === 'whole') t.equal(registry.count('GET', blob), 0, 'all of it was there');
    }
  }
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

test('what lies in the place of a policy and is no file is replaced, and never waited for', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  serve(registry, 'a/p', 'latest', [{ bytes: V1 }]);
  await using given = openTestFetcher(t.testdir(), [registry.host]);
  const location = parseModuleLocation(`${registry.host}/a/p`);
  const path = given.store.pathOf(location);
  mkdirSync(dirname(path), { recursive: true });
  execFileSync('mkfifo', [path]);
  t.equal((await given.fetcher.load(location)).sha256, sha256(V1));
  t.ok(lstatSync(path).isFile());
});

test('one layer under many names is downloaded once', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  const names = ['a/p:v1', 'a/p:v2', 'a/p:latest', 'b/q:v1'];
  for (const name of names) {
    const [repository = '', tag = ''] = name.split(':');
    serve(registry, repository, tag, [{ bytes: V1 }]);
  }
  await using given = openTestFetcher(t.testdir(), [registry.host]);
  const modules = await Promise.all(
    names.map((name) => given.fetcher.load(parseModuleLocation(`${registry.host}/${name}`))),
  );
  t.same(new Set(modules.map((module) => module.sha256)), new Set([sha256(V1)]));
  t.equal(registry.count('GET', new RegExp(sha256(V1))), 1);
  const inodes = (await given.store.list()).map(({ path }) => statSync(path).ino);
  t.equal(new Set(inodes).size, names.length, 'as files of their own: who writes one changes no other');
});

interface Checked {
  readonly reference: string;
  readonly digest: string;
  readonly sha256: string;
}

/** A verifier whose words are the test's; what it is asked is kept. */
function testVerifier(digest: () => string, expected: () => string | undefined) {
  const checked: Checked[] = [];
  const order: string[] = [];
  return {
    checked,
    order,
    verify: async () => {
      order.push('verify');
      return { digest: digest(), met: [] };
    },
    checkFile: async (reference: { repository: string }, of: string, path: string) => {
      order.push('checkFile');
      const actual = sha256(readFileSync(path));
      checked.push({ reference: reference.repository, digest: of, sha256: actual });
      if (expected() !== undefined && actual !== expected())
        throw new ArtifactError('verification-failed', 'another file');
      return { sha256: actual };
    },
  };
}

test('signatures come first, then exactly what was signed, then the file is compared before anybody sees it', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  const signed = serve(registry, 'a/p', 'v1', [{ bytes: V1 }]);
  serve(registry, 'a/p', 'v1', [{ bytes: V2 }]);
  let expected: string | undefined = sha256(V1);
  const verifier = testVerifier(
    () => signed,
    () => expected,
  );
  const folder = t.testdir();
  await using given = openTestFetcher(folder, [registry.host], { verifier });
  const location = parseModuleLocation(`${registry.host}/a/p:v1`);
  const fetched = await given.fetcher.fetch(location);
  t.same(verifier.order, ['verify', 'checkFile']);
  t.same(
    [fetched.verifiedDigest, fetched.verifiedSha256],
    [signed, sha256(V1)],
    'a tag that moved meanwhile changes nothing',
  );
  t.equal(registry.count('GET', '/v2/a/p/manifests/v1'), 0);
  t.equal(registry.count('GET', `/v2/a/p/manifests/${signed}`), 1);

  writeFileSync(fetched.path, V2);
  await t.rejects(
    given.fetcher.fetch(location),
    { code: 'verification-failed', stage: 'checksum' },
    'a stored file is compared every time',
  );
  writeFileSync(fetched.path, V1);
  const again = await given.fetcher.fetch(location);
  writeFileSync(fetched.path, V2);
  await t.rejects(given.fetcher.read(again), {
    code: 'verification-failed',
    stage: 'checksum',
    message: /^The digest of the local file doesn't match .* Got .* instead of /,
  });

  expected = sha256(V2);
  const other = t.testdir({});
  await using fresh = openTestFetcher(other, [registry.host], { verifier });
  await t.rejects(fresh.fetcher.fetch(location), { code: 'verification-failed', stage: 'checksum' });
  t.same(filesBelow(other), [], 'what is not what was signed is not stored');
});

test('what fails its verification is not downloaded, and what cannot be signed is not used', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  serve(registry, 'a/p', 'latest', [{ bytes: V1 }]);
  const folder = t.testdir({ 'p.wasm': Buffer.from(V1) });
  const file = parseModuleLocation(`file://${join(folder, 'p.wasm')}`);
  const verifier = {
    verify: () => Promise.reject(new ArtifactError('registry-unreachable', 'no network')),
    checkFile: () => Promise.reject(new Error('not asked')),
  };
  await using unverified = openTestFetcher(folder, [registry.host]);
  const location = parseModuleLocation(`${registry.host}/a/p:latest`);
  await unverified.fetcher.fetch(location);
  registry.requests.length = 0;
  await using given = openTestFetcher(folder, [registry.host], { verifier });
  await t.rejects(
    given.fetcher.fetch(location),
    { code: 'registry-unreachable', stage: 'verification', message: 'no network' },
    'no stale bytes without verification',
  );
  t.equal(registry.count(), 0);
  for (const text of [`https://${registry.host}/p.wasm`, `file://${join(folder, 'p.wasm')}`]) {
    await t.rejects(given.fetcher.fetch(parseModuleLocation(text)), {
      code: 'verification-failed',
      stage: 'verification',
      message: /^Invalid OCI image reference: invalid reference format – /,
    });
  }
  await using lenient = openTestFetcher(folder, [registry.host], { verifier, unsignedFiles: 'warn' });
  t.equal((await lenient.fetcher.load(file)).sha256, sha256(V1));
  t.match(lenient.records, [{ level: 'warn', target: 'policy_fetcher::verify' }]);
  await t.rejects(lenient.fetcher.fetch(parseModuleLocation(`https://us:secret@${registry.host}/p.wasm`)), {
    code: 'verification-failed',
    message: new RegExp(` – https://${registry.host}/p.wasm is in no registry`),
  });
});

test('modules of web servers: status, size and content are looked at, and passwords stay out of sight', async (t) => {
  await using server = await ProgrammableRegistry.start();
  const folder = t.testdir();
  await using given = openTestFetcher(folder, [server.host]);
  const page = '<!DOCTYPE html><html><body>Not what you look for</body></html>';
  server.route('GET', '/gone.wasm', { status: 404, headers: { 'content-type': 'text/html' }, body: page });
  server.route('GET', '/page.wasm', { headers: { 'content-type': 'text/html' }, body: `\n  ${page}` });
  server.route('GET', '/text.wasm', { body: 'hello' });
  server.route('GET', '/large.wasm', { headers: { 'content-length': '2000000' }, body: new Uint8Array(2_000_000) });
  server.route('GET', '/broken.wasm', { drop: true });
  for (const [name, code, message] of [
    ['gone', 'not-found', /^cannot fetch http:\/\/.*\/gone\.wasm: .*code: 404.*web page/],
    ['page', 'answer-invalid', /^expected a WebAssembly module from http:.*got a web page/],
    ['text', 'module-invalid', /^invalid wasm file: http:.* got 68 65 6c 6c$/],
    ['large', 'download-too-large', /has 2000000 bytes, more than the 1048576 a policy may have/],
    ['broken', 'registry-unreachable', /error sending request for url/],
  ] as const) {
    const location = parseModuleLocation(`http://user:secret@${server.host}/${name}.wasm?key=abc`);
    const error = await given.fetcher.fetch(location).then(
      () => undefined,
      (problem: unknown) => problem,
    );
    t.match(error, { code, message, stage: 'download' }, name);
    t.notMatch(error instanceof Error ? error.message : '', /secret|abc/, name);
    t.notOk(existsSync(given.store.root), 'no empty folders');
  }
  server.route('GET', '/p.wasm', ({ headers }) => ({
    status: headers.authorization === undefined ? 401 : 200,
    body: V1,
  }));
  const location = parseModuleLocation(`http://us%40er:se%3Acret@${server.host}/p.wasm?key=abc`);
  const fetched = await given.fetcher.fetch(location);
  t.equal(server.requests.at(-1)?.headers.authorization, `Basic ${Buffer.from('us@er:se:cret').toString('base64')}`);
  t.equal(fetched.path, join(folder, 'store', 'http', server.host, 'p.wasm'));
  server.requests.length = 0;
  t.equal((await given.fetcher.fetch(location)).origin, 'stored');
  t.equal(server.count(), 0);
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
