import {
  createCosignKeys,
  missingTool,
  ProgrammableRegistry,
  pushArtifact,
  registryTools,
  signWithKey,
  startRegistry,
} from '@portcullis/testkit';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'tap';
import { openHost } from './test/registry-host.ts';

const INDEX = 'application/vnd.oci.image.index.v1+json';
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

test('images: digest, manifest and configuration are those of the registry', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  await using host = openHost(registry.host);
  const config = JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    config: { User: '1000', ExposedPorts: { '80/tcp': {} } },
  });
  const configDigest = registry.serveBlob('app', Buffer.from(config));
  const descriptor = (digest: string, size: number, mediaType: string) => ({ mediaType, digest, size });
  const manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: { ...descriptor(configDigest, config.length, 'application/vnd.oci.image.config.v1+json'), 'x-own': 1 },
    layers: [],
    annotations: { a: 'b' },
    'x-registry': 'added',
  };
  const digest = registry.serveManifest('app', manifest, MANIFEST, ['v1']);
  const { 'x-registry': own, ...known } = manifest;
  const seen = {
    ...known,
    config: descriptor(configDigest, config.length, 'application/vnd.oci.image.config.v1+json'),
  };
  t.equal(own, 'added');
  const at = (tag: string): string => `${registry.host}/${tag}`;
  t.same(await host.ask('v1/manifest_digest', at('app:v1')), { digest });
  t.same(await host.ask('v1/oci_manifest', at('app:v1')), seen);
  t.same(await host.ask('v1/oci_manifest_config', at('app:v1')), {
    manifest: seen,
    digest,
    config: JSON.parse(config),
  });

  const size = JSON.stringify(manifest).length;
  const platforms = ['amd64', 'arm64'].map((architecture) => ({
    ...descriptor(digest, size, MANIFEST),
    platform: { architecture, os: process.platform },
  }));
  const index = { schemaVersion: 2, mediaType: INDEX, manifests: platforms };
  const indexDigest = registry.serveManifest('app', index, INDEX, ['multi']);
  t.same(await host.ask('v1/manifest_digest', at('app:multi')), { digest: indexDigest });
  t.same(await host.ask('v1/oci_manifest', at('app:multi')), index, 'an index is shown as it is');
  t.match(await host.ask('v1/oci_manifest_config', at('app:multi')), { digest, config: { os: 'linux' } });
});

test('images: what goes wrong is told to the policy in words that name it', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  await using host = openHost(registry.host);
  const failure = (ask: Promise<unknown>): Promise<string> =>
    ask.then(
      () => 'answered',
      (error: unknown) => (error instanceof Error ? error.message : ''),
    );
  const prefix = 'Callback evaluation failure: ';
  t.match(await failure(host.ask('v1/manifest_digest', 'A B')), `${prefix}Invalid OCI image reference: `);
  t.match(await failure(host.ask('v1/manifest_digest', `${registry.host}/none:v1`)), new RegExp(`^${prefix}.*none`));
  registry.route('GET', '/v2/slow/manifests/v1', { delayMs: 10_000 });
  const startedMs = performance.now();
  t.match(
    await failure(host.ask('v1/manifest_digest', `${registry.host}/slow:v1`, 500)),
    `${prefix}no answer about ${registry.host}/slow:v1 in time: its registry is slow or cannot be reached`,
    'TC12 before the deadline of the policy',
  );
  t.ok(performance.now() - startedMs < 490);
  registry.route('GET', '/v2/limited/manifests/v1', { status: 429, headers: { 'retry-after': '5' } });
  const limitedMs = performance.now();
  t.match(await failure(host.ask('v1/manifest_digest', `${registry.host}/limited:v1`)), /429|limit/, 'C7');
  t.ok(performance.now() - limitedMs < 1000, 'told at once');
  await using other = openHost(registry.host);
  const bad = registry.serveBlob('bad', Buffer.from('<html>'));
  const config = { mediaType: 'application/json', digest: bad, size: 6 };
  registry.serveManifest('bad', { schemaVersion: 2, config, layers: [] }, MANIFEST, ['v1']);
  t.match(
    await failure(other.ask('v1/oci_manifest_config', `${registry.host}/bad:v1`)),
    `${prefix}the configuration of ${registry.host}/bad:v1 is no JSON`,
  );
  for (const [request, text] of [
    [{ type: 'SigstorePubKeyVerify', pub_keys: [] }, 'Must provide at least one pub key'],
    [{ type: 'SigstoreKeylessVerify', keyless: [] }, 'Must provide keyless info'],
    [{ type: 'SigstoreKeylessPrefixVerify', keyless_prefix: [] }, 'Must provide keyless info'],
    [{ type: 'SigstoreKeylessPrefixVerify', keyless_prefix: [{ issuer: 'i', url_prefix: 'x' }] }, 'Invalid url_prefix'],
    [{ type: 'SigstoreGithubActionsVerify', owner: '' }, 'Must provide owner info'],
  ] as const) {
    const asked = other.ask('v2/verify', { image: `${registry.host}/bad:v1`, ...request });
    t.match(await failure(asked), `${prefix}${text}`);
  }
});

test(
  'signatures: an image signed by the right key is trusted, and nothing else is',
  { skip: await missingTool('cosign', ...registryTools({ referrers: true })) },
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'capabilities-'));
    t.teardown(() => rm(folder, { recursive: true, force: true }));
    await using registry = await startRegistry({ referrers: true });
    await using host = openHost(registry.host);
    const keys = await createCosignKeys(folder);
    const bytes = Buffer.from('an image');
    const layers = [{ mediaType: 'application/octet-stream', bytes }];
    const signed = await pushArtifact(registry, 'signed', { layers, tag: 'v1' });
    const unsigned = await pushArtifact(registry, 'unsigned', { layers, tag: 'v1' });
    await signWithKey({
      reference: signed.immutableReference,
      key: keys,
      format: 'bundle',
      annotations: { env: 'prod' },
    });
    const pub_keys = [await readFile(keys.publicKeyPath, 'utf8')];
    const verify = (image: string, annotations?: object): Promise<unknown> =>
      host.ask('v2/verify', { type: 'SigstorePubKeyVerify', image, pub_keys, annotations: annotations ?? null });
    const trusted = { is_trusted: true, digest: signed.digest };
    t.same(await verify(`${signed.repository}:v1`), trusted);
    t.same(await verify(`${signed.repository}:v1`, { env: 'prod' }), trusted);
    const v1 = { SigstorePubKeyVerify: { image: signed.immutableReference, pub_keys, annotations: null } };
    t.same(await host.ask('v1/verify', v1), trusted);
    await t.rejects(
      verify(`${signed.repository}:v1`, { env: 'test' }),
      /Image verification failed: missing signatures/,
    );
    await t.rejects(verify(unsigned.immutableReference), /no signatures found for image: /);
    const keyless = [{ issuer: 'https://issuer', subject: 'somebody' }];
    await t.rejects(
      host.ask('v2/verify', { type: 'SigstoreKeylessVerify', image: signed.immutableReference, keyless }),
      /missing signatures|trust root/,
    );
  },
);
