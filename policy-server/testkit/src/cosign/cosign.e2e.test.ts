import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'tap';
import {
  attest,
  callRegistry,
  createAuthority,
  createCosignKeys,
  createServerCertificate,
  missingTool,
  policyModule,
  pushPolicyModule,
  runCosign,
  signWithKey,
  startRegistry,
} from '../index.ts';

const skip = await missingTool('cosign', 'registry-referrers', 'registry-switches');
const PEM = { type: 'pkcs8', format: 'pem' } as const;

/** `cosign verify` with a key, as an operator would without any service. */
async function verify(reference: string, publicKeyPath: string, ...flags: string[]): Promise<string> {
  const offline = ['--insecure-ignore-tlog', '--allow-insecure-registry', ...flags];
  return runCosign(['verify', '--key', publicKeyPath, ...offline, reference]);
}

for (const referrers of [true, false]) {
  test(`cosign signs with keys, referrers API ${referrers ? 'present' : 'absent'}`, { skip }, async (t) => {
    await using registry = await startRegistry({ referrers });
    const folder = t.testdir();
    const keys = await createCosignKeys(folder);
    const other = await createCosignKeys(folder, { name: 'other' });
    t.match(keys.publicKey, /BEGIN PUBLIC KEY/);
    for (const format of ['bundle', 'legacy', 'legacy-referrer'] as const) {
      const { immutableReference: reference } = await pushPolicyModule(
        registry,
        `policies/${format}`,
        await policyModule({ label: format }),
      );
      await signWithKey({ reference, key: keys, format, annotations: { env: 'prod' } });
      // cosign 3 finds a classic payload as referrer no longer by itself.
      if (format === 'legacy-referrer') continue;
      t.match(await verify(reference, keys.publicKeyPath, '-a', 'env=prod'), 'prod', format);
      await t.rejects(verify(reference, other.publicKeyPath), format);
      await t.rejects(verify(reference, keys.publicKeyPath, '-a', 'env=test'), format);
    }
  });
}

test('cosign signs with keys of other makes, over TLS and with credentials', { skip }, async (t) => {
  const authority = await createAuthority('registry-ca');
  const tls = await createServerCertificate(authority);
  const basicAuth = { user: 'alice', password: 'secret' };
  await using registry = await startRegistry({ referrers: true, tls, authority: authority.cert, basicAuth });
  const makes = {
    rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export(PEM),
    'ecdsa-p384': generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey.export(PEM),
  };
  const flags = ['--registry-username', 'alice', '--registry-password', 'secret'];
  const folder = t.testdir({ 'ca.crt': authority.cert });
  for (const [name, privateKey] of Object.entries(makes)) {
    const key = await createCosignKeys(folder, { name, privateKey: privateKey.toString() });
    const { immutableReference: reference } = await pushPolicyModule(
      registry,
      `policies/${name}`,
      await policyModule({ label: name }),
    );
    for (const format of ['bundle', 'legacy'] as const) await signWithKey({ reference, key, format, registry });
    // It signs with the hash that belongs to the curve, and verifies with SHA-256 unless told otherwise.
    const hash = name === 'rsa' ? 'sha256' : 'sha384';
    const given = ['--signature-digest-algorithm', hash, '--registry-cacert', join(folder, 'ca.crt')];
    await verify(reference, key.publicKeyPath, ...flags, ...given);
  }
});

test('cosign attests', { skip }, async (t) => {
  await using registry = await startRegistry({ referrers: true });
  const key = await createCosignKeys(t.testdir());
  const pushed = await pushPolicyModule(registry, 'policy', await policyModule());
  const { immutableReference: reference } = pushed;
  await attest({ reference, key, format: 'bundle', predicate: { built: 'here' } });
  await attest({ reference, key, format: 'legacy', predicate: { built: 'here' } });
  const referrers = await callRegistry(registry, 'GET', `/v2/policy/referrers/${pushed.digest}`);
  t.match(JSON.parse(referrers.body.toString()).manifests, [
    { annotations: { 'dev.sigstore.bundle.predicateType': 'https://cosign.sigstore.dev/attestation/v1' } },
  ]);
  const tag = `/v2/policy/manifests/${pushed.digest.replace(':', '-')}.att`;
  t.equal((await callRegistry(registry, 'GET', tag)).status, 200);
});
