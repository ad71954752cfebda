import { createHash } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import type { Descriptor, RegistryReader } from '@portcullis/artifact';
import { test } from 'tap';
import { createImageHandlers } from './images.ts';
import { image, MANIFEST, MINUTE, setup } from './test/cache-setup.ts';

const INDEX = 'application/vnd.oci.image.index.v1+json';

function descriptorOf(bytes: Uint8Array, size = bytes.length): Descriptor {
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  const nothing = { artifactType: undefined, platform: undefined };
  return { mediaType: 'application/octet-stream', digest, size, annotations: new Map(), ...nothing };
}

function referrer(annotations: object = {}): object {
  return { mediaType: MANIFEST, digest: `sha256:${'b'.repeat(64)}`, size: 7, annotations };
}

test('a registry that asks to be left alone is, also when older answers still come in', async (t) => {
  await using s = await setup();
  s.registry.serveManifest('repo', image('one'), MANIFEST, ['slow']);
  s.registry.route('GET', /\/manifests\/limited$/, { status: 429, headers: { 'retry-after': '120' } });
  s.registry.route('GET', /\/manifests\/slow$/, { delayMs: 150 });
  const cache = s.open();
  const slow = cache.digest(s.at('repo:slow'));
  await t.rejects(cache.digest(s.at('repo:limited')), { code: 'rate-limited' });
  await slow;
  await t.rejects(cache.digest(s.at('repo:other')), {
    code: 'rate-limited',
    message: /is not asked for another 120 s/,
  });
});

test('one question tells whether a registry is back, and when nobody waits for it, the next one does', async (t) => {
  await using s = await setup();
  s.registry.route('GET', /\/manifests\//, { status: 503 });
  const cache = s.open();
  for (const tag of ['a', 'b', 'c']) await t.rejects(cache.digest(s.at(`repo:${tag}`)), { code: 'registry-refused' });
  await t.rejects(cache.digest(s.at('repo:d')), {
    code: 'registry-unreachable',
    message: /is not asked for another 10 s/,
  });
  s.clock.nowMs += 10_001;
  s.registry.route('GET', /\/manifests\//, { delayMs: 5000 });
  const asked = s.heads();
  const control = new AbortController();
  const probe = cache.digest(s.at('repo:probe'), { signal: control.signal });
  const others = await Promise.allSettled(Array.from({ length: 50 }, (_, i) => cache.digest(s.at(`repo:v${i}`))));
  t.ok(
    others.every(({ status }) => status === 'rejected'),
    'the others do not wait',
  );
  await setTimeout(50);
  control.abort();
  await t.rejects(probe, { code: 'aborted', cause: { name: 'AbortError' } });
  await setTimeout(50);
  t.equal(s.heads() - asked, 1);
  s.registry.route('GET', /\/manifests\//, { status: 404 });
  await t.rejects(cache.digest(s.at('repo:v1')), { code: 'not-found' });
});

test('policies that are late do not close a registry to all others', async (t) => {
  await using s = await setup();
  s.registry.serveManifest('repo', image('one'), MANIFEST, ['v1']);
  s.registry.route('GET', /\/manifests\/late/, { delayMs: 300 });
  const cache = s.open();
  for (let i = 0; i < 5; i++)
    await t.rejects(cache.digest(s.at(`repo:late${i}`), { signal: AbortSignal.timeout(20) }), {
      code: 'aborted',
      cause: { name: 'TimeoutError' },
    });
  t.match(await cache.digest(s.at('repo:v1')), /^sha256:/);
});

test('a question that somebody always waits for is given up as well', async (t) => {
  await using s = await setup();
  s.registry.route('GET', /\/manifests\//, { delayMs: 10_000 });
  const cache = s.open({ maxAnswerMs: 100 });
  const round = async (): Promise<unknown> => {
    const asking = cache.digest(s.at('repo:v1')).catch((error: unknown) => error);
    await setTimeout(50);
    s.clock.nowMs += 2000;
    return asking;
  };
  for (let i = 0; i < 3; i++) await round();
  t.match(await round(), { code: 'registry-unreachable', message: /it did not answer/ });
});

test('the circuit holds when the cache is off', async (t) => {
  await using s = await setup();
  s.registry.route('GET', /\/manifests\//, { status: 500 });
  const cache = s.open({ times: { ttlMs: 0 } });
  for (let i = 0; i < 3; i++) await t.rejects(cache.digest(s.at('repo:v1')), { code: 'registry-refused' });
  await t.rejects(cache.digest(s.at('repo:v1')), { code: 'registry-unreachable' });
});

test('what is kept is not handed out under a bound it would not have been read under', async (t) => {
  await using s = await setup();
  const bytes = Buffer.alloc(100_000, 'x');
  s.registry.serveBlob('repo', bytes);
  const cache = s.open();
  const whole = descriptorOf(bytes);
  const maxBytes = 200_000;
  t.equal((await cache.blob(s.at('repo'), whole, { maxBytes })).length, bytes.length);
  await t.rejects(cache.blob(s.at('repo'), whole, { maxBytes: 1000 }), { code: 'download-too-large' });
  await t.rejects(cache.blob(s.at('repo'), descriptorOf(bytes, 300), { maxBytes: 1000 }), {
    code: 'download-too-large',
  });
  const both = [
    cache.blob(s.at('repo'), descriptorOf(bytes, 100), { maxBytes }),
    cache.blob(s.at('repo'), descriptorOf(bytes, 101), { maxBytes }),
  ];
  for (const { status } of await Promise.allSettled(both)) t.equal(status, 'rejected');
});

test('signatures that are added later are seen: after ten seconds when there were none, after a minute otherwise', async (t) => {
  await using s = await setup();
  const manifests: object[] = [];
  s.registry.route('GET', /\/referrers\//, () => ({
    headers: { 'content-type': INDEX },
    body: { schemaVersion: 2, mediaType: INDEX, manifests },
  }));
  const cache = s.open();
  const ask = async (): Promise<number> => (await cache.referrers(s.at('repo'), `sha256:${'a'.repeat(64)}`)).length;
  const asked = (): number => s.registry.count('GET', /\/referrers\//);
  for (let i = 0; i < 5; i++) t.equal(await ask(), 0);
  t.same([asked(), s.results.at(-1)], [1, 'negative']);
  manifests.push(referrer());
  s.clock.nowMs += 9999;
  t.equal(await ask(), 0);
  s.clock.nowMs += 1;
  t.equal(await ask(), 1);
  manifests.push(referrer());
  s.clock.nowMs += MINUTE - 1;
  t.equal(await ask(), 1);
  s.clock.nowMs += 1;
  t.equal(await ask(), 2);
  t.equal(asked(), 3);
  t.equal(s.results.at(-1), 'miss', 'another answer than before is not the same one confirmed');
});

test('lists count by what they hold', async (t) => {
  await using s = await setup();
  s.registry.route('GET', /\/referrers\//, {
    headers: { 'content-type': INDEX },
    body: { schemaVersion: 2, mediaType: INDEX, manifests: [referrer({ text: 'x'.repeat(1_000_000) })] },
  });
  const cache = s.open();
  for (let i = 0; i < 20; i++) await cache.referrers(s.at('repo'), `sha256:${i.toString(16).padStart(64, '0')}`);
  t.ok(cache.size.bytes > 2_000_000, `${cache.size.bytes} bytes`);
  t.ok(cache.size.entries <= 8, `${cache.size.entries} of 20 lists of a megabyte in 8 MiB`);
});

test('names of hosts that mean the same are one host', async (t) => {
  await using s = await setup();
  s.registry.serveManifest('repo', image('one'), MANIFEST, ['v1']);
  const cache = s.open({ onLookup: ({ host }) => hosts.add(host) });
  const hosts = new Set<string>();
  const reader: Partial<RegistryReader> = { digest: async () => `sha256:${'a'.repeat(64)}` };
  const other = s.open({ reader: { ...s.reader, ...reader }, onLookup: ({ host }) => hosts.add(host) });
  await cache.digest(s.at('repo:v1'));
  for (const registry of ['GHCR.io', 'ghcr.io']) await other.digest({ registry, repository: 'a', tag: 'b' });
  t.same([...hosts].sort(), [s.registry.host, 'ghcr.io'].sort());
});

test('nobody waits for what cannot be called off, and what is known stands in', async (t) => {
  await using s = await setup();
  s.registry.serveManifest('repo', image('one'), MANIFEST, ['v1']);
  const never = (): Promise<never> => new Promise(() => {});
  let credentialFor: () => Promise<undefined> = async () => undefined;
  const cache = s.open({ credentials: { credentialFor: () => credentialFor() } });
  const { OciManifestDigest } = createImageHandlers(cache);
  const image_ = `${s.registry.host}/repo:v1`;
  const ask = (): Promise<unknown> => {
    const context = { policyId: 'p', signal: new AbortController().signal, remainingMs: 300 };
    return OciManifestDigest({ type: 'OciManifestDigest', image: image_ }, context);
  };
  t.ok(await ask());
  s.registry.route('GET', /\/manifests\//, { delayMs: 5000 });
  s.clock.nowMs += MINUTE;
  t.ok(await ask(), 'within the grace of a question that took too long');
  credentialFor = never;
  const startedMs = performance.now();
  await t.rejects(ask(), {
    code: 'failed',
    message: `no answer about ${image_} in time: its registry is slow or cannot be reached`,
  });
  t.ok(performance.now() - startedMs < 280);
});

test('errors that do not say which image do so when they reach the policy', async (t) => {
  await using s = await setup();
  s.registry.route('GET', /\/manifests\//, { status: 500 });
  const { OciManifestDigest } = createImageHandlers(s.open());
  const ask = (repository: string): Promise<unknown> => {
    const context = { policyId: 'p', signal: new AbortController().signal };
    return OciManifestDigest({ type: 'OciManifestDigest', image: `${s.registry.host}/${repository}` }, context);
  };
  for (let i = 0; i < 3; i++) await t.rejects(ask('repo'), /repo/);
  await t.rejects(ask('repo:v9'), {
    message: `cannot look up ${s.registry.host}/repo:v9: registry ${s.registry.host} is not asked for another 10 s: it did not answer – check host, port and network`,
  });
});
