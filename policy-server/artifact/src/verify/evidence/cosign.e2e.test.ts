import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { test } from 'tap';
import { parseImageReference } from '@portcullis/protocol';
import {
  attest,
  createCosignKeys,
  createSigstore,
  missingTool,
  signKeyless,
  signWithKey,
  startRegistry,
  startSigstoreServices,
  type PushedArtifact,
  type SigstoreIdentity,
  type TestRegistry,
} from '@portcullis/testkit';
import { ANONYMOUS } from '../../credentials/credentials.ts';
import { createRegistryClient } from '../../registry/client.ts';
import { createTransport } from '../../transport/create-transport.ts';
import { newImage } from '../test/verification-run.ts';
import { trustRootFrom } from '../trust/trust-config.ts';
import type { TrustRootSource } from '../trust/trust-root.ts';
import { collectSignatures } from './collect.ts';
import type { SignatureEvidence } from './signature.ts';

const skip = await missingTool('cosign', 'registry-referrers', 'registry-switches');
const PEM = { type: 'pkcs8', format: 'pem' } as const;
const NONE: TrustRootSource = { trustRoot: () => Promise.reject(new Error('there is no trust root')) };

async function collect(
  registry: TestRegistry,
  image: PushedArtifact,
  trustRoot: TrustRootSource = NONE,
): Promise<SignatureEvidence> {
  const log = (): void => undefined;
  await using transport = createTransport({
    sources: { insecure: new Set([registry.host]), authorities: new Map(), proxies: undefined },
    proxies: { httpProxy: undefined, httpsProxy: undefined, noProxy: undefined },
    log,
  });
  const client = createRegistryClient({ transport, credentials: ANONYMOUS, log });
  return await collectSignatures(parseImageReference(`${image.repository}:v1`), { client, trustRoot, log });
}

test('what cosign signs for an identity names that identity, in either form', { skip }, async (t) => {
  const sigstore = await createSigstore();
  await using registry = await startRegistry({ referrers: true });
  await using services = await startSigstoreServices(sigstore);
  const trustRoot: TrustRootSource = { trustRoot: () => trustRootFrom(JSON.parse(sigstore.trustedRoot())) };
  const uri = 'https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main';
  const people: SigstoreIdentity[] = [
    { email: 'jane@example.org', issuer: 'https://issuer.test' },
    { uri, issuer: 'https://token.actions.githubusercontent.com', githubRepository: 'acme/app' },
  ];
  for (const format of ['bundle', 'legacy'] as const) {
    for (const identity of people) {
      const image = await newImage(registry);
      await signKeyless({
        reference: image.immutableReference,
        format,
        identity,
        services,
        trustedRoot: sigstore.trustedRoot(),
        annotations: { env: 'prod' },
      });
      const { digest, signatures, rejected } = await collect(registry, image, trustRoot);
      t.same([digest, rejected], [image.digest, []], format);
      t.equal(signatures.length, 1);
      t.match(signatures[0]?.identity, {
        issuer: identity.issuer,
        subject: identity.email === undefined ? { kind: 'uri', value: uri } : { kind: 'email', value: identity.email },
        githubRepository: identity.githubRepository,
      });
      t.equal(signatures[0]?.annotations.get('env'), 'prod');
      t.ok(Math.abs((signatures[0]?.integratedTimeMs ?? 0) - Date.now()) < 600_000);
      const elsewhere = await collect(registry, image, {
        trustRoot: async () => trustRootFrom(JSON.parse((await createSigstore()).trustedRoot())),
      });
      t.same(elsewhere.signatures, [], 'by the trust root of somebody else');
    }
  }
});

test('what cosign signs with keys of any make is told by that key, in every form', { skip }, async (t) => {
  const makes = {
    p256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    p384: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
    rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  };
  await using registry = await startRegistry({ referrers: true });
  await using plain = await startRegistry({ referrers: false });
  const formats = ['bundle', 'legacy', 'legacy-referrer'] as const;
  const folder = t.testdir();
  for (const [name, { privateKey, publicKey }] of Object.entries(makes)) {
    const key = await createCosignKeys(folder, { name, privateKey: privateKey.export(PEM).toString() });
    for (const host of [registry, plain]) {
      const image = await newImage(host);
      for (const format of formats) {
        await signWithKey({ reference: image.immutableReference, key, format, annotations: { format } });
      }
      const { signatures, rejected } = await collect(host, image);
      t.same(rejected, [], name);
      const found = signatures.filter((signature) => signature.isSignedBy(publicKey));
      // The manifest that refers to the image repeats the layer under the tag.
      t.same(new Set(found.map(({ annotations }) => annotations.get('format'))), new Set(formats));
      const stranger = createPublicKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
      t.notOk(signatures.some((signature) => signature.isSignedBy(stranger)));
    }
  }
});

test('what cosign attests is no signature', { skip }, async (t) => {
  await using registry = await startRegistry({ referrers: true });
  const image = await newImage(registry);
  const key = await createCosignKeys(t.testdir());
  for (const format of ['bundle', 'legacy'] as const) {
    await attest({ reference: image.immutableReference, key, format, predicate: { built: 'here' } });
  }
  t.same((await collect(registry, image)).signatures, []);
});
