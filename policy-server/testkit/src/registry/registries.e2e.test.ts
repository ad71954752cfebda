import { test } from 'tap';
import {
  type RegistryOptions,
  callRegistry,
  createAuthority,
  createServerCertificate,
  missingTool,
  policyModule,
  pushArtifact,
  pushBundles,
  pushManifest,
  pushPolicyModule,
  pushSignatures,
  registryTools,
  startRegistry,
  startTamperingProxy,
} from '../index.ts';
import { OCI_MANIFEST, WASM_LAYER } from './artifact.ts';

const ACCEPT = { accept: OCI_MANIFEST };
const authority = await createAuthority('registry-ca');
const tls = await createServerCertificate(authority);
const basicAuth = { user: 'alice', password: 'open sesame' };

const REGISTRIES: Record<string, RegistryOptions> = {
  'with referrers': { referrers: true },
  'without referrers': { referrers: false },
  'with referrers, TLS and basic auth': { referrers: true, tls, authority: authority.cert, basicAuth },
  'of the distribution project': { referrers: false, program: 'distribution' },
  'of the distribution project with TLS': { referrers: false, program: 'distribution', tls, authority: authority.cert },
};

for (const [name, options] of Object.entries(REGISTRIES)) {
  const skip = await missingTool(...registryTools(options));
  test(`a registry ${name} keeps what it is given`, { skip }, async (t) => {
    await using registry = await startRegistry(options);
    const bytes = await policyModule({ label: name });
    const pushed = await pushPolicyModule(registry, 'team/policy', bytes);
    t.match(pushed.immutableReference, /^127\.0\.0\.1:\d+\/team\/policy@sha256:[0-9a-f]{64}$/);
    const manifest = await callRegistry(registry, 'GET', '/v2/team/policy/manifests/v1', { headers: ACCEPT });
    t.equal(manifest.headers['docker-content-digest'], pushed.digest);
    const [layer] = JSON.parse(manifest.body.toString()).layers;
    t.equal(layer.mediaType, WASM_LAYER);
    const blob = await callRegistry(registry, 'GET', `/v2/team/policy/blobs/${layer.digest}`);
    t.same(blob.body, Buffer.from(bytes));
    const range = { range: `bytes=10-${bytes.length - 1}` };
    const rest = await callRegistry(registry, 'GET', `/v2/team/policy/blobs/${layer.digest}`, { headers: range });
    t.same([rest.status, rest.body], [206, Buffer.from(bytes.subarray(10))]);
    const signature = { payload: Buffer.from('{}'), annotations: { 'dev.cosignproject.cosign/signature': 'AA==' } };
    const { repository } = await pushSignatures(registry, 'team/policy', pushed.digest, [signature]);
    t.equal(repository, `${registry.host}/team/policy`);
    const tag = `/v2/team/policy/manifests/${pushed.digest.replace(':', '-')}`;
    t.equal((await callRegistry(registry, 'HEAD', `${tag}.sig`, { headers: ACCEPT })).status, 200);

    await pushBundles(registry, 'team/policy', pushed.manifest, ['{"first":1}']);
    await pushBundles(registry, 'team/policy', pushed.manifest, ['{"second":2}']);
    const referrers = await callRegistry(registry, 'GET', `/v2/team/policy/referrers/${pushed.digest}`);
    t.equal(referrers.status, options.referrers ? 200 : 404);
    const listed = options.referrers ? referrers : await callRegistry(registry, 'GET', tag);
    t.equal(JSON.parse(listed.body.toString()).manifests.length, 2);
    if (options.basicAuth !== undefined) {
      const anonymous = { url: registry.url, authority: registry.authority };
      t.equal((await callRegistry(anonymous, 'GET', '/v2/')).status, 401);
    }
  });
}

test('a registry is not started with what its program cannot do', async (t) => {
  t.throws(() => registryTools({ referrers: true, program: 'distribution' }), /without referrers/);
  t.throws(() => registryTools({ referrers: true, program: 'referrers', basicAuth }), /plain http/);
});

test('a tampering proxy asks for tokens and lets pushes through', async (t) => {
  const options: RegistryOptions = { referrers: true };
  if (await missingTool(...registryTools(options))) return;
  await using upstream = await startRegistry(options);
  await using proxy = await startTamperingProxy(upstream, { tokens: {} });
  t.equal((await callRegistry(proxy, 'GET', '/v2/')).status, 401);
  await using open = await startTamperingProxy(upstream);
  const pushed = await pushArtifact(open, 'a', { layers: [{ mediaType: WASM_LAYER, bytes: await policyModule() }] });
  const index = {
    mediaType: 'application/vnd.oci.image.index.v1+json',
    schemaVersion: 2,
    manifests: [pushed.manifest],
  };
  t.match((await pushManifest(open, 'a', index, 'multi')).digest, /^sha256:/);
});
