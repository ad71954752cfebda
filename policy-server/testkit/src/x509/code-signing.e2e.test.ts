import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'tap';
import {
  type CodeSigningChain,
  createCodeSigningChain,
  missingProgram,
  missingTool,
  policyModule,
  pushPolicyModule,
  runCommand,
  runCosign,
  signWithCertificate,
  startRegistry,
} from '../index.ts';

const skip = missingProgram('openssl');
const skipCosign = skip || (await missingTool('cosign', 'registry-referrers'));
const identity = { email: 'jane@example.org', issuer: 'https://issuer.test' };

/** `openssl verify` with the root as only anchor. */
async function verify(folder: string): Promise<string> {
  return runCommand('openssl', ['verify', '-x509_strict', '-CAfile', 'root.crt', '-untrusted', 'mid.crt', 'leaf.crt'], {
    cwd: folder,
  });
}

function files(chain: CodeSigningChain): Record<string, string> {
  const { root, intermediate, leaf } = chain;
  return {
    'root.crt': root.cert,
    'mid.crt': intermediate.cert,
    'leaf.crt': leaf.cert,
    'chain.crt': intermediate.cert + root.cert,
  };
}

test('openssl makes chains with keys of every kind', { skip }, async (t) => {
  for (const algorithm of ['ecdsa-p256', 'ecdsa-p384', 'rsa', 'ed25519'] as const) {
    const chain = await createCodeSigningChain({ ...identity, githubRepository: 'acme/app', algorithm });
    const leaf = new X509Certificate(chain.leaf.cert);
    t.ok(leaf.verify(new X509Certificate(chain.intermediate.cert).publicKey), algorithm);
    t.equal(leaf.subjectAltName, 'email:jane@example.org');
    t.match(leaf.raw.toString('latin1'), 'acme/app');
    t.match(leaf.raw.toString('latin1'), identity.issuer);
    t.same(leaf.keyUsage, ['1.3.6.1.5.5.7.3.3']);
  }
});

test('a chain has the times and the flaws it was asked for', { skip }, async (t) => {
  const notBefore = new Date('2030-01-02T03:04:05Z');
  const future = await createCodeSigningChain({ notBefore, notAfter: new Date('2031-01-01T00:00:00Z') });
  t.same(new X509Certificate(future.leaf.cert).validFromDate, notBefore);
  for (const flaw of ['other-intermediate', 'intermediate-is-no-authority', 'intermediate-expired'] as const) {
    const chain = await createCodeSigningChain({ flaw });
    await t.rejects(verify(t.testdir(files(chain))), flaw);
  }
  const unnamed = new X509Certificate((await createCodeSigningChain({ flaw: 'no-subject-name' })).leaf.cert);
  t.equal(unnamed.subjectAltName, undefined);
  const server = new X509Certificate((await createCodeSigningChain({ flaw: 'not-for-code-signing' })).leaf.cert);
  t.same(server.keyUsage, ['1.3.6.1.5.5.7.3.1']);
});

test('cosign signs with a certificate of an authority of one’s own', { skip: skipCosign }, async (t) => {
  await using registry = await startRegistry({ referrers: true });
  const chain = await createCodeSigningChain(identity);
  const folder = t.testdir(files(chain));
  t.match(await verify(folder), 'leaf.crt: OK');
  const root = join(folder, 'trusted-root.json');
  const fulcio = `url=https://fulcio.test,certificate-chain=${join(folder, 'chain.crt')}`;
  await runCosign(['trusted-root', 'create', '--fulcio', fulcio, '--out', root]);
  const claims = ['--certificate-identity', identity.email, '--certificate-oidc-issuer', identity.issuer];
  const lax = ['--private-infrastructure', '--insecure-ignore-sct', '--allow-insecure-registry'];
  for (const format of ['bundle', 'legacy'] as const) {
    const image = await pushPolicyModule(registry, format, await policyModule({ label: format }));
    const { immutableReference: reference } = image;
    await signWithCertificate({ reference, format, signer: chain.signer, annotations: { env: 'prod' } });
    const flags = ['--trusted-root', root, ...lax, '-a', 'env=prod'];
    t.match(await runCosign(['verify', ...flags, ...claims, reference]), 'prod', format);
    await t.rejects(
      runCosign(['verify', ...flags, '--certificate-identity', 'joe@example.org', ...claims.slice(2), reference]),
    );
  }
});
