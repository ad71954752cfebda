import { type KeyObject, X509Certificate, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { assertBundleLatest, bundleFromJSON } from '@sigstore/bundle';
import { type Test, test } from 'tap';
import {
  type BundleOptions,
  type CertifiedSigner,
  type PushedArtifact,
  type SignOptions,
  type TestRegistry,
  createSigstore,
  missingTool,
  policyModule,
  pushBundles,
  pushPolicyModule,
  pushSignatures,
  runCosign,
  signBytes,
  signKeyless,
  simpleSigningPayload,
  startRegistry,
  startSigstoreServices,
} from '../index.ts';

// Our Sigstore is as honest as the real cosign finds it: what we call good it accepts, what we call damaged it refuses.

const skip = await missingTool('cosign', 'registry-referrers', 'registry-switches');
const identity = { email: 'jane@example.org', issuer: 'https://issuer.test' };
const claims = ['--certificate-identity', identity.email, '--certificate-oidc-issuer', identity.issuer];
const sigstore = await createSigstore();
const stranger = await createSigstore();
let images = 0;

async function newImage(registry: TestRegistry): Promise<PushedArtifact> {
  const label = `image-${(images += 1)}`;
  return pushPolicyModule(registry, label, await policyModule({ label }));
}

function trustedRoot(t: Test): string {
  return join(t.testdir({ 'root.json': sigstore.trustedRoot() }), 'root.json');
}

function verify(image: PushedArtifact, root: string, ...flags: string[]): Promise<string> {
  const given = ['--trusted-root', root, '--allow-insecure-registry', ...flags];
  return runCosign(['verify', ...given, image.immutableReference]);
}

async function signedLegacy(
  registry: TestRegistry,
  signer: CertifiedSigner,
  options?: SignOptions,
): Promise<PushedArtifact> {
  const image = await newImage(registry);
  const payload = simpleSigningPayload({ ...image, optional: { env: 'prod' } });
  await pushSignatures(registry, repositoryOf(image), image.digest, [sigstore.signLegacy(payload, signer, options)]);
  return image;
}

async function signedBundle(
  registry: TestRegistry,
  signer: CertifiedSigner,
  options?: BundleOptions,
): Promise<PushedArtifact> {
  const image = await newImage(registry);
  const bundle = await sigstore.signBundle(image.digest, signer, { annotations: { env: 'prod' }, ...options });
  await pushBundles(registry, repositoryOf(image), image.manifest, [bundle]);
  return image;
}

function repositoryOf({ repository }: PushedArtifact): string {
  return repository.slice(repository.indexOf('/') + 1);
}

test('cosign accepts what our Sigstore signed, in the classic form', { skip }, async (t) => {
  await using registry = await startRegistry({ referrers: false });
  const root = trustedRoot(t);
  const image = await signedLegacy(registry, sigstore.issue(identity));
  t.match(await verify(image, root, ...claims, '-a', 'env=prod'), identity.email);
  await t.rejects(verify(image, root, ...claims, '-a', 'env=test'), 'other annotations');
  await t.rejects(
    verify(image, root, '--certificate-identity', 'joe@example.org', ...claims.slice(2)),
    'other identity',
  );
});

test('cosign accepts what our Sigstore signed as a bundle, with and without the referrers API', { skip }, async (t) => {
  const root = trustedRoot(t);
  for (const referrers of [true, false]) {
    await using registry = await startRegistry({ referrers });
    const image = await signedBundle(registry, sigstore.issue(identity));
    t.match(await verify(image, root, ...claims, '-a', 'env=prod'), 'prod');
    const stamped = await signedBundle(registry, sigstore.issue(identity), { timestamp: true });
    await verify(stamped, root, ...claims, '--use-signed-timestamps');
    await t.rejects(verify(image, root, ...claims, '--use-signed-timestamps'), 'no timestamp');
    await t.rejects(verify(image, root, '--certificate-identity', 'joe@example.org', ...claims.slice(2)));
  }
});

test('cosign accepts bundles in a log of the second generation, which need a timestamp', { skip }, async (t) => {
  await using registry = await startRegistry({ referrers: true });
  const root = trustedRoot(t);
  const signed = (options: BundleOptions): Promise<PushedArtifact> =>
    signedBundle(registry, sigstore.issue(identity), { rekorV2: true, ...options });
  const flags = [...claims, '--use-signed-timestamps'];
  await verify(await signed({ timestamp: true }), root, ...flags);
  await t.rejects(verify(await signed({}), root, ...claims), 'without a timestamp');
  const about = { payload: Buffer.from('other') };
  await t.rejects(verify(await signed({ timestamp: true, entry: { about } }), root, ...flags), 'about another payload');
  const byKey = { timestamp: true, entry: { signingKey: generateKeyPairSync('ed25519').privateKey } };
  await t.rejects(verify(await signed(byKey), root, ...flags), 'by another key');
});

test('cosign knows the GitHub workflow of our certificates', { skip }, async (t) => {
  await using registry = await startRegistry({ referrers: true });
  const root = trustedRoot(t);
  const issuer = 'https://token.actions.githubusercontent.com';
  const uri = 'https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main';
  const signer = sigstore.issue({ uri, issuer, githubRepository: 'acme/app' });
  const flags = ['--certificate-identity', uri, '--certificate-oidc-issuer', issuer];
  const repository = (name: string): string[] => ['--certificate-github-workflow-repository', name];
  for (const image of [await signedLegacy(registry, signer), await signedBundle(registry, signer)]) {
    await verify(image, root, ...flags, ...repository('acme/app'));
    await t.rejects(verify(image, root, ...flags, ...repository('acme/other')));
  }
});

test('cosign signs with our services and accepts what it signed', { skip }, async (t) => {
  await using registry = await startRegistry({ referrers: true });
  await using services = await startSigstoreServices(sigstore);
  const root = trustedRoot(t);
  const uri = 'https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main';
  const workflow = { uri, issuer: 'https://token.actions.githubusercontent.com', githubRepository: 'acme/app' };
  for (const format of ['bundle', 'legacy'] as const) {
    for (const who of [identity, workflow]) {
      const image = await newImage(registry);
      const { immutableReference: reference } = image;
      const annotations = { env: 'prod' };
      await signKeyless({
        reference,
        format,
        identity: who,
        services,
        trustedRoot: sigstore.trustedRoot(),
        annotations,
      });
      const name = 'uri' in who ? who.uri : who.email;
      const theirs = ['--certificate-identity', name, '--certificate-oidc-issuer', who.issuer, '-a', 'env=prod'];
      t.match(await verify(image, root, ...theirs), 'prod', `${format} ${name}`);
    }
  }
});

const damages: Record<string, () => [CertifiedSigner, SignOptions]> = {
  'the signature is by another key than the certificate': () => [sigstore.issue(identity), { signingKey: ecKey() }],
  'the authority is a stranger': () => [stranger.issue(identity), {}],
  'the log is a stranger': () => [sigstore.issue(identity), { rekor: stranger.rekor }],
  'the entry is signed by another key': () => [sigstore.issue(identity), { entry: { signingKey: ecKey() } }],
  'there is no entry': () => [sigstore.issue(identity), { entry: 'absent' }],
  'the entry is from after the certificate ended': () => [
    sigstore.issue(identity, { notBefore: new Date(Date.now() - 3_600_000) }),
    {},
  ],
  'the entry is about another signature': () => [
    sigstore.issue(identity),
    { entry: { about: { signature: signBytes(Buffer.from('other'), ecKey()) } } },
  ],
  'the entry is about another certificate': () => [
    sigstore.issue(identity),
    { entry: { about: { verifier: sigstore.issue(identity).certificate.pem } } },
  ],
  'the entry is about another payload': () => [
    sigstore.issue(identity),
    { entry: { about: { payload: Buffer.from('other') } } },
  ],
  'the certificate is not for signing code': () => [sigstore.issue(identity, { purpose: 'serverAuth' }), {}],
  'the certificate was never promised to be published': () => [sigstore.issue(identity, { sct: 'absent' }), {}],
  'the promise to publish is by a stranger': () => [sigstore.issue(identity, { sct: 'stranger' }), {}],
};

test('cosign refuses what our Sigstore damaged', { skip }, async (t) => {
  await using registry = await startRegistry({ referrers: true });
  const root = trustedRoot(t);
  for (const [name, make] of Object.entries(damages)) {
    await t.rejects(verify(await signedLegacy(registry, ...make()), root, ...claims), `classic: ${name}`);
    await t.rejects(verify(await signedBundle(registry, ...make()), root, ...claims), `bundle: ${name}`);
  }
});

test('keys of every kind sign, and nothing changes what a certificate says', async (t) => {
  const payload = simpleSigningPayload({ digest: 'sha256:00', repository: 'r' });
  for (const privateKey of [ecKey(), ecKey('P-384'), generateKeyPairSync('ed25519').privateKey]) {
    const signer = sigstore.issue(identity, { privateKey });
    const certificate = new X509Certificate(signer.certificate.pem);
    t.equal(certificate.subjectAltName, `email:${identity.email}`);
    t.ok(certificate.verify(createPublicKey(signer.chain[0]!.pem)), 'issued by the intermediate');
    t.ok(certificate.publicKey.equals(createPublicKey(privateKey)));
    const { annotations } = sigstore.signLegacy(payload, signer);
    t.match(JSON.parse(annotations['dev.sigstore.cosign/bundle'] ?? ''), { Payload: { logIndex: Number } });
    const bundle = bundleFromJSON(JSON.parse(await sigstore.signBundle('sha256:00', signer, { timestamp: true })));
    t.doesNotThrow(() => assertBundleLatest(bundle), 'a whole bundle v0.3');
    t.same(Object.keys(sigstore.signLegacy(payload, { privateKey }, { entry: 'absent' }).annotations), [
      'dev.cosignproject.cosign/signature',
    ]);
  }
  t.match(JSON.parse(sigstore.trustConfig()), {
    mediaType: 'application/vnd.dev.sigstore.clienttrustconfig.v0.1+json',
    trustedRoot: { tlogs: [{}], certificateAuthorities: [{}], ctlogs: [{}], timestampAuthorities: [{}] },
  });
  t.equal(JSON.parse(sigstore.trustConfig({ rekor: [] })).trustedRoot.tlogs, undefined);
});

function ecKey(namedCurve = 'P-256'): KeyObject {
  return generateKeyPairSync('ec', { namedCurve }).privateKey;
}
