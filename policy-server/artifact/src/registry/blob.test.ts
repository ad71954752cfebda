import { OCI_MANIFEST, startTamperingProxy, type Tamper } from '@portcullis/testkit';
import { test } from 'tap';
import type { Credential } from '../credentials/credentials.ts';
import { tls, trusting } from '../transport/test/test-authority.ts';
import { serveRegistry } from '../transport/test/test-server.ts';
import { at, descriptorOf, MANIFEST, openClient, REPOSITORY, UNKNOWN_DIGEST } from './test/test-client.ts';

test('a blob is checked, capped, and goes on where it stopped', async (t) => {
  const registry = await serveRegistry(t);
  const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, index) => index % 251));
  registry.serveBlob(REPOSITORY, bytes);
  const { client } = openClient(t, { insecure: [registry.host] });
  const where = at(registry);
  const descriptor = descriptorOf(bytes);
  const path = `/v2/${REPOSITORY}/blobs/${descriptor.digest}`;
  t.same(await client.blob(where, descriptor, { maxBytes: 200_000 }), bytes);
  await t.rejects(client.blob(where, descriptor, { maxBytes: 199_999 }), { code: 'download-too-large' });
  const collect = async (offset: number): Promise<{ startsAt: number; bytes: Buffer }> => {
    const { startsAt, body } = await client.openBlob(where, descriptor, { offset });
    const found: Uint8Array[] = [];
    for await (const piece of body) found.push(piece);
    return { startsAt, bytes: Buffer.concat(found) };
  };
  t.same(await collect(150_000), { startsAt: 150_000, bytes: bytes.subarray(150_000) });
  t.equal(registry.requests.at(-1)?.headers.range, 'bytes=150000-199999');
  t.same(await collect(200_000), { startsAt: 0, bytes }, 'nothing is left to ask for: all of it again');

  registry.route('GET', path, ({ headers }) => (headers.range === undefined ? { body: bytes } : { status: 416 }));
  t.same(await collect(10), { startsAt: 0, bytes }, 'a range that is refused');
  registry.route('GET', path, { body: bytes });
  t.same(await collect(10), { startsAt: 0, bytes }, 'a registry without ranges');
  const partial = (range: string, body: Uint8Array): void =>
    registry.route('GET', path, { status: 206, headers: { 'content-range': range }, body });
  partial('bytes 0-199999/200000', bytes);
  await t.rejects(collect(10), { code: 'answer-invalid', message: /another piece than was asked for/ });
  partial('bytes 10-199999/300000', bytes.subarray(10));
  await t.rejects(collect(10), { code: 'answer-invalid' });
  partial('bytes 10-20/200000', bytes.subarray(10, 21));
  await t.rejects(collect(10), { code: 'answer-invalid' });
  partial('bytes 0-9/200000', bytes.subarray(0, 10));
  await t.rejects(collect(0), { code: 'answer-invalid' }, 'a piece nobody asked for');
  registry.route('GET', path, { body: bytes.subarray(1) });
  await t.rejects(collect(0), { code: 'download-stalled', message: /ended after 199999 of 200000 bytes/ });
  registry.route('GET', path, { body: Buffer.concat([bytes, bytes]) });
  await t.rejects(collect(0), { code: 'download-too-large' });
  registry.route('GET', path, { body: Buffer.alloc(200_000) });
  await t.rejects(client.blob(where, descriptor, { maxBytes: 200_000 }), { code: 'digest-mismatch' });
  registry.route('GET', path, { status: 404, body: { errors: [{ message: 'blob unknown' }] } });
  await t.rejects(collect(0), { code: 'not-found', message: /OCI API error: blob unknown/ });
});

test('a network that damages answers is found out, and memory stays flat', async (t) => {
  const registry = await serveRegistry(t);
  const bytes = Buffer.alloc(100_000, 7);
  registry.serveBlob(REPOSITORY, bytes);
  registry.serveManifest(REPOSITORY, MANIFEST, OCI_MANIFEST, ['v1']);
  const proxy = await startTamperingProxy(registry.url);
  t.teardown(() => proxy[Symbol.asyncDispose]());
  const { client } = openClient(t, {
    insecure: [proxy.host],
    limits: { idleTimeoutMs: 300, minBytesPerSecond: 10_000, rateWindowMs: 300 },
  });
  const where = at(proxy);
  const reading = (): Promise<unknown> => client.blob(where, descriptorOf(bytes), { maxBytes: 1_000_000 });
  const damaged = async (tamper: Tamper, code: string): Promise<void> => {
    proxy.tamper({ path: /blobs/, ...tamper });
    await t.rejects(reading(), { code }, tamper.kind);
  };
  await damaged({ kind: 'flip-byte' }, 'digest-mismatch');
  await damaged({ kind: 'truncate', bytes: 5000 }, 'download-stalled');
  await damaged({ kind: 'cut', bytes: 5000 }, 'download-stalled');
  await damaged({ kind: 'stall', bytes: 5000 }, 'download-stalled');
  await damaged({ kind: 'slow-drip', bytesPerSecond: 1000 }, 'download-stalled');
  await damaged({ kind: 'html' }, 'download-stalled');
  await damaged({ kind: 'endless', declared: true }, 'download-too-large');
  await damaged({ kind: 'endless' }, 'download-too-large');
  t.ok((proxy.requests.at(-1)?.sentBytes ?? 0) < 20_000_000, 'the connection is cut, not read to its end');
  proxy.tamper({ kind: 'digest-header', digest: UNKNOWN_DIGEST, path: /manifests/ });
  await t.rejects(client.manifest(where), { code: 'digest-mismatch' });
  proxy.tamper({ kind: 'html', path: /manifests/ });
  await t.rejects(client.manifest(where), { code: 'answer-invalid' });
  proxy.tamper({ kind: 'endless', path: /manifests/ });
  await t.rejects(client.manifest(where), { code: 'download-too-large' });
  proxy.tamper({ kind: 'status', status: 500, path: /manifests/, body: 'oops' });
  await t.rejects(client.manifest(where), { code: 'registry-refused', message: /code: 500, message: oops$/ });
});

test('a body of ten gigabytes passes through without staying', { timeout: 60_000 }, async (t) => {
  const size = 10_000_000_000;
  const enough = 1_000_000_000;
  const registry = await serveRegistry(t);
  const proxy = await startTamperingProxy(registry.url, {
    tampers: [{ kind: 'endless', path: /blobs/, declared: true }],
  });
  t.teardown(() => proxy[Symbol.asyncDispose]());
  const { client } = openClient(t, { insecure: [proxy.host] });
  const { body } = await client.openBlob(at(proxy), descriptorOf(Buffer.alloc(0), { size }));
  const before = process.memoryUsage().rss;
  let length = 0;
  for await (const piece of body) {
    length += piece.length;
    // All of it takes half a minute and shows no more than a tenth does.
    if (length > enough) break;
  }
  const grown = process.memoryUsage().rss - before;
  t.ok(grown < 150_000_000, `grew by ${grown} bytes while ${length} passed`);
});

test('blobs are fetched from storage on another host, without credentials', async (t) => {
  const basicAuth = { user: 'alice', password: 'hush' };
  const registry = await serveRegistry(t, { tls, basicAuth });
  const storage = await serveRegistry(t, { tls });
  const bytes = Buffer.from('a blob');
  const { digest } = descriptorOf(bytes);
  storage.route('GET', '/bucket/blob', { body: bytes });
  registry.route('GET', `/v2/${REPOSITORY}/blobs/${digest}`, {
    status: 307,
    headers: { location: `${storage.url}/bucket/blob?sig=1` },
  });
  const credential: Credential = { kind: 'basic', username: 'alice', password: 'hush' };
  const { client } = openClient(t, {
    authorities: trusting(registry.host, storage.host),
    credentials: { [registry.host]: credential, [storage.host]: credential },
  });
  t.same(await client.blob(at(registry), descriptorOf(bytes), { maxBytes: 10 }), bytes);
  t.equal(storage.requests[0]?.headers.authorization, undefined);
  storage.route('GET', '/bucket/blob', {
    status: 401,
    headers: { 'www-authenticate': `Basic realm="${storage.url}"` },
  });
  await t.rejects(client.blob(at(registry), descriptorOf(bytes), { maxBytes: 10 }), { code: 'not-authorized' });
  t.ok(
    storage.requests.every(({ headers }) => headers.authorization === undefined),
    'storage cannot ask for what is the registry’s',
  );
});
