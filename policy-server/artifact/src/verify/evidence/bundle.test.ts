import { generateKeyPairSync } from 'node:crypto';
import { test } from 'tap';
import { collected, type Collected } from './test/collected.ts';
import { signWithSecondKey } from './test/second-key.ts';
import { TestImage, type Layer } from './test/test-image.ts';
import {
  base64,
  bundleEntry,
  bundleLayer,
  BUNDLE_V03,
  certificateMaterial,
  dsseRecord,
  dsseRecordV2,
  envelope,
  hashedRekord,
  intotoRecord,
  keyMaterial,
  keySignedBundle,
  preAuthentication,
  publicPem,
  sha256,
  signBytes,
  signStatement,
} from './test/test-signatures.ts';
import {
  newKeys,
  newSigstore,
  SIGNED_AT_MS,
  type Certification,
  type KeyPair,
  type RootOptions,
} from './test/test-sigstore.ts';

const sigstore = await newSigstore();
const stranger = await newSigstore();
const WORKFLOW = 'https://github.com/kubewarden/policies/.github/workflows/release.yml@refs/tags/v1';
const image = new TestImage();
const statement = signStatement(image.digest, { annotations: { env: 'prod', count: 2 } });

const collect = (layers: readonly Layer[], root: RootOptions = {}): Promise<Collected> =>
  collected(
    layers.reduce((image, layer) => image.refer([layer]), new TestImage()),
    { trustRoot: sigstore.source(root) },
  );

function keyless(certification: Certification = {}, by = sigstore) {
  const { certificate, pem, keys } = by.certify({ names: [{ uri: WORKFLOW }], ...certification });
  const signature = signBytes(preAuthentication(statement), keys.privateKey);
  const record = dsseRecord(statement, signature, pem);
  return { certificate, pem, keys, signature, record, entry: sigstore.log(record) };
}

function keylessLayer(parts: ReturnType<typeof keyless>, entries = [parts.entry]): Layer {
  return bundleLayer({
    content: envelope(statement, parts.signature),
    material: certificateMaterial(parts.certificate),
    entries: entries.map(bundleEntry),
  });
}

test('a bundle signed with a key is a signature of that key alone, with the annotations of its subject', async (t) => {
  const makes: Record<string, [KeyPair, string | null]> = {
    'ECDSA P-256': [newKeys(), 'sha256'],
    'ECDSA P-384': [newKeys('P-384'), 'sha384'],
    Ed25519: [generateKeyPairSync('ed25519'), null],
    'RSA 3072': [generateKeyPairSync('rsa', { modulusLength: 3072 }), 'sha256'],
  };
  for (const [name, [keys, hash]] of Object.entries(makes)) {
    const { signatures, rejected } = await collect([keySignedBundle(statement, keys, hash)]);
    t.same(rejected, [], name);
    t.match(signatures, [{ origin: 'bundle', identity: undefined, integratedTimeMs: undefined }], name);
    t.equal(signatures[0]?.isSignedBy(keys.publicKey), true, name);
    t.equal(signatures[0]?.isSignedBy(newKeys().publicKey), false, name);
    t.same(Object.fromEntries(signatures[0]?.annotations ?? []), { env: 'prod', count: '2' });
  }
});

test('envelopes that do not hold a signed statement are left out', async (t) => {
  const keys = newKeys();
  const signature = signBytes(preAuthentication(statement), keys.privateKey);
  const asText = signBytes(preAuthentication(statement, 'text/plain'), keys.privateKey);
  const twice = { payload: base64(statement), payloadType: 'application/vnd.in-toto+json' };
  const signatures = [{ sig: base64(signature) }, { sig: base64(signature) }];
  const chain = { x509CertificateChain: { certificates: [{ rawBytes: base64(keyless().certificate) }] } };
  const content = envelope(statement, signature);
  const cases: Record<string, [Layer, RegExp]> = {
    unsigned: [bundleLayer({ content: envelope(statement, Buffer.alloc(0)), material: keyMaterial }), /signatures/],
    'signed twice': [
      bundleLayer({ content: { dsseEnvelope: { ...twice, signatures } }, material: keyMaterial }),
      /signatures/,
    ],
    'of another payload type': [
      bundleLayer({ content: envelope(statement, asText, 'text/plain'), material: keyMaterial }),
      /payload of the envelope is "text\/plain"/,
    ],
    'with a chain, which version 0.3 has not': [
      bundleLayer({ content, material: chain }),
      /no Sigstore bundle.*\$case/,
    ],
    'without key or certificate': [bundleLayer({ content, material: {} }), /no Sigstore bundle/],
    'with a certificate that is none': [
      bundleLayer({ content, material: certificateMaterial(Buffer.from('no certificate')) }),
      /certificate cannot be read/,
    ],
    'of no known type': [
      bundleLayer({ content, material: keyMaterial, mediaType: `${BUNDLE_V03}x`.slice(0, -9) }),
      /mediaType/,
    ],
    'without content': [bundleLayer({ content: {}, material: keyMaterial }), /content/],
    'that are no JSON': [{ mediaType: BUNDLE_V03, bytes: Buffer.from('{') }, /no Sigstore bundle/],
    'that are null': [{ mediaType: BUNDLE_V03, bytes: Buffer.from('null') }, /no Sigstore bundle/],
    'with too many log entries': [
      keylessLayer(
        keyless(),
        Array.from({ length: 5 }, () => keyless().entry),
      ),
      /more than 4 log entries/,
    ],
    'with too many time stamps': [
      bundleLayer({ content, material: keyMaterial, timestamps: Array.from({ length: 5 }, () => Buffer.from('x')) }),
      /more than 4 time stamps/,
    ],
  };
  for (const [name, [layer, reason]] of Object.entries(cases)) {
    const result = await collect([layer]);
    t.same(result.signatures, [], name);
    t.match(result.rejected[0], reason, name);
  }
  const [found] = (await collect([bundleLayer({ content: envelope(statement, asText), material: keyMaterial })]))
    .signatures;
  t.equal(found?.isSignedBy(keys.publicKey), false, 'what was signed as another type is not signed as this one');
  const bare = signBytes(statement, keys.privateKey);
  const [naked] = (await collect([bundleLayer({ content: envelope(statement, bare), material: keyMaterial })]))
    .signatures;
  t.equal(naked?.isSignedBy(keys.publicKey), false, 'the payload alone was signed');
});

test('a keyless bundle proves who made it, and when', async (t) => {
  const parts = keyless();
  const { signatures, rejected } = await collect([keylessLayer(parts)]);
  t.same(rejected, []);
  t.same(signatures[0]?.identity, {
    issuer: 'https://issuer.test',
    subject: { kind: 'uri', value: WORKFLOW },
    githubRepository: undefined,
  });
  t.equal(signatures[0]?.integratedTimeMs, SIGNED_AT_MS);
  t.equal(signatures[0]?.isSignedBy(parts.keys.publicKey), true);
});

test('bundles of the versions before 0.3 are read, too', async (t) => {
  const parts = keyless();
  const chain = { x509CertificateChain: { certificates: [{ rawBytes: base64(parts.certificate) }] } };
  const content = envelope(statement, parts.signature);
  const entries = { '0.1': { ...parts.entry, inclusionProof: undefined }, '0.2': parts.entry };
  for (const [version, entry] of Object.entries(entries)) {
    const mediaType = `application/vnd.dev.sigstore.bundle+json;version=${version}`;
    const result = await collect([bundleLayer({ mediaType, content, material: chain, entries: [bundleEntry(entry)] })]);
    t.match(result.signatures, [{ identity: { issuer: 'https://issuer.test' } }], version);
  }
});

test('only the promise of a log vouches for the time', async (t) => {
  const parts = keyless();
  const entry = { ...parts.entry, inclusionPromise: undefined };
  const { signatures, logged } = await collect([keylessLayer(parts, [entry])]);
  t.match(signatures, [{ identity: undefined, integratedTimeMs: undefined }]);
  t.match(logged, /expected 1 timestamps, got 0/);
});

test('log entries of bundles that do not hold, or speak of another signature, drop the bundle', async (t) => {
  const parts = keyless();
  const other = keyless();
  const { entry, record, pem } = parts;
  const forged = sigstore.log(record, newKeys().privateKey);
  const cases: Record<string, [typeof entry, RegExp]> = {
    'of another signature': [other.entry, /another key/],
    'of another signature under the same certificate': [
      sigstore.log(dsseRecord(statement, other.signature, pem)),
      /signature mismatch/,
    ],
    'of another payload': [
      sigstore.log(dsseRecord(signStatement(image.digest), parts.signature, pem)),
      /payload hash mismatch/,
    ],
    'with a promise of another key': [
      { ...entry, inclusionPromise: forged.inclusionPromise },
      /promise could not be verified/,
    ],
    'with the proof of another entry': [
      { ...entry, inclusionProof: other.entry.inclusionProof },
      /root hash does not match/,
    ],
    'with a tree that another key signed': [
      { ...entry, inclusionProof: forged.inclusionProof },
      /checkpoint signature/,
    ],
    'of a log nobody knows': [stranger.log(record), /promise could not be verified/],
    'with the kind of another': [
      { ...entry, kindVersion: { kind: 'hashedrekord', version: '0.0.1' } },
      /kind\/version mismatch/,
    ],
    'without any proof': [{ ...entry, inclusionPromise: undefined, inclusionProof: undefined }, /no Sigstore bundle/],
  };
  for (const [name, [given, reason]] of Object.entries(cases)) {
    const result = await collect([keylessLayer(parts, [given])]);
    t.same(result.signatures, [], name);
    t.match(result.rejected[0], reason, name);
  }
  t.match((await collect([keylessLayer(parts, [entry, entry])])).rejected, [/duplicate tlog entry/]);
});

test('a certificate in a bundle that does not hold gives no identity', async (t) => {
  const cases: Record<string, [Certification, RegExp, by?: typeof sigstore]> = {
    'unknown authority': [{}, /certificate path/, stranger],
    'expired when it was logged': [{ notAfter: new Date(SIGNED_AT_MS - 1000) }, /not valid or expired/],
    'not for signing code': [{ purpose: 'serverAuth' }, /not for signing code/],
    'no promise of a certificate log': [{ sct: 'absent' }, /expected 1 SCTs/],
  };
  for (const [name, [certification, reason, by]] of Object.entries(cases)) {
    const parts = keyless(certification, by);
    const { signatures, logged } = await collect([keylessLayer(parts)]);
    t.match(signatures, [{ identity: undefined, integratedTimeMs: SIGNED_AT_MS }], name);
    t.equal(signatures[0]?.isSignedBy(parts.keys.publicKey), true, name);
    t.match(logged, reason, name);
  }
  const parts = keyless();
  const unlogged = await collect([keylessLayer(parts, [])]);
  t.match(unlogged.signatures, [{ identity: undefined, integratedTimeMs: undefined }]);
  t.match(unlogged.logged, /no log entry says when/);
});

test('a key-signed bundle with a log entry counts for the logged key only', async (t) => {
  const keys = newKeys();
  const signed = preAuthentication(statement);
  const { signature, secondKey } = signWithSecondKey(signed, keys);
  const records = {
    dsse: dsseRecord(statement, signature, publicPem(keys.publicKey)),
    hashedrekord: hashedRekord(signed, signature, publicPem(keys.publicKey)),
    intoto: intotoRecord(statement, signature, publicPem(keys.publicKey)),
    'dsse of the second generation': dsseRecordV2(statement, signature, keys.publicKey),
  };
  for (const [kind, record] of Object.entries(records)) {
    const entry = sigstore.log(record);
    const entries = [bundleEntry(entry)];
    const layer = bundleLayer({ content: envelope(statement, signature), material: keyMaterial, entries });
    const { signatures } = await collect([layer]);
    t.match(signatures, [{ identity: undefined, integratedTimeMs: SIGNED_AT_MS }], kind);
    t.equal(signatures[0]?.isSignedBy(keys.publicKey), true, kind);
    t.equal(signatures[0]?.isSignedBy(secondKey), false, `${kind}: another key under which it verifies`);
  }
  const foreign = sigstore.log(dsseRecord(statement, signature, publicPem(newKeys().publicKey)));
  const entries = [bundleEntry(foreign)];
  const layer = bundleLayer({ content: envelope(statement, signature), material: keyMaterial, entries });
  t.match((await collect([layer])).rejected, [/signature verification failed/]);
});

test('a plain signature over the manifest is one, over anything else it is not', async (t) => {
  const { certificate, pem, keys } = sigstore.certify();
  const messageOf = (bytes: Uint8Array, stated: Uint8Array): Layer => {
    const signature = signBytes(bytes, keys.privateKey);
    const entry = sigstore.log(hashedRekord(bytes, signature, pem));
    const messageDigest = { algorithm: 'SHA2_256', digest: base64(sha256(stated)) };
    return bundleLayer({
      content: { messageSignature: { messageDigest, signature: base64(signature) } },
      material: certificateMaterial(certificate),
      entries: [bundleEntry(entry)],
    });
  };
  const other = Buffer.from('another manifest');
  const { signatures } = await collect([messageOf(image.bytes, image.bytes)]);
  t.match(signatures, [{ identity: { subject: { value: 'user@example.com' } }, integratedTimeMs: SIGNED_AT_MS }]);
  t.equal(signatures[0]?.isSignedBy(keys.publicKey), true);
  t.match((await collect([messageOf(other, other)])).rejected, [/the signature is not of sha256/]);
  const lie = await collect([messageOf(other, image.bytes)]);
  t.same(lie.signatures, [], 'the bundle says it is of this image, but something else was signed');
  t.match(lie.rejected, [/digest mismatch/]);
});
