import { damage, randomFrom } from '@portcullis/testkit';
import { test } from 'tap';
import { CapabilityError } from '../errors.ts';
import { createCertificateHandler } from './certificate-handler.ts';
import { ask, der, end, mid, reasonOf, root, type Encoded } from './test/asking.ts';
import { alternativeNames, authority, leaf, nameConstraints, NOW, type Made } from './test/pki.ts';

test('what a guest may ask is bounded', async (t) => {
  const large = 128 * 1024 + 1;
  await t.rejects(ask({ cert: { encoding: 'Der', data: Array.from({ length: large }, () => 0) } }), {
    code: 'payload-invalid',
    message: `Certificate is too large: ${large} bytes, expected at most ${large - 1}`,
  });
  await t.rejects(ask({ cert: der(end), cert_chain: Array.from({ length: 65 }, () => der(root)) }), {
    message: 'Certificate chain is not valid: it has 65 certificates, expected at most 64',
  });
  const gone = createCertificateHandler({ now: () => NOW });
  const request = { cert: der(leaf({ subject: 'end', issuer: 'k0' })), cert_chain: thicket() };
  const startedMs = performance.now();
  t.equal(await reasonOf(request), 'Certificate not trusted: MaximumSignatureChecksExceeded');
  t.ok(performance.now() - startedMs < 1000);
  const signal = AbortSignal.abort(new Error('over'));
  await t.rejects(gone({ type: 'CryptoIsCertificateTrusted', request }, { policyId: 'p', signal }), /over/);
});

test('paths through a thicket are not walked for ever', async (t) => {
  // Seven authorities, each of which has certified every other: few signatures, thousands of paths.
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
  const pairs = names.flatMap((issuer) =>
    names.filter((name) => name !== issuer).map((subject) => ({ subject, issuer })),
  );
  const cert_chain = [...pairs.map((pair) => der(authority(pair))), der(root)];
  const startedMs = performance.now();
  const reason = await reasonOf({ cert: der(leaf({ subject: 'end', issuer: 'a' })), cert_chain });
  t.equal(reason, 'Certificate not trusted: MaximumPathBuildCallsExceeded');
  t.ok(performance.now() - startedMs < 1000);
});

test('names are not compared for ever', async (t) => {
  const many = (prefix: string): string[] => Array.from({ length: 500 }, (_, i) => `${prefix}dns:h${i}.test`);
  const limited = authority({ subject: 'limited', issuer: 'root', extensions: [nameConstraints(...many('-'))] });
  const named = leaf({
    subject: 'end',
    issuer: 'limited',
    extensions: [alternativeNames(...many('').map((name) => `${name}.org`))],
  });
  const reason = await reasonOf({ cert: der(named), cert_chain: [der(limited), der(root)] });
  t.equal(reason, 'Certificate not trusted: MaximumNameConstraintComparisonsExceeded');
  const free = leaf({ subject: 'end', issuer: 'mid', extensions: [alternativeNames(...many(''), ...many('x'))] });
  t.equal(
    await reasonOf({ cert: der(free), cert_chain: [der(mid), der(root)] }),
    '',
    'who is not constrained may have a thousand',
  );
});

test('fuzz: damaged certificates are answered for, and never trusted', async (t) => {
  const random = randomFrom(0x5eed);
  const limits = nameConstraints(
    '+dns:example.com',
    '-dns:x.example.com',
    '+email:a@example.com',
    '-ip:0a000000ff000000',
    '+dn:portcullis.test',
  );
  const limited = authority({ subject: 'limited', issuer: 'root', extensions: [limits] }, 3);
  const good = leaf({ subject: 'end', issuer: 'limited', extensions: [alternativeNames('dns:a.example.com')] });
  const chain = [limited, root];
  t.equal(await reasonOf({ cert: der(good), cert_chain: chain.map(der) }), '');
  const pieces = [
    Uint8Array.of(0x30, 0x80),
    Uint8Array.of(0x30, 0x84, 0xff, 0xff, 0xff, 0xff),
    Uint8Array.of(0x06, 0x00),
    Uint8Array.of(0xa3, 0x02, 0x05, 0x00),
    good.tbs,
  ];
  const answer = createCertificateHandler({ now: () => NOW });
  const untilMs = performance.now() + 1500;
  let answered = 0;
  for (let i = 0; i < 3000 && performance.now() < untilMs; i++) {
    const which = random(3);
    const broken = [good, ...chain].map((made, at) =>
      at === which ? { der: damage(made.der, random, pieces) } : made,
    );
    const [cert = good, ...others] = broken;
    const request = { cert: der(cert), cert_chain: others.map(der) };
    const context = { policyId: 'p', signal: new AbortController().signal };
    const reply = await answer({ type: 'CryptoIsCertificateTrusted', request }, context).catch(
      (error: unknown) => error,
    );
    if (reply instanceof Map) answered++;
    else if (!(reply instanceof CapabilityError) || reply.code !== 'payload-invalid') throw reply;
    // An anchor is whatever its name and key are; what was signed must be whole.
    const signed = which === 0 ? good : limited;
    if (reply instanceof Map && reply.get('trusted') === true && which < 2)
      t.ok(Buffer.from(broken[which]?.der ?? []).includes(signed.tbs), `trusted though damaged (${i})`);
  }
  t.ok(answered > 100, `${answered} of them could be read`);
});

/** Authorities of one name and many keys, all of which might have issued the leaf. */
function thicket(): Encoded[] {
  return Array.from({ length: 60 }, (_, i): Made =>
    authority({ subject: 'k0', issuer: 'k0', key: `key ${i}`, signingKey: 'elsewhere' }),
  ).map(der);
}
