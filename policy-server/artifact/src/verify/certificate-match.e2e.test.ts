import { createPrivateKey, generateKeyPairSync, sign, verify, type KeyObject } from 'node:crypto';
import {
  createCodeSigningChain,
  missingTool,
  onPath,
  signWithCertificate,
  startRegistry,
  type ChainFlaw,
  type CodeSigningChain,
} from '@portcullis/testkit';
import { test } from 'tap';
import type { CertificateRequirement } from './config/requirement.ts';
import type { Signature } from './evidence/signature.ts';
import { judge } from './judge.ts';
import { newImage, openRun } from './test/verification-run.ts';

const skip = onPath('openssl') ? false : 'openssl is not installed';
const skipCosign = skip || (await missingTool('cosign', 'registry-referrers'));
const HOUR_MS = 3_600_000;

/** A signature by this private key, and whatever else was proven about it. */
function signature(privateKey: string | KeyObject, proven: Partial<Signature> = {}): Signature {
  const key = typeof privateKey === 'string' ? createPrivateKey(privateKey) : privateKey;
  const hash = key.asymmetricKeyType === 'ed25519' ? null : 'sha256';
  const payload = Buffer.from('payload');
  const bytes = sign(hash, payload, key);
  return {
    origin: 'cosign-tag',
    annotations: new Map(),
    isSignedBy: (publicKey) => verify(hash, payload, publicKey, bytes),
    identity: undefined,
    integratedTimeMs: undefined,
    certificate: undefined,
    ...proven,
  };
}

function requirementOf(made: CodeSigningChain, changes: Partial<CertificateRequirement> = {}): CertificateRequirement {
  return {
    kind: 'certificate',
    certificate: made.leaf.cert,
    chain: [made.intermediate.cert, made.root.cert],
    requireRekorBundle: false,
    annotations: undefined,
    ...changes,
  };
}

async function outcome(
  requirement: CertificateRequirement,
  signatures: readonly Signature[],
  now = new Date(),
): Promise<string> {
  const evidence = { digest: `sha256:${'a'.repeat(64)}`, signatures, rejected: [] };
  try {
    await judge({ allOf: [requirement], anyOf: undefined }, evidence, { log: () => {}, now });
    return 'ok';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

test('certificates of every key type, issued by an authority of our own', { skip }, async (t) => {
  for (const algorithm of ['ecdsa-p256', 'rsa', 'ecdsa-p384', 'ed25519'] as const) {
    const made = await createCodeSigningChain({ algorithm });
    const signatures = [signature(made.leaf.key)];
    t.equal(await outcome(requirementOf(made), signatures), 'ok', algorithm);
    t.equal(
      await outcome(requirementOf(made, { chain: undefined }), signatures),
      'ok',
      `${algorithm}: trusted as it is`,
    );
    t.equal(
      await outcome(requirementOf(made, { chain: [made.intermediate.cert] }), signatures),
      'ok',
      `${algorithm}: its issuer`,
    );
    const refused = 'verification failed: the certificate was issued by nobody in the certificate chain';
    t.equal(
      await outcome(requirementOf(made, { chain: [made.root.cert] }), signatures),
      refused,
      `${algorithm}: a gap`,
    );
    t.equal(await outcome(requirementOf(made, { chain: [] }), signatures), refused, `${algorithm}: an empty chain`);
  }
});

test('a certificate that is not fit for its purpose proves nothing', { skip }, async (t) => {
  const flaws: Partial<Record<ChainFlaw, RegExp>> = {
    'not-for-code-signing': /^verification failed: the certificate is not for signing code$/,
    'no-extended-key-usage': /the certificate is not for signing code/,
    'no-key-usage': /the certificate has no key usage/,
    'no-subject-name': /the certificate has no subject alternative name/,
    'other-intermediate': /issued by nobody in the certificate chain/,
    'intermediate-is-no-authority': /issued by nobody in the certificate chain/,
  };
  for (const [flaw, message] of Object.entries(flaws)) {
    const made = await createCodeSigningChain({ flaw: flaw as ChainFlaw });
    t.match(await outcome(requirementOf(made), [signature(made.leaf.key)]), message, flaw);
  }
  const made = await createCodeSigningChain();
  const signatures = [signature(made.leaf.key)];
  const at = (hours: number): Date => new Date(Date.now() + hours * HOUR_MS);
  t.match(await outcome(requirementOf(made), signatures, at(2)), /the certificate has expired/);
  t.equal(
    await outcome(requirementOf(made, { chain: undefined }), signatures, at(2)),
    'ok',
    'without chain it is trusted as it is',
  );
  t.match(await outcome(requirementOf(made), signatures, at(-2)), /the certificate is not valid yet/);
  t.match(
    await outcome(requirementOf(made, { chain: undefined }), signatures, at(-2)),
    /the certificate is not valid yet/,
  );
  t.match(await outcome(requirementOf(made, { certificate: '' }), signatures), /the certificate cannot be read: /);
  t.match(
    await outcome(requirementOf(made, { certificate: made.leaf.key }), signatures),
    /the certificate cannot be read: /,
  );
  t.match(
    await outcome(requirementOf(made, { chain: ['x'] }), signatures),
    /in the certificate chain, the certificate cannot be read: /,
  );
  const authority = requirementOf(made, { certificate: made.intermediate.cert, chain: [made.root.cert] });
  t.match(await outcome(authority, [signature(made.intermediate.key)]), /the certificate is not for signing code/);
});

test('key, log time and annotations must all be those of one signature', { skip }, async (t) => {
  const made = await createCodeSigningChain();
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const annotations = new Map([['env', 'prod']]);
  const required = requirementOf(made, { annotations });
  t.equal(await outcome(required, [signature(made.leaf.key, { annotations })]), 'ok');
  t.match(
    await outcome(required, [signature(made.leaf.key), signature(other, { annotations })]),
    'verification failed: its annotation "env" is none, not "prod"; it was not made with the key of the certificate',
  );
  const logged = requirementOf(made, { requireRekorBundle: true });
  const nowMs = Date.now();
  t.equal(await outcome(logged, [signature(made.leaf.key, { integratedTimeMs: nowMs })]), 'ok');
  t.match(await outcome(logged, [signature(made.leaf.key)]), /no transparency log has seen it/);
  t.match(
    await outcome(logged, [signature(made.leaf.key), signature(other, { integratedTimeMs: nowMs })]),
    /no transparency log/,
  );
  for (const hours of [-2, 2]) {
    const late = signature(made.leaf.key, { integratedTimeMs: nowMs + hours * HOUR_MS });
    t.match(await outcome(logged, [late]), /it was logged when the certificate was not valid/);
    t.match(await outcome(requirementOf(made), [late]), /it was logged when the certificate was not valid/);
  }
  t.equal(await outcome(required, []), 'verification failed: there is no signature');
});

test('what cosign signed with a certificate, in a registry', { skip: skipCosign }, async (t) => {
  await using registry = await startRegistry({ referrers: true });
  const made = await createCodeSigningChain({ email: 'jane@example.org' });
  const other = await createCodeSigningChain({ email: 'jane@example.org' });
  for (const format of ['bundle', 'legacy'] as const) {
    const image = await newImage(registry);
    const annotations = { env: 'prod' };
    const { signer } = made;
    await signWithCertificate({ reference: image.immutableReference, signer, format, annotations });
    const outcomeOf = async (requirement: CertificateRequirement): Promise<string> => {
      await using run = openRun(registry, { config: { allOf: [requirement], anyOf: undefined } });
      return await run.outcome(image);
    };
    const wanted = requirementOf(made, { annotations: new Map(Object.entries(annotations)) });
    t.equal(await outcomeOf(wanted), 'ok', format);
    t.equal(
      await outcomeOf({ ...wanted, annotations: new Map([['env', 'test']]) }),
      'verification-failed: verification failed: its annotation "env" is "prod", not "test"',
      format,
    );
    t.equal(
      await outcomeOf(requirementOf(other)),
      'verification-failed: verification failed: it was not made with the key of the certificate',
      `${format}: another certificate of the same name`,
    );
    t.match(
      await outcomeOf({ ...wanted, requireRekorBundle: true }),
      /^(?:trust-root-unavailable|verification-failed): verification failed: no transparency log has seen it/,
      format,
    );
  }
});
