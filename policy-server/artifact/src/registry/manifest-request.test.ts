import { createHash } from 'node:crypto';
import { OCI_INDEX, OCI_MANIFEST } from '@portcullis/testkit';
import { test } from 'tap';
import { serveRegistry } from '../transport/test/test-server.ts';
import { at, MANIFEST, openClient, REPOSITORY, sha256, UNKNOWN_DIGEST } from './test/test-client.ts';

test('a digest costs a HEAD, or a GET where the registry does not say it', async (t) => {
  const registry = await serveRegistry(t);
  const digest = registry.serveManifest(REPOSITORY, MANIFEST, OCI_MANIFEST, ['v1']);
  const { client } = openClient(t, { insecure: [registry.host] });
  t.equal(await client.digest(at(registry)), digest);
  t.equal(registry.count('HEAD'), 1);
  t.equal(registry.count('GET', /manifests/), 0);
  const accept = registry.requests.at(-1)?.headers.accept ?? '';
  t.equal(
    accept,
    [
      'application/vnd.docker.distribution.manifest.v2+json',
      'application/vnd.docker.distribution.manifest.list.v2+json',
      OCI_MANIFEST,
      OCI_INDEX,
    ].join(', '),
  );
  const bytes = Buffer.from(JSON.stringify(MANIFEST));
  registry.route('GET', `/v2/${REPOSITORY}/manifests/bare`, { body: bytes });
  t.equal(await client.digest(at(registry, { tag: 'bare' })), sha256(bytes), 'TC14 HEAD without digest header');
  registry.route('HEAD', `/v2/${REPOSITORY}/manifests/get-only`, { status: 405 });
  registry.route('GET', `/v2/${REPOSITORY}/manifests/get-only`, ({ method }) =>
    method === 'GET' ? { body: bytes } : undefined,
  );
  t.equal(await client.digest(at(registry, { tag: 'get-only' })), sha256(bytes), 'a registry without HEAD');
});

test('a manifest’s bytes must be those of the pinned digest and of the header', async (t) => {
  const registry = await serveRegistry(t);
  const bytes = Buffer.from(JSON.stringify(MANIFEST));
  const digest = registry.serveManifest(REPOSITORY, bytes, OCI_MANIFEST, ['v1']);
  const { client } = openClient(t, { insecure: [registry.host] });
  t.match(await client.manifest(at(registry)), { kind: 'manifest', digest, mediaType: OCI_MANIFEST, bytes });
  const sha512 = `sha512:${createHash('sha512').update(bytes).digest('hex')}`;
  registry.route('GET', `/v2/${REPOSITORY}/manifests/${sha512}`, {
    headers: { 'docker-content-digest': digest },
    body: bytes,
  });
  t.equal((await client.manifest(at(registry, { digest: sha512 }))).digest, sha512);
  t.equal(await client.digest(at(registry, { digest: sha512 })), sha512);

  const lie = (name: string, header: string): void =>
    registry.route('GET', `/v2/${REPOSITORY}/manifests/${name}`, {
      headers: { 'docker-content-digest': header },
      body: bytes,
    });
  lie('wrong-header', UNKNOWN_DIGEST);
  lie('no-digest', 'sha256:../../etc');
  lie(UNKNOWN_DIGEST, UNKNOWN_DIGEST);
  await t.rejects(client.manifest(at(registry, { tag: 'wrong-header' })), {
    code: 'digest-mismatch',
    message: new RegExp(`expected ${UNKNOWN_DIGEST}, got ${digest}`),
  });
  await t.rejects(client.manifest(at(registry, { tag: 'no-digest' })), { code: 'answer-invalid' });
  await t.rejects(client.digest(at(registry, { tag: 'no-digest' })), { code: 'answer-invalid' });
  await t.rejects(client.manifest(at(registry, { digest: UNKNOWN_DIGEST })), { code: 'digest-mismatch' });
  lie(`sha256:${'1'.repeat(64)}`, UNKNOWN_DIGEST);
  await t.rejects(client.digest(at(registry, { digest: `sha256:${'1'.repeat(64)}` })), { code: 'digest-mismatch' });
});
