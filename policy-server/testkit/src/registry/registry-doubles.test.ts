import { spawnSync } from 'node:child_process';
import { test } from 'tap';
import { ProgrammableRegistry, callRegistry, createCredentialHelper, startTamperingProxy } from '../index.ts';
import { OCI_MANIFEST } from './artifact.ts';

const basicAuth = { user: 'alice', password: 'open sesame' };

test('a programmable registry answers as told, counts, and asks for tokens', async (t) => {
  await using registry = await ProgrammableRegistry.start({ tokens: { service: 'here', basicAuth } });
  const digest = registry.serveBlob('a/b', Buffer.from('0123456789'));
  registry.serveManifest('a/b', { schemaVersion: 2 }, OCI_MANIFEST, ['v1']);
  registry.route('GET', '/v2/a/b/manifests/v1', (_, before) => (before === 0 ? { status: 503 } : undefined));
  const anonymous = { url: registry.url };
  const refused = await callRegistry(anonymous, 'GET', '/v2/a/b/manifests/v1');
  t.equal(refused.status, 401);
  t.equal(
    refused.headers['www-authenticate'],
    `Bearer realm="${registry.url}/token",service="here",scope="repository:a/b:pull"`,
  );
  const scoped = '/token?service=here&scope=repository:a/b:pull';
  t.equal((await callRegistry(anonymous, 'GET', scoped)).status, 401);
  const { token } = JSON.parse((await callRegistry({ url: registry.url, basicAuth }, 'GET', scoped)).body.toString());
  const headers = { authorization: `Bearer ${token}` };
  t.equal((await callRegistry(anonymous, 'GET', '/v2/a/b/manifests/v1', { headers })).status, 503);
  t.equal((await callRegistry(anonymous, 'GET', '/v2/a/b/manifests/v1', { headers })).status, 200);
  const part = { ...headers, range: 'bytes=3-' };
  const rest = await callRegistry(anonymous, 'GET', `/v2/a/b/blobs/${digest}`, { headers: part });
  t.same([rest.status, rest.body.toString(), rest.headers['content-range']], [206, '3456789', 'bytes 3-9/10']);
  t.equal((await callRegistry(anonymous, 'GET', `/v2/other/blobs/${digest}`, { headers })).status, 401);
  t.equal((await callRegistry(anonymous, 'POST', '/v2/a/b/blobs/uploads/', { headers })).status, 401);
  t.equal(registry.count('GET', '/v2/a/b/manifests/v1'), 3);
  t.equal(registry.tokens?.requests.length, 2);
  registry.tokens?.revokeAll();
  t.equal((await callRegistry(anonymous, 'GET', '/v2/a/b/manifests/v1', { headers })).status, 401);
});

test('an identity token is exchanged for an access token', async (t) => {
  await using registry = await ProgrammableRegistry.start({ tokens: { identityToken: 'id', field: 'access_token' } });
  const exchange = (token: string): ReturnType<typeof callRegistry> =>
    callRegistry({ url: registry.url }, 'POST', '/token', {
      body: `grant_type=refresh_token&refresh_token=${token}&scope=repository:a:pull`,
    });
  t.equal((await exchange('other')).status, 401);
  const { access_token: token } = JSON.parse((await exchange('id')).body.toString());
  registry.serveManifest('a', '{}', OCI_MANIFEST, ['v1']);
  const headers = { authorization: `Bearer ${token}` };
  t.equal((await callRegistry({ url: registry.url }, 'GET', '/v2/a/manifests/v1', { headers })).status, 200);
});

test('a tampering proxy damages what it is told to and nothing else', async (t) => {
  await using upstream = await ProgrammableRegistry.start();
  const content = Buffer.from('0123456789abcdef');
  const path = `/v2/a/blobs/${upstream.serveBlob('a', content)}`;
  const digest = upstream.serveManifest('a', '{}', OCI_MANIFEST, ['v1']);
  await using proxy = await startTamperingProxy(upstream);
  const get = (where = path): ReturnType<typeof callRegistry> => callRegistry(proxy, 'GET', where);
  t.same((await get()).body, content);

  proxy.tamper({ kind: 'flip-byte', path: /\/blobs\//, times: 1 });
  t.equal((await get('/v2/a/manifests/v1')).body.toString(), '{}');
  t.equal((await get()).body.toString(), '012345679' + '9abcdef');
  t.same((await get()).body, content);

  proxy.tamper({ kind: 'truncate', bytes: 4 });
  t.equal((await get()).body.toString(), '0123');
  proxy.tamper({ kind: 'cut', bytes: 4 });
  await t.rejects(get());
  proxy.tamper({ kind: 'drop' });
  await t.rejects(get());
  proxy.tamper({ kind: 'digest-header', digest: 'sha256:00', method: '*' });
  t.equal((await callRegistry(proxy, 'HEAD', '/v2/a/manifests/v1')).headers['docker-content-digest'], 'sha256:00');
  proxy.tamper({ kind: 'digest-header', digest: undefined });
  t.equal((await get('/v2/a/manifests/v1')).headers['docker-content-digest'], undefined);
  proxy.tamper({ kind: 'redirect', location: 'http://127.0.0.1:1' });
  t.equal((await get()).headers.location, `http://127.0.0.1:1${path}`);
  proxy.tamper({ kind: 'status', status: 429, headers: { 'retry-after': '1' } });
  t.match(await get(), { status: 429, headers: { 'retry-after': '1' } });
  proxy.tamper({ kind: 'html' });
  t.match((await get()).headers['content-type'], 'text/html');
  proxy.tamper({ kind: 'replace', body: 'other' });
  t.equal((await get()).body.toString(), 'other');
  proxy.tamper({ kind: 'endless', totalBytes: 1_000_000 });
  t.equal((await get()).body.length, 1_000_000);
  const startedMs = Date.now();
  proxy.tamper({ kind: 'slow-drip', bytesPerSecond: 100 });
  t.same((await get()).body, content);
  t.ok(Date.now() - startedMs >= 100);
  proxy.tamper();
  t.equal((await get('/v2/a/manifests/v1')).headers['docker-content-digest'], digest);
  t.match(
    proxy.requests.filter(({ damage }) => damage === 'endless'),
    [{ sentBytes: 1_000_000 }],
  );
});

test('a credential helper speaks the protocol of Docker', async (t) => {
  const credentials = { 'registry.test:5000': { user: 'it’s "me"', secret: "pa'ss" } };
  const helper = await createCredentialHelper(t.testdir(), 'test', { credentials });
  const ask = (server: string): ReturnType<typeof spawnSync> => spawnSync(helper.path, ['get'], { input: server });
  const known = ask('registry.test:5000');
  t.equal(known.status, 0);
  t.match(JSON.parse(known.stdout.toString()), { Username: 'it’s "me"', Secret: "pa'ss" });
  t.match(ask('other').stdout.toString(), 'credentials not found');
  t.same(await helper.calls(), ['get registry.test:5000', 'get other']);
  const broken = await createCredentialHelper(t.testdir(), 'broken', { output: 'oops', exitCode: 3, stderr: 'why' });
  const failed = spawnSync(broken.path, ['get'], { input: 'x' });
  t.match([failed.status, failed.stdout.toString(), failed.stderr.toString()], [3, 'oops', 'why\n']);
});
