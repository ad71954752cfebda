import { missingProgram } from '@portcullis/testkit';
import { test } from 'tap';
import { createCertificateHandler } from './certificate-handler.ts';
import { NAMES } from './test/name-cases.ts';
import { end, LIMITS, otherReason, root, SHAPES, TIMES, type PathCase } from './test/path-cases.ts';
import { authority, leaf, NOW, opensslSigned, opensslVerdict, type Made } from './test/pki.ts';

function chainOf(kind: string): Pick<PathCase, 'leaf' | 'chain'> {
  const [a, b, c] = [`${kind}:root`, `${kind}:mid`, `${kind}:end`] as const;
  return {
    leaf: leaf({ subject: c, issuer: b }),
    chain: [authority({ subject: b, issuer: a }), authority({ subject: a })],
  };
}

function ask(end: Made, chain: readonly Made[]): Promise<unknown> {
  const answer = createCertificateHandler({ now: () => NOW });
  const encoded = (made: Made, i: number) =>
    i % 2 === 0
      ? { encoding: 'Der' as const, data: [...made.der] }
      : { encoding: 'Pem' as const, data: [...Buffer.from(made.pem)] };
  const request = { cert: encoded(end, 1), cert_chain: chain.map(encoded) };
  const context = { policyId: 'p', signal: new AbortController().signal };
  return answer({ type: 'CryptoIsCertificateTrusted', request }, context);
}

const skip = missingProgram('openssl');
for (const [title, cases] of Object.entries({ SHAPES, TIMES, LIMITS, NAMES })) {
  test(`paths are judged as openssl does: ${title.toLowerCase()}`, { skip }, async (t) => {
    for (const { name, leaf: end, chain, reason, opensslDiffers } of cases) {
      t.same(
        await ask(end, chain),
        new Map<string, unknown>([
          ['trusted', reason === ''],
          ['reason', reason],
        ]),
        name,
      );
      const verdict = await opensslVerdict(end, chain);
      t.equal(
        verdict === undefined,
        (reason === '') === (opensslDiffers === undefined),
        `${name}: openssl ${verdict ?? 'OK'}`,
      );
    }
  });
}

test('paths are judged as openssl does: keys and signatures', { skip }, async (t) => {
  const check = async (name: string, of: Pick<PathCase, 'leaf' | 'chain'>, reason: string): Promise<void> => {
    t.match(await ask(of.leaf, of.chain), new Map([['reason', reason]]), name);
    t.equal((await opensslVerdict(of.leaf, of.chain)) === undefined, reason === '', `${name}: openssl`);
  };
  for (const kind of ['ec', 'p384', 'p521', 'ed25519', 'rsa']) await check(kind, chainOf(kind), '');
  await check('short RSA keys', chainOf('rsa1024'), otherReason('UnsupportedSignatureAlgorithmForPublicKey'));
  const signed = async (signer: string, ...options: string[]): Promise<Pick<PathCase, 'leaf' | 'chain'>> => {
    const issuer = authority({ subject: signer });
    const extensions = ['-extfile', 'extensions'];
    return {
      leaf: await opensslSigned('end', { issuer, signer, options: [...options, ...extensions] }),
      chain: [issuer],
    };
  };
  await check('RSA with SHA-256', await signed('rsa:root', '-sha256'), '');
  await check('RSA with SHA-1', await signed('rsa:root', '-sha1'), otherReason('UnsupportedSignatureAlgorithm'));
  await check('RSA-PSS', await signed('rsa:root', '-sha256', '-sigopt', 'rsa_padding_mode:pss'), '');
  const pssSha1 = await signed('rsa:root', '-sha1', '-sigopt', 'rsa_padding_mode:pss');
  await check('RSA-PSS with SHA-1', pssSha1, otherReason('UnsupportedSignatureAlgorithm'));
  await check('ECDSA with SHA-1', await signed('ec:root', '-sha1'), otherReason('UnsupportedSignatureAlgorithm'));
  const odd = otherReason('UnsupportedSignatureAlgorithmForPublicKey');
  t.match(await ask(chainOf('k1').leaf, chainOf('k1').chain), new Map([['reason', odd]]), 'a curve nobody issues for');
});

test('an anchor of version 1 is an anchor, an intermediate of version 1 is none', { skip }, async (t) => {
  const signed = (subject: string, issuer: Made, signer: string): Promise<Made> =>
    opensslSigned(subject, { issuer, signer, options: [] });
  const v1 = await signed('mid', root, 'root');
  t.match(await ask(end, [v1]), new Map([['reason', '']]));
  t.match(await ask(end, [v1, root]), new Map([['reason', otherReason('UnsupportedCertVersion')]]));
  t.ok(await opensslVerdict(end, [v1, root]), 'openssl refuses it as well');
});
