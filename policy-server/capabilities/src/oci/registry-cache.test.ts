import { setTimeout } from 'node:timers/promises';
import type { Credential, CredentialSource } from '@portcullis/artifact';
import { test } from 'tap';
import { image, MANIFEST, MINUTE, setup } from './test/cache-setup.ts';

test('TC1 a tag that names the same costs one HEAD and no GET per minute', async (t) => {
  await using s = await setup();
  const digest = s.registry.serveManifest('repo', image('one'), MANIFEST, ['v1']);
  const cache = s.open();
  for (let i = 0; i < 5; i++) t.equal((await cache.manifest(s.at('repo:v1'))).digest, digest);
  t.same([s.heads(), s.gets()], [1, 1]);
  for (let minute = 1; minute <= 3; minute++) {
    s.clock.nowMs += MINUTE + 1;
    for (let i = 0; i < 5; i++) t.equal((await cache.manifest(s.at('repo:v1'))).digest, digest);
    t.same([s.heads(), s.gets()], [1 + minute, 1]);
  }
  t.ok(s.results.includes('revalidated'));
  t.equal(await cache.digest(s.at('repo:v1')), digest);
  t.same([s.heads(), s.gets()], [4, 1], 'other operations share what is known');
});

test('TC2 a moved tag is seen within a minute', async (t) => {
  await using s = await setup();
  const before = s.registry.serveManifest('repo', image('one'), MANIFEST, ['v1']);
  const cache = s.open();
  t.equal(await cache.digest(s.at('repo:v1')), before);
  const after = s.registry.serveManifest('repo', image('two'), MANIFEST, ['v1']);
  t.equal(await cache.digest(s.at('repo:v1')), before);
  s.clock.nowMs += MINUTE;
  t.equal(await cache.digest(s.at('repo:v1')), after);
  t.equal((await cache.manifest(s.at('repo:v1'))).annotations.get('text'), 'two');
});

test('TC3 what is gone upstream is gone', async (t) => {
  await using s = await setup();
  s.registry.serveManifest('repo', image('one'), MANIFEST, ['v1']);
  const cache = s.open();
  await cache.manifest(s.at('repo:v1'));
  s.registry.route('GET', '/v2/repo/manifests/v1', { status: 404 });
  s.clock.nowMs += MINUTE;
  await t.rejects(cache.manifest(s.at('repo:v1')), { code: 'not-found' });
  s.registry.route('GET', '/v2/repo/manifests/v1', { status: 500 });
  await t.rejects(
    cache.manifest(s.at('repo:v1')),
    { code: 'registry-refused' },
    'and does not come back when the registry fails',
  );
});

test('TC4 a registry that limits rates is left alone, with what is known until then', async (t) => {
  await using s = await setup();
  const digest = s.registry.serveManifest('repo', image('one'), MANIFEST, ['v1']);
  const cache = s.open();
  await cache.digest(s.at('repo:v1'));
  s.registry.route('GET', /\/manifests\//, { status: 429, headers: { 'retry-after': '120' } });
  s.clock.nowMs += MINUTE;
  t.equal(await cache.digest(s.at('repo:v1')), digest);
  const asked = s.heads();
  await t.rejects(cache.digest(s.at('other:v1')), { code: 'rate-limited', message: /is not asked for another 120 s/ });
  s.clock.nowMs += 100_000;
  t.equal(await cache.digest(s.at('repo:v1')), digest);
  t.equal(s.heads(), asked, 'not asked before Retry-After is over');
  s.clock.nowMs += 30_000;
  await t.rejects(cache.digest(s.at('other:v1')), { code: 'rate-limited' }, 'asked again after it');
});

test('TC5 a registry that refuses connections is stood in for, for an hour', async (t) => {
  await using s = await setup();
  const digest = s.registry.serveManifest('repo', image('one'), MANIFEST, ['v1']);
  const cache = s.open();
  await cache.digest(s.at('repo:v1'));
  await s.registry[Symbol.asyncDispose]();
  s.clock.nowMs += 59 * MINUTE;
  t.equal(await cache.digest(s.at('repo:v1')), digest);
  t.equal(s.results.at(-1), 'stale');
  s.clock.nowMs += 3 * MINUTE;
  await t.rejects(cache.digest(s.at('repo:v1')), { code: 'registry-unreachable' });
});

test('TC6 what is known by its digest is served while the registry is down for a day', async (t) => {
  await using s = await setup();
  const digest = s.registry.serveManifest('repo', image('one'), MANIFEST, ['v1']);
  const cache = s.open();
  await cache.manifest(s.at(`repo@${digest}`));
  await s.registry[Symbol.asyncDispose]();
  s.clock.nowMs += 24 * 60 * MINUTE;
  t.equal((await cache.manifest(s.at(`repo@${digest}`))).digest, digest);
  t.equal(await cache.digest(s.at(`repo@${digest}`)), digest);
});

test('TC7 lost access loses what was kept', async (t) => {
  await using s = await setup();
  s.registry.serveManifest('repo', image('one'), MANIFEST, ['v1']);
  const cache = s.open();
  await cache.digest(s.at('repo:v1'));
  s.registry.route('GET', '/v2/repo/manifests/v1', { status: 401 });
  s.clock.nowMs += MINUTE;
  await t.rejects(cache.digest(s.at('repo:v1')), { code: 'not-authorized' });
  s.registry.route('GET', '/v2/repo/manifests/v1', { status: 503 });
  await t.rejects(cache.digest(s.at('repo:v1')), { code: 'registry-refused' });
});

test('TC8 200 identical questions at once are one request', async (t) => {
  await using s = await setup();
  const digest = s.registry.serveManifest('repo', image('one'), MANIFEST, ['v1']);
  const cache = s.open();
  const answers = await Promise.all(Array.from({ length: 200 }, () => cache.digest(s.at('repo:v1'))));
  t.ok(answers.every((answer) => answer === digest));
  t.same([s.heads(), s.gets()], [1, 0]);
});

test('TC9 two credentials do not share', async (t) => {
  await using s = await setup();
  s.registry.serveManifest('repo', image('one'), MANIFEST, ['v1']);
  let credential: Credential | undefined = { kind: 'basic', username: 'anna', password: 'a' };
  const credentials: CredentialSource = { credentialFor: async () => credential };
  const cache = s.open({ credentials });
  await cache.manifest(s.at('repo:v1'));
  credential = { kind: 'basic', username: 'ann', password: 'aa' };
  s.registry.route('GET', /\/manifests\//, { status: 403 });
  await t.rejects(cache.manifest(s.at('repo:v1')), { code: 'not-authorized' });
  credential = undefined;
  await t.rejects(cache.digest(s.at('repo:v1')), { code: 'not-authorized' });
  credential = { kind: 'identity-token', token: 'a' };
  await t.rejects(cache.digest(s.at('repo:v1')), { code: 'not-authorized' });
});

test('TC11 a manifest that has not the digest it should have is refused and not kept', async (t) => {
  await using s = await setup();
  const digest = s.registry.serveManifest('repo', image('one'), MANIFEST, ['v1']);
  const wrong = { headers: { 'content-type': MANIFEST, 'docker-content-digest': digest }, body: { ...image('evil') } };
  s.registry.route('GET', `/v2/repo/manifests/${digest}`, ({ method }, before) =>
    method === 'GET' && before === 0 ? wrong : undefined,
  );
  const cache = s.open();
  await t.rejects(cache.manifest(s.at('repo:v1')), { code: 'digest-mismatch' });
  t.equal((await cache.manifest(s.at('repo:v1'))).annotations.get('text'), 'one');
});

test('TC12 a registry that takes ten seconds costs a policy its budget, and then nothing', async (t) => {
  await using s = await setup();
  const digest = s.registry.serveManifest('repo', image('one'), MANIFEST, ['v1']);
  const cache = s.open();
  await cache.digest(s.at('repo:v1'));
  s.registry.route('GET', /\/manifests\//, { delayMs: 10_000 });
  s.clock.nowMs += MINUTE;
  const ask = async (reference: string): Promise<string> => {
    const [answer] = await Promise.allSettled([
      cache.digest(s.at(reference), { signal: AbortSignal.timeout(100) }),
      setTimeout(50).then(() => (s.clock.nowMs += 2000)),
      setTimeout(130),
    ]);
    if (answer.status === 'rejected') throw answer.reason;
    return answer.value;
  };
  t.equal(await ask('repo:v1'), digest, 'what is known stands in');
  await t.rejects(ask('other:v1'), { code: 'aborted', cause: { name: 'TimeoutError' } });
  await t.rejects(ask('other:v2'), { code: 'aborted', cause: { name: 'TimeoutError' } });
  const asked = s.heads();
  await t.rejects(ask('other:v3'), /is not asked for another 10 s: it did not answer/);
  t.equal(s.heads(), asked);
  s.registry.route('GET', /\/manifests\//, { status: 404 });
  s.clock.nowMs += 10_001;
  await t.rejects(ask('other:v3'), { code: 'not-found' }, 'one question tells that it is back');
  await t.rejects(ask('other:v4'), { code: 'not-found' });
});

test('TC12 a caller that goes away is not held against the registry', async (t) => {
  await using s = await setup();
  s.registry.route('GET', /\/manifests\//, { delayMs: 10_000 });
  const cache = s.open();
  for (let i = 0; i < 5; i++) {
    const control = new AbortController();
    const asking = cache.digest(s.at('repo:v1'), { signal: control.signal });
    await Promise.all([
      t.rejects(asking, { code: 'aborted', cause: { name: 'AbortError' } }),
      setTimeout(20).then(() => control.abort()),
    ]);
  }
  s.registry.route('GET', /\/manifests\//, { status: 404 });
  await t.rejects(cache.digest(s.at('repo:v1')), { code: 'not-found' }, 'it is asked');
});

test('TC13 the missing signature of an image is looked for once in ten seconds', async (t) => {
  await using s = await setup();
  const cache = s.open();
  const tag = `repo:sha256-${'a'.repeat(64)}.sig`;
  for (let i = 0; i < 1000; i++) await t.rejects(cache.manifest(s.at(tag)), { code: 'not-found' });
  t.equal(s.heads(), 1);
  t.ok(s.gets() <= 1, 'a round is HEAD and, for the words of the refusal, GET');
  s.clock.nowMs += 10_000;
  await t.rejects(cache.manifest(s.at(tag)));
  t.equal(s.heads(), 2);
  const before = s.heads();
  for (let i = 0; i < 3; i++) await t.rejects(cache.digest(s.at('repo:v1')), { code: 'not-found' });
  t.equal(s.heads() - before, 3, 'an image that is not there may come at any moment');
});

test('TC14 an answer to HEAD without a digest is made good by GET', async (t) => {
  await using s = await setup();
  const digest = s.registry.serveManifest('repo', image('one'), MANIFEST, ['v1']);
  s.registry.route('GET', '/v2/repo/manifests/v1', {
    headers: { 'content-type': MANIFEST },
    body: { ...image('one') },
  });
  const cache = s.open();
  t.equal(await cache.digest(s.at('repo:v1')), digest);
  t.equal(s.gets(), 1);
});

test('nothing is kept when the cache is off', async (t) => {
  await using s = await setup();
  s.registry.serveManifest('repo', image('one'), MANIFEST, ['v1']);
  const cache = s.open({ times: { ttlMs: 0 } });
  await cache.manifest(s.at('repo:v1'));
  await cache.manifest(s.at('repo:v1'));
  t.same([s.heads(), s.gets()], [2, 2]);
  t.same(new Set(s.results), new Set(['bypass']));
});

test('a cache is bounded whatever it is asked', async (t) => {
  await using s = await setup();
  s.registry.route('GET', /\/manifests\//, ({ path }) => {
    const body = JSON.stringify({ ...image(path), annotations: { text: 'x'.repeat(100_000) } });
    return { headers: { 'content-type': MANIFEST }, body };
  });
  const cache = s.open();
  for (let i = 0; i < 300; i++) await cache.manifest(s.at(`repo:v${i}`)).catch(() => {});
  t.ok(cache.size.bytes <= 64 * 2 ** 20);
  t.ok(cache.size.entries <= 10_000);
});
