import { parseModuleLocation, parseSources } from '@portcullis/artifact';
import { OCI_MANIFEST, policyModule, ProgrammableRegistry, WASM_CONFIG, WASM_LAYER } from '@portcullis/testkit';
import { test } from 'tap';
import { openPolicyOrigins } from './policy-origins.ts';

test('policies come from the mirrors of the sources file', async (t) => {
  await using source = await ProgrammableRegistry.start();
  await using mirror = await ProgrammableRegistry.start();
  const bytes = await policyModule();
  const config = Buffer.from('{}');
  const manifest = {
    schemaVersion: 2,
    config: { mediaType: WASM_CONFIG, digest: mirror.serveBlob('acme/p', config), size: config.length },
    layers: [{ mediaType: WASM_LAYER, digest: mirror.serveBlob('acme/p', bytes), size: bytes.length }],
  };
  mirror.serveManifest('acme/p', manifest, OCI_MANIFEST, ['v1']);
  const text = JSON.stringify({
    insecure_sources: [mirror.host],
    mirrors: { [source.host]: [{ host: mirror.host, resolve: true }] },
  });
  const readFile = (): Promise<Uint8Array> => Promise.reject(new Error('no files here'));
  await using origins = openPolicyOrigins(
    {
      downloadDir: t.testdir({}),
      downloadTimeoutMs: 10_000,
      sources: await parseSources(text, { name: 'sources.yml', readFile }),
      proxies: { httpProxy: undefined, httpsProxy: undefined, noProxy: undefined },
      dockerConfigFolder: t.testdirName,
      verification: undefined,
      trustConfigPath: undefined,
      trustCacheFolder: t.testdirName,
      warnings: [],
    },
    { log: () => undefined },
  );
  const read = await origins.fetch(parseModuleLocation(`registry://${source.host}/acme/p:v1`));
  t.equal((await read()).bytes.length, bytes.length);
  t.equal(source.count(), 0, 'a mirror that resolves tags is enough');
});
