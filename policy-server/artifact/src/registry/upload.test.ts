import { createHash } from 'node:crypto';
import { OCI_MANIFEST } from '@portcullis/testkit';
import { test } from 'tap';
import { tls, trusting } from '../transport/test/test-authority.ts';
import { serveRegistry } from '../transport/test/test-server.ts';
import { at, MANIFEST, openClient, REPOSITORY, sha256, UNKNOWN_DIGEST } from './test/test-client.ts';

test('a blob goes up in chunks of 4 MiB at most', async (t) => {
  const registry = await serveRegistry(t, { tls });
  const bytes = Buffer.alloc(9 * 1024 * 1024, 3);
  const uploads = `/v2/${REPOSITORY}/blobs/uploads/`;
  const parts: Buffer[] = [];
  registry.route('POST', uploads, { status: 202, headers: { location: `${uploads}1?_state=a%3D%3D` } });
  registry.route('PATCH', `${uploads}1`, ({ body }, calls) => {
    parts.push(body);
    const location = `http://${registry.host}${uploads}1?_state=b`;
    return { status: 202, ...(calls === 0 ? {} : { headers: { location } }) };
  });
  registry.route('PUT', `${uploads}1`, { status: 201 });
  const { client, records } = openClient(t, { authorities: trusting(registry.host) });
  await client.pushBlob(at(registry), bytes, sha256(bytes));
  t.same(Buffer.concat(parts), bytes);
  const chunks = registry.requests.filter(({ method }) => method === 'PATCH');
  t.same(
    chunks.map(({ headers }) => headers['content-range']),
    ['0-4194303', '4194304-8388607', '8388608-9437183'],
  );
  t.equal(chunks[1]?.query.get('_state'), 'a==', 'without a new location the old one stays');
  const last = registry.requests.at(-1);
  t.match(last, { method: 'PUT', path: `${uploads}1`, body: { length: 0 } });
  t.same([last?.query.get('_state'), last?.query.get('digest')], ['b', sha256(bytes)]);
  t.same(records, []);

  registry.route('GET', `/v2/${REPOSITORY}/blobs/${sha256(bytes)}`, { headers: { 'content-length': '0' } });
  const before = registry.count('POST');
  await client.pushBlob(at(registry), bytes, sha256(bytes));
  t.equal(registry.count('POST'), before, 'what is there is not sent again');
});

test('FIX: the answer to the last PUT of a blob needs no Location', async (t) => {
  const registry = await serveRegistry(t);
  const uploads = `/v2/${REPOSITORY}/blobs/uploads/`;
  registry.route('POST', uploads, { status: 202, headers: { location: 'x' } });
  registry.route('PATCH', `${uploads}x`, { status: 202 });
  registry.route('PUT', `${uploads}x`, { status: 201 });
  const { client, records } = openClient(t, { insecure: [registry.host] });
  await client.pushBlob(at(registry), Buffer.from('{}'), sha256('{}'));
  t.equal(registry.requests.at(-1)?.method, 'PUT');
  t.equal(records.length, 2, 'a push logs the failed steps of the ladder');
  t.match(records[0], { message: 'operation failed' });
});

test('a registry that takes no chunks gets the blob in one piece', async (t) => {
  const registry = await serveRegistry(t);
  const storage = await serveRegistry(t);
  const uploads = `/v2/${REPOSITORY}/blobs/uploads/`;
  registry.route('POST', uploads, (_request, calls) => ({
    status: 202,
    headers: { location: calls % 2 === 0 ? `${uploads}x` : `${storage.url}/bucket?sig=1` },
  }));
  storage.route('PUT', '/bucket', { status: 201 });
  const { client } = openClient(t, {
    insecure: [registry.host, storage.host],
    credentials: { [registry.host]: { kind: 'basic', username: 'a', password: 'b' } },
  });
  for (const status of [201, 404, 405, 416, 501]) {
    registry.route('PATCH', `${uploads}x`, { status });
    await client.pushBlob(at(registry), Buffer.from('wasm'), sha256('wasm'));
    const put = storage.requests.at(-1);
    t.equal(put?.body.toString(), 'wasm', String(status));
    t.equal(put?.query.get('digest'), sha256('wasm'));
    t.equal(put?.headers.authorization, undefined, 'storage sees no credential');
  }
  registry.route('PATCH', `${uploads}x`, { status: 413, body: { errors: [{ message: 'too big' }] } });
  const pushing = (): Promise<void> => client.pushBlob(at(registry), Buffer.from('wasm'), sha256('wasm'));
  await t.rejects(pushing(), { code: 'push-refused', status: 413, message: /OCI API error: too big/ });
  registry.route('POST', uploads, { status: 202 });
  await t.rejects(pushing(), { code: 'push-refused', message: /Registry did not return a location header/ });
  registry.route('POST', uploads, { status: 403, body: { errors: [{ message: 'read only' }] } });
  await t.rejects(pushing(), { code: 'not-authorized', message: /read only/ });
  registry.route('POST', uploads, { status: 500 });
  await t.rejects(pushing(), { code: 'registry-refused' });
});

test('a path that looks like another host stays a path, and the token with it', async (t) => {
  const basicAuth = { user: 'alice', password: 'hush' };
  const registry = await serveRegistry(t, { basicAuth });
  const elsewhere = await serveRegistry(t);
  registry.route('POST', `/v2/${REPOSITORY}/blobs/uploads/`, {
    status: 202,
    headers: { location: `${registry.url}//${elsewhere.host}/x` },
  });
  const { client } = openClient(t, {
    insecure: [registry.host, elsewhere.host],
    credentials: { [registry.host]: { kind: 'basic', username: 'alice', password: 'hush' } },
  });
  await t.rejects(client.pushBlob(at(registry), Buffer.from('wasm'), sha256('wasm')));
  t.equal(elsewhere.count(), 0);
  t.equal(registry.count('PATCH'), 1, 'the registry itself is asked');
});

test('a manifest is kept under the digest of its bytes, or not at all', async (t) => {
  const registry = await serveRegistry(t);
  const bytes = Buffer.from(JSON.stringify(MANIFEST));
  const path = `/v2/${REPOSITORY}/manifests/v1`;
  const { client } = openClient(t, { insecure: [registry.host] });
  const push = (): Promise<string> => client.pushManifest(at(registry), bytes, OCI_MANIFEST);
  const answer = (headers: Record<string, string>): void => registry.route('PUT', path, { status: 201, headers });
  answer({});
  t.equal(await push(), sha256(bytes), 'FIX: without a Location the digest is that of the bytes');
  t.match(registry.requests.at(-1), { body: bytes, headers: { 'content-type': OCI_MANIFEST } });
  answer({ location: `/v2/${REPOSITORY}/manifests/${sha256(bytes)}` });
  t.equal(await push(), sha256(bytes));
  answer({ location: path });
  t.equal(await push(), sha256(bytes), 'a Location with the tag says nothing');
  const sha512 = `sha512:${createHash('sha512').update(bytes).digest('hex')}`;
  answer({ location: `https://cdn.test/v2/x/manifests/${sha512}` });
  t.equal(await push(), sha512);
  answer({ location: `/v2/${REPOSITORY}/manifests/${UNKNOWN_DIGEST}` });
  await t.rejects(push(), { code: 'push-refused', message: /keeps another manifest than was pushed/ });
  answer({ 'docker-content-digest': UNKNOWN_DIGEST });
  await t.rejects(push(), { code: 'push-refused' });
  registry.route('PUT', path, { status: 400, body: { errors: [{ code: 'MANIFEST_INVALID', message: 'bad layer' }] } });
  await t.rejects(push(), { code: 'push-refused', message: /OCI API error: bad layer/ });
  await t.rejects(client.pushManifest(at(registry, { digest: UNKNOWN_DIGEST }), bytes, OCI_MANIFEST), {
    code: 'push-refused',
  });
  t.equal(registry.requests.at(-1)?.path, `/v2/${REPOSITORY}/manifests/${UNKNOWN_DIGEST}`, 'as it was asked for');
});
