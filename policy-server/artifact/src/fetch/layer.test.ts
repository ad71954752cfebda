import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { OCI_INDEX, ProgrammableRegistry, startTamperingProxy, WASM_LAYER, type Tamper } from '@portcullis/testkit';
import { test } from 'tap';
import { ArtifactError } from '../errors.ts';
import { parseModuleLocation } from '../location.ts';
import type { RegistryReader } from '../registry/registry.ts';
import { filesBelow } from '../store/test/store-files.ts';
import { createPolicyFetcher } from './fetcher.ts';
import type { DownloadProgress } from './reception.ts';
import { moduleOf, openTestFetcher, serve, sha256 } from './test/test-fetcher.ts';

const V1 = moduleOf(1);
const V2 = moduleOf(2);
const BLOBS = /\/blobs\//;
const MANIFESTS = /\/manifests\//;

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
