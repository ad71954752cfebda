import { createHash, randomBytes } from 'node:crypto';
import {
  createAuthority,
  createServerCertificate,
  missingTool,
  OCI_MANIFEST,
  pushBundles,
  type RegistryOptions,
  registryTools,
  startRegistry,
  startTamperingProxy,
} from '@portcullis/testkit';
import { test, type Test } from 'tap';
import type { CredentialSource } from '../credentials/credentials.ts';
import { createRegistryClient } from './client.ts';
import type { Descriptor, RegistryClient } from './registry.ts';
import { createTransport } from '../transport/create-transport.ts';

const authority = await createAuthority('e2e-ca');
const tls = await createServerCertificate(authority);
const basicAuth = { user: 'alice', password: 'open sesame' };

const REGISTRIES: Readonly<Record<string, RegistryOptions>> = {
  'with the referrers API': { referrers: true },
  'of go-containerregistry': { referrers: false },
  'with the referrers API, TLS and basic auth': { referrers: true, tls, authority: authority.cert, basicAuth },
  'of the distribution project with TLS': {
    referrers: false,
    program: 'distribution',
    tls,
    authority: authority.cert,
  },
};

function open(
  t: Test,
  registry: { host: string; authority?: string | undefined },
  credentials: CredentialSource['credentialFor'],
): RegistryClient {
  const log = (): void => undefined;
  const trusted = registry.authority;
  const transport = createTransport({
    sources: {
      insecure: new Set(trusted === undefined ? [registry.host] : []),
      authorities: new Map(trusted === undefined ? [] : [[registry.host, [trusted]]]),
      proxies: undefined,
    },
    proxies: { httpProxy: undefined, httpsProxy: undefined, noProxy: undefined },
    log,
  });
  t.teardown(() => transport[Symbol.asyncDispose]());
  return createRegistryClient({ transport, credentials: { credentialFor: credentials }, log });
}

function descriptorOf(bytes: Uint8Array, mediaType: string): Descriptor {
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  return {
    mediaType,
    digest,
    size: bytes.length,
    annotations: new Map(),
    artifactType: undefined,
    platform: undefined,
  };
}

for (const [name, options] of Object.entries(REGISTRIES)) {
  const skip = await missingTool(...registryTools(options));
  test(`what goes up to a registry ${name} comes down again`, { skip }, async (t) => {
    await using registry = await startRegistry(options);
    const client = open(t, registry, () =>
      Promise.resolve({ kind: 'basic', username: 'alice', password: 'open sesame' }),
    );
    const repository = { registry: registry.host, repository: 'team/policy' };
    const reference = { ...repository, tag: 'v1' };
    const layer = randomBytes(9 * 1024 * 1024 + 17);
    const config = Buffer.from('{}');
    const layerDescriptor = descriptorOf(layer, 'application/vnd.wasm.content.layer.v1+wasm');
    const configDescriptor = descriptorOf(config, 'application/vnd.wasm.config.v1+json');
    await client.pushBlob(repository, layer, layerDescriptor.digest);
    await client.pushBlob(repository, config, configDescriptor.digest);
    await client.pushBlob(repository, config, configDescriptor.digest);
    const short = ({ mediaType, digest, size }: Descriptor): object => ({ mediaType, digest, size });
    const manifest = { config: short(configDescriptor), layers: [short(layerDescriptor)], schemaVersion: 2 };
    const bytes = Buffer.from(JSON.stringify(manifest));
    const digest = await client.pushManifest(reference, bytes, OCI_MANIFEST);
    t.equal(digest, descriptorOf(bytes, '').digest);

    t.equal(await client.digest(reference), digest);
    t.match(await client.manifest({ ...repository, digest }), { kind: 'manifest', digest, bytes });
    t.ok(layer.equals(await client.blob(repository, layerDescriptor, { maxBytes: layer.length })));
    const { startsAt, body } = await client.openBlob(repository, layerDescriptor, { offset: 9_000_000 });
    const pieces: Uint8Array[] = [];
    for await (const piece of body) pieces.push(piece);
    t.ok(layer.subarray(startsAt).equals(Buffer.concat(pieces)));
    t.equal(startsAt, 9_000_000, 'all of them resume');

    t.same(await client.referrers(repository, digest), []);
    const subject = { mediaType: OCI_MANIFEST, digest, size: bytes.length };
    await pushBundles(registry, 'team/policy', subject, ['{"first":1}', '{"second":2}']);
    const referrers = await client.referrers(repository, digest);
    t.equal(referrers.length, 2, options.referrers ? 'by the API' : 'by the fallback tag');
    for (const { digest: referrer } of referrers) {
      t.match(await client.manifest({ ...repository, digest: referrer }), { kind: 'manifest', subject: { digest } });
    }
    await t.rejects(client.digest({ ...repository, tag: 'none' }), {
      code: 'not-found',
      message:
        /^Fail to interact with OCI registry: Registry error: url .*, envelope: OCI API errors: \[OCI API error: .+\]$/,
    });
    const wrong = `sha256:${'0'.repeat(64)}`;
    await t.rejects(
      client.pushBlob(repository, config, wrong),
      { code: 'push-refused' },
      'a digest that is not that of the bytes',
    );
    if (options.basicAuth === undefined) return;
    const anonymous = open(t, registry, () => Promise.resolve(undefined));
    await t.rejects(anonymous.digest(reference), { code: 'not-authorized', message: /Not authorized: url https:/ });
  });
}

const skipTokens = await missingTool(...registryTools({ referrers: false }));
test('a registry behind a token service is pushed to and pulled from', { skip: skipTokens }, async (t) => {
  await using registry = await startRegistry({ referrers: false });
  await using guarded = await startTamperingProxy(registry.url, {
    tls,
    authority: authority.cert,
    tokens: { basicAuth, expiresInSeconds: 300 },
  });
  const open_ = (credentials: CredentialSource['credentialFor']): RegistryClient =>
    open(t, { host: guarded.host, authority: authority.cert }, credentials);
  const client = open_(() => Promise.resolve({ kind: 'basic', username: 'alice', password: 'open sesame' }));
  const repository = { registry: guarded.host, repository: 'team/policy' };
  const layer = randomBytes(5 * 1024 * 1024);
  const descriptor = descriptorOf(layer, 'application/vnd.wasm.content.layer.v1+wasm');
  await client.pushBlob(repository, layer, descriptor.digest);
  t.ok(layer.equals(await client.blob(repository, descriptor, { maxBytes: layer.length })));
  t.equal(guarded.tokens?.requests.length, 2, 'one token to push with, one to pull with');
  const anonymous = open_(() => Promise.resolve(undefined));
  await t.rejects(anonymous.blob(repository, descriptor, { maxBytes: layer.length }), { code: 'not-authorized' });
});
