import { generateKeyPairSync, randomBytes, verify } from 'node:crypto';
import { test } from 'tap';
import { collected, type Collected } from './test/collected.ts';
import { signWithSecondKey } from './test/second-key.ts';
import { TestImage, type Layer } from './test/test-image.ts';
import { hashedRekord, legacyLayer, publicPem, signBytes, simplePayload } from './test/test-signatures.ts';
import {
  MINUTE_MS,
  newKeys,
  newSigstore,
  SIGNED_AT_MS,
  type Certification,
  type KeyPair,
  type RootOptions,
} from './test/test-sigstore.ts';

const sigstore = await newSigstore();
const stranger = await newSigstore();
const image = new TestImage();
const payload = simplePayload(image.digest, { env: 'prod' });

const collect = (layers: readonly Layer[], root: RootOptions = {}): Promise<Collected> =>
  collected(new TestImage().tag(...layers), { trustRoot: sigstore.source(root) });

/** A keyless signature as cosign 2 leaves it, in parts that tests exchange. */
function keyless(certification: Certification = {}, by = sigstore) {
  const { certificate, pem, keys } = by.certify(certification);
  const signature = signBytes(payload, keys.privateKey);
  const record = hashedRekord(payload, signature, pem);
  return { certificate, pem, keys, signature, record, entry: sigstore.log(record) };
}

test('a layer signed with a key is a signature of that key alone, with its annotations', async (t) => {
  const makes: Record<string, [KeyPair, string | null]> = {
    'ECDSA P-256': [newKeys('P-256'), 'sha256'],
    'ECDSA P-384': [newKeys('P-384'), 'sha384'],
    'ECDSA P-384 with SHA-256, as cosign 2 has it': [newKeys('P-384'), 'sha256'],
    'ECDSA P-521': [newKeys('P-521'), 'sha512'],
    Ed25519: [generateKeyPairSync('ed25519'), null],
    'RSA 2048': [generateKeyPairSync('rsa', { modulusLength: 2048 }), 'sha256'],
  };
  const text = simplePayload(image.digest, { env: 'prod', count: 3, float: 1.5, ok: true, list: [1], none: null });
  for (const [name, [keys, hash]] of Object.entries(makes)) {
    const { signatures, rejected } = await collect([
      legacyLayer(text, { signature: signBytes(text, keys.privateKey, hash) }),
    ]);
    t.same(rejected, [], name);
    const [signature] = signatures;
    t.equal(signature?.isSignedBy(keys.publicKey), true, name);
    t.equal(signature?.isSignedBy(newKeys().publicKey), false, `${name}: another key`);
    t.equal(signature?.isSignedBy(keys.privateKey), false, `${name}: not a public key`);
    t.match(signature, {
      origin: 'cosign-tag',
      identity: undefined,
      integratedTimeMs: undefined,
      certificate: undefined,
    });
    t.same(Object.fromEntries(signature?.annotations ?? []), { env: 'prod', count: '3', float: '1.5', ok: 'true' });
  }
});

test('keys and hashes that nobody agreed on have signed nothing', async (t) => {
  const cases: [string, KeyPair, string][] = [
    ['RSA with 1024 bits', generateKeyPairSync('rsa', { modulusLength: 1024 }), 'sha256'],
    ['RSA with SHA-1', generateKeyPairSync('rsa', { modulusLength: 2048 }), 'sha1'],
    ['ECDSA P-256 with SHA-1', newKeys(), 'sha1'],
    ['another curve', newKeys('secp256k1'), 'sha256'],
    ['RSA-PSS', generateKeyPairSync('rsa-pss', { modulusLength: 2048 }), 'sha256'],
  ];
  for (const [name, keys, hash] of cases) {
    const { signatures } = await collect([
      legacyLayer(payload, { signature: signBytes(payload, keys.privateKey, hash) }),
    ]);
    t.equal(signatures[0]?.isSignedBy(keys.publicKey), false, name);
  }
  const { signatures } = await collect([legacyLayer(payload, { signature: randomBytes(70) })]);
  t.equal(signatures[0]?.isSignedBy(newKeys().publicKey), false, 'no signature at all');
});

test('payloads that do not speak of this image alone are left out', async (t) => {
  const keys = newKeys();
  const other = new TestImage().digest.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
  const good = payload.toString();
  const cases: Record<string, [Buffer, RegExp]> = {
    'another image': [simplePayload(other), /the signature is of "sha256:[0-9a-f]+", not of/],
    'no JSON': [Buffer.from('{'), /no simple signing payload/],
    'no digest': [Buffer.from('{"critical":{"type":"x","image":{}}}'), /missing field `docker-manifest-digest`/],
    'another kind of payload': [
      Buffer.from(good.replace('cosign container image', 'atomic container')),
      /expected "cosign/,
    ],
    'two digests': [
      Buffer.from(good.replace('"docker-manifest', `"docker-manifest-digest":"${other}","docker-manifest`)),
      /duplicate field/,
    ],
    'two critical parts': [
      Buffer.from(good.replace('"optional"', '"critical"')),
      /duplicate field|invalid type|missing/,
    ],
    'an in-toto statement': [Buffer.from('{"_type":"https://in-toto.io/Statement/v1"}'), /missing field `critical`/],
    'broken UTF-8': [Buffer.concat([Buffer.from([0xff]), payload]), /no simple signing payload/],
  };
  for (const [name, [bytes, reason]] of Object.entries(cases)) {
    const result = await collect([legacyLayer(bytes, { signature: signBytes(bytes, keys.privateKey) })]);
    t.same(result.signatures, [], name);
    t.match(result.rejected[0], reason, name);
    t.match(result.logged, /^info Skipping signature sha256:/, name);
  }
  const unsigned = await collect([legacyLayer(payload, {})]);
  t.match(unsigned.rejected, [/no base64 signature/]);
  const layer = legacyLayer(payload, { signature: signBytes(payload, keys.privateKey) });
  // `AB==` decodes like `AA==`: one value, one spelling.
  for (const text of ['no base64!', 'AB==', 'AA=', ' AA==', 'AA-_']) {
    const annotations = { 'dev.cosignproject.cosign/signature': text };
    t.match((await collect([{ ...layer, annotations }])).rejected, [/no base64 signature/], text);
  }
});

test('a keyless signature proves who made it, and when', async (t) => {
  const { certificate, pem, keys, signature, entry } = keyless();
  const { signatures, rejected } = await collect([legacyLayer(payload, { signature, entry, pem })]);
  t.same(rejected, []);
  const [found] = signatures;
  t.same(found?.identity, {
    issuer: 'https://issuer.test',
    subject: { kind: 'email', value: 'user@example.com' },
    githubRepository: undefined,
  });
  t.equal(found?.integratedTimeMs, SIGNED_AT_MS);
  t.equal(found?.isSignedBy(keys.publicKey), true);
  t.equal(found?.isSignedBy(newKeys().publicKey), false);
  t.ok(found?.certificate?.raw.equals(certificate));
});

test('log entries that do not hold, or speak of another signature, drop the layer', async (t) => {
  const { pem, signature, record, entry } = keyless();
  const other = keyless();
  const payloadElsewhere = simplePayload(image.digest, { env: 'test' });
  const logged = (change: object): typeof entry => sigstore.log({ ...record, ...change });
  const cases: Record<string, [typeof entry, RegExp]> = {
    'body changed after it was logged': [{ ...entry, canonicalizedBody: other.entry.canonicalizedBody }, /another key/],
    'time changed after it was logged': [
      { ...entry, integratedTime: String(Number(entry.integratedTime) + 60) },
      /promise/,
    ],
    'index changed': [{ ...entry, logIndex: '1' }, /promise/],
    'promise of another key': [sigstore.log(record, newKeys().privateKey), /promise/],
    'promise of an unknown log': [stranger.log(record), /promise/],
    'entry of another signature by another key': [other.entry, /another key/],
    'entry of another signature by the same key': [
      sigstore.log(hashedRekord(payload, signBytes(payload, other.keys.privateKey), pem)),
      /signature mismatch/,
    ],
    'entry of another payload': [sigstore.log(hashedRekord(payloadElsewhere, signature, pem)), /digest mismatch/],
    'entry with the key of another certificate': [
      sigstore.log(hashedRekord(payload, signature, other.pem)),
      /another key/,
    ],
    'entry with another bare key': [
      sigstore.log(hashedRekord(payload, signature, publicPem(other.keys.publicKey))),
      /another key/,
    ],
    'entry of another kind': [logged({ kind: 'rekord' }), /not of a kind/],
    'entry of another version': [logged({ apiVersion: '9.9.9' }), /not of a kind/],
    'entry without a key': [logged({ spec: {} }), /cannot be read/],
    'entry that is no object': [{ ...entry, canonicalizedBody: Buffer.from('[]') }, /no JSON with a kind/],
  };
  for (const [name, [given, reason]] of Object.entries(cases)) {
    const result = await collect([legacyLayer(payload, { signature, entry: given, pem })]);
    t.same(result.signatures, [], name);
    t.match(result.rejected[0], reason, name);
  }
});

test('a log entry may name the bare key of the certificate', async (t) => {
  const { pem, keys, signature } = keyless();
  const entry = sigstore.log(hashedRekord(payload, signature, publicPem(keys.publicKey)));
  const { signatures } = await collect([legacyLayer(payload, { signature, entry, pem })]);
  t.match(signatures, [{ identity: { issuer: 'https://issuer.test' }, integratedTimeMs: SIGNED_AT_MS }]);
});

test('a signature that does not verify under its own certificate is none, though everything else holds', async (t) => {
  const { pem } = keyless();
  const foreign = signBytes(payload, newKeys().privateKey);
  const entry = sigstore.log(hashedRekord(payload, foreign, pem));
  const result = await collect([legacyLayer(payload, { signature: foreign, entry, pem })]);
  t.same(result.signatures, []);
  t.match(result.rejected, [/signature verification failed/]);
});

test('a certificate of another key than the one that was logged drops the layer', async (t) => {
  const { signature, entry } = keyless();
  const { pem } = keyless();
  const result = await collect([legacyLayer(payload, { signature, entry, pem })]);
  t.same(result.signatures, []);
  t.match(result.rejected, [/another key/]);
});

test('a certificate that does not hold gives no identity, the signature stays one of its key', async (t) => {
  const cases: Record<string, [Certification, RegExp, by?: typeof sigstore]> = {
    'unknown authority': [{}, /certificate path/, stranger],
    'expired when it was logged': [{ notAfter: new Date(SIGNED_AT_MS - 1000) }, /not valid or expired/],
    'not valid yet when it was logged': [{ notBefore: new Date(SIGNED_AT_MS + MINUTE_MS) }, /not valid or expired/],
    'not for signing code': [{ purpose: 'serverAuth' }, /not for signing code/],
    'no extended key usage': [{ purpose: 'none' }, /no extended key usage/],
    'no name': [{ names: [] }, /names neither/],
    'no promise of a certificate log': [{ sct: 'absent' }, /expected 1 SCTs/],
    'promise of an unknown certificate log': [{ sct: 'stranger' }, /SCT verification failed/],
  };
  for (const [name, [certification, reason, by]] of Object.entries(cases)) {
    const { pem, keys, signature, entry } = keyless(certification, by);
    const result = await collect([legacyLayer(payload, { signature, entry, pem })]);
    const [found] = result.signatures;
    t.equal(found?.identity, undefined, name);
    t.equal(found?.isSignedBy(keys.publicKey), true, name);
    t.equal(found?.integratedTimeMs, SIGNED_AT_MS, name);
    t.match(result.logged, reason, name);
  }
});

test('a certificate log is asked for only where the trust root knows one', async (t) => {
  const { pem, signature, entry } = keyless({ sct: 'absent' });
  const layer = legacyLayer(payload, { signature, entry, pem });
  t.match((await collect([layer], { without: ['ctlogs'] })).signatures, [
    { identity: { issuer: 'https://issuer.test' } },
  ]);
});

test('without a verified log entry a certificate gives no identity', async (t) => {
  const { pem, keys, signature, entry } = keyless();
  const cases: Record<string, [Layer, RootOptions]> = {
    'no entry': [legacyLayer(payload, { signature, pem }), {}],
    'no log known': [legacyLayer(payload, { signature, entry, pem }), { without: ['tlogs'] }],
    'no authority known': [legacyLayer(payload, { signature, entry, pem }), { without: ['certificateAuthorities'] }],
  };
  for (const [name, [layer, root]] of Object.entries(cases)) {
    const { signatures, logged } = await collect([layer], root);
    t.equal(signatures[0]?.identity, undefined, name);
    t.equal(signatures[0]?.isSignedBy(keys.publicKey), true, name);
    t.match(logged, /its certificate does not count/, name);
  }
});

test('authorities and logs count for the time they were valid, also when that is over', async (t) => {
  const { pem, signature, entry } = keyless();
  const layer = legacyLayer(payload, { signature, entry, pem });
  const then = { start: '2026-01-01T00:00:00Z', end: '2026-04-01T00:00:00Z' };
  const before = { start: '2025-01-01T00:00:00Z', end: '2026-01-01T00:00:00Z' };
  const later = { start: '2026-06-01T00:00:00Z' };
  t.ok((await collect([layer], { tlogValidity: then, authorityValidity: then })).signatures[0]?.identity);
  for (const validity of [before, later]) {
    t.same((await collect([layer], { tlogValidity: validity })).signatures, [], 'log');
    const [found] = (await collect([layer], { authorityValidity: validity })).signatures;
    t.equal(found?.identity, undefined, 'authority');
  }
});

test('a key-signed layer with a log entry counts for the logged key only', async (t) => {
  const keys = newKeys();
  const { signature, secondKey } = signWithSecondKey(payload, keys);
  const entry = sigstore.log(hashedRekord(payload, signature, publicPem(keys.publicKey)));
  const { signatures } = await collect([legacyLayer(payload, { signature, entry })]);
  t.match(signatures, [{ identity: undefined, integratedTimeMs: SIGNED_AT_MS }]);
  t.equal(signatures[0]?.isSignedBy(keys.publicKey), true);
  t.equal(verify('sha256', payload, secondKey, signature), true, 'it verifies under another key, too');
  t.equal(signatures[0]?.isSignedBy(secondKey), false);
  const foreign = sigstore.log(hashedRekord(payload, signature, publicPem(newKeys().publicKey)));
  t.match((await collect([legacyLayer(payload, { signature, entry: foreign })])).rejected, [/signature verification/]);
});

test('several layers are judged each for itself', async (t) => {
  const first = newKeys();
  const second = newKeys();
  const other = simplePayload(image.digest, { env: 'test' });
  const { signatures, rejected } = await collect([
    legacyLayer(payload, { signature: signBytes(payload, first.privateKey) }),
    legacyLayer(Buffer.from('{}'), {}),
    legacyLayer(other, { signature: signBytes(other, second.privateKey) }),
  ]);
  t.equal(rejected.length, 1);
  t.same(
    signatures.map(({ annotations }) => annotations.get('env')),
    ['prod', 'test'],
  );
  t.same(
    signatures.map((found) => found.isSignedBy(second.publicKey)),
    [false, true],
  );
});
