import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OCI_MANIFEST, policyModule, ProgrammableRegistry, WASM_CONFIG, WASM_LAYER } from '@portcullis/testkit';
import { test } from 'tap';
import { kwctlHere } from '../test/kwctl-here.ts';

test('pull asks the mirrors of the sources file for content, and the registry itself for tags', async (t) => {
  await using source = await ProgrammableRegistry.start();
  await using mirror = await ProgrammableRegistry.start();
  const bytes = await policyModule();
  const config = Buffer.from('{}');
  const manifest = {
    schemaVersion: 2,
    config: { mediaType: WASM_CONFIG, digest: mirror.serveBlob('hub/acme/p', config), size: config.length },
    layers: [{ mediaType: WASM_LAYER, digest: mirror.serveBlob('hub/acme/p', bytes), size: bytes.length }],
  };
  const digest = mirror.serveManifest('hub/acme/p', manifest, OCI_MANIFEST);
  source.serveManifest('acme/p', manifest, OCI_MANIFEST, ['v1']);
  const home = t.testdir({});
  mkdirSync(join(home, '.config/kubewarden'), { recursive: true });
  const sources = {
    insecure_sources: [source.host, mirror.host],
    mirrors: { [source.host]: [{ host: mirror.host, path: 'hub' }] },
  };
  writeFileSync(join(home, '.config/kubewarden/sources.yaml'), JSON.stringify(sources));
  for (const version of [':v1', `@${digest}`]) {
    const outcome = await kwctlHere(home, ['pull', `registry://${source.host}/acme/p${version}`]);
    t.same(outcome, { code: 0, stdout: '', stderr: '' }, version);
  }
  t.equal(source.count(undefined, /blobs/), 0);
  t.equal(source.count(undefined, `/v2/acme/p/manifests/${digest}`), 0, 'what is pinned comes from the mirror alone');
  t.ok(source.count(undefined, '/v2/acme/p/manifests/v1') > 0);
  t.equal(mirror.count(undefined, /manifests\/v1/), 0);
});
