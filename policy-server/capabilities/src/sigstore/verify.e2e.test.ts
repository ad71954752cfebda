import { join } from 'node:path';
import { trustRootFromConfig, type ArtifactLogRecord } from '@portcullis/artifact';
import {
  createCodeSigningChain,
  createSigstore,
  missingProgram,
  missingTool,
  ProgrammableRegistry,
  pushArtifact,
  pushBundles,
  registryTools,
  signWithCertificate,
  startRegistry,
} from '@portcullis/testkit';
import { test } from 'tap';
import { openHost, type Host } from '../test/registry-host.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const PREFIX = 'Callback evaluation failure: ';
const skip = missingProgram('openssl') || (await missingTool('cosign', ...registryTools({ referrers: true })));
const bytesOf = (text: string): number[] => [...Buffer.from(text)];

function image(registry: ProgrammableRegistry): string {
  const config = { mediaType: 'application/json', digest: registry.serveBlob('app', Buffer.from('{}')), size: 2 };
  return registry.serveManifest('app', { schemaVersion: 2, mediaType: MANIFEST, config, layers: [] }, MANIFEST, ['v1']);
}

test('SigstoreCertificateVerify: what the certificate signed is trusted, and nothing else is', { skip }, async (t) => {
  await using registry = await startRegistry({ referrers: true });
  await using host = openHost(registry.host);
  const chain = await createCodeSigningChain({ email: 'jane@example.org' });
  const other = await createCodeSigningChain({ email: 'jane@example.org' });
  const unrelated = await createCodeSigningChain({});
  const layers = [{ mediaType: 'application/octet-stream', bytes: Buffer.from('an image') }];
  for (const format of ['bundle', 'legacy'] as const) {
    const { immutableReference: reference, digest } = await pushArtifact(registry, format, { layers, tag: 'v1' });
    await signWithCertificate({ reference, format, signer: chain.signer, annotations: { env: 'prod' } });
    await signWithCertificate({ reference, format, signer: other.signer, annotations: { env: 'test' } });
    const verify = (changes: object = {}): Promise<unknown> =>
      host.ask('v2/verify', {
        type: 'SigstoreCertificateVerify',
        image: `${registry.host}/${format}:v1`,
        certificate: bytesOf(chain.leaf.cert),
        certificate_chain: [chain.intermediate, chain.root].map(({ cert }) => bytesOf(cert)),
        require_rekor_bundle: false,
        annotations: null,
        ...changes,
      });
    const trusted = { is_trusted: true, digest };
    t.same(await verify(), trusted, format);
    t.same(await verify({ annotations: undefined }), trusted, 'annotations may be absent');
    t.same(await verify({ annotations: {} }), trusted);
    t.same(await verify({ annotations: { env: 'prod' } }), trusted);
    t.same(await verify({ certificate_chain: null }), trusted, 'without a chain the certificate is trusted as it is');
    const refusals: [object, RegExp][] = [
      [{ annotations: { env: 'test' } }, /verification failed: .*env/],
      [{ annotations: { env: 'prod', more: '' } }, /verification failed: /],
      [{ certificate: bytesOf(unrelated.leaf.cert), certificate_chain: null }, /not made with the key/],
      [{ certificate_chain: [bytesOf(other.root.cert)] }, /issued by nobody in the certificate chain/],
      [{ certificate_chain: [] }, /issued by nobody in the certificate chain/],
      [{ certificate: [1, 2, 3] }, /the certificate cannot be read/],
      [{ certificate: [] }, /the certificate cannot be read/],
      [{ require_rekor_bundle: true }, /verification failed: |trust root/],
    ];
    for (const [changes, message] of refusals) await t.rejects(verify(changes), { message }, `${format} ${message}`);
    await t.rejects(verify({ require_rekor_bundle: undefined }), { message: 'missing field `require_rekor_bundle`' });
  }
});

test('an image that is not there is another answer than one that nobody signed, and not a lasting one', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  await using host = openHost(registry.host);
  const reference = `${registry.host}/app:v1`;
  const verify = (): Promise<unknown> =>
    host.ask('v2/verify', { type: 'SigstoreGithubActionsVerify', image: reference, owner: 'octo' });
  await t.rejects(verify(), {
    message: new RegExp(`^${PREFIX}failed to get image trusted layers: Cannot fetch manifest of ${reference}: `),
  });
  image(registry);
  const unsigned = { message: `${PREFIX}no signatures found for image: ${reference} ` };
  await t.rejects(verify(), unsigned, 'it came a moment later');
  const asked = registry.count('HEAD', /\.sig$/) + registry.count('GET', /referrers/);
  for (let i = 0; i < 5; i++) await t.rejects(verify(), unsigned);
  t.equal(
    registry.count('HEAD', /\.sig$/) + registry.count('GET', /referrers/),
    asked,
    'that nobody signed is known for a while',
  );
});

test('a registry that fails half of the way never makes an image trusted, and is named', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  await using host = openHost(registry.host);
  image(registry);
  registry.route('GET', /\.sig$/, { status: 500 });
  registry.route('GET', /\/referrers\//, { status: 503 });
  const asked = host.ask('v2/verify', {
    type: 'SigstoreGithubActionsVerify',
    image: `${registry.host}/app:v1`,
    owner: 'octo',
  });
  await t.rejects(asked, { message: new RegExp(`failed to get image trusted layers: .*${registry.host}/v2/app/`) });
});

test(
  'keyless: who signed is compared exactly, and roots that do not come cost a policy its budget',
  { skip },
  async (t) => {
    await using registry = await startRegistry({ referrers: true });
    const sigstore = await createSigstore();
    const layers = [{ mediaType: 'application/octet-stream', bytes: Buffer.from('an image') }];
    const signed = await pushArtifact(registry, 'signed', { layers, tag: 'v1' });
    const issuer = 'https://token.actions.githubusercontent.com';
    const uri = 'https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main';
    const signer = sigstore.issue({ uri, issuer, githubRepository: 'acme/app' });
    await pushBundles(registry, 'signed', signed.manifest, [await sigstore.signBundle(signed.digest, signer)]);
    const ask = (host: Host, request: object, remainingMs?: number): Promise<unknown> =>
      host.ask('v2/verify', { image: signed.immutableReference, ...request }, remainingMs);
    const keyless = { type: 'SigstoreKeylessVerify', keyless: [{ issuer, subject: uri }] };
    const prefixed = (url_prefix: string): object => ({
      type: 'SigstoreKeylessPrefixVerify',
      keyless_prefix: [{ issuer, url_prefix }],
    });
    const github = { type: 'SigstoreGithubActionsVerify', owner: 'acme', repo: 'app' };
    {
      const trustRoot = trustRootFromConfig(join(t.testdir({ 'trust.json': sigstore.trustConfig() }), 'trust.json'));
      await using host = openHost(registry.host, { trustRoot });
      const trusted = { is_trusted: true, digest: signed.digest };
      t.same(await ask(host, keyless), trusted);
      t.same(await ask(host, prefixed('https://github.com/acme')), trusted);
      t.same(await ask(host, github), trusted);
      t.same(await ask(host, { ...github, repo: null }), trusted);
      for (const request of [
        { ...keyless, keyless: [{ issuer, subject: 'https://github.com/acme/app' }] },
        {
          ...keyless,
          keyless: [
            { issuer, subject: uri },
            { issuer, subject: 'somebody else' },
          ],
        },
        prefixed('https://github.com/ac'),
        { ...github, owner: 'acm' },
        { ...github, repo: 'other' },
        { ...keyless, annotations: { env: 'prod' } },
      ])
        await t.rejects(ask(host, request), {
          message: /^Callback evaluation failure: Image verification failed: missing signatures/,
        });
    }
    {
      await using host = openHost(registry.host, { trustRoot: { trustRoot: () => new Promise(() => {}) } });
      const startedMs = performance.now();
      await t.rejects(ask(host, keyless, 800), {
        message: new RegExp(`^${PREFIX}no answer about ${signed.immutableReference} in time`),
      });
      t.ok(performance.now() - startedMs < 800);
    }
    const warnings: string[] = [];
    const log = ({ level, message }: ArtifactLogRecord): void => void (level === 'warn' && warnings.push(message));
    await using host = openHost(registry.host, { log });
    for (let i = 0; i < 3; i++) await t.rejects(ask(host, keyless), { message: /there is no Sigstore trust root/ });
    t.match(warnings, [/^Cannot create Sigstore trust root/]);
    t.equal(warnings.length, 1, 'said once');
  },
);
