import { test } from 'tap';
import { ArtifactError } from '../../errors.ts';
import { collected } from './test/collected.ts';
import { TestImage, type Layer } from './test/test-image.ts';
import {
  bundleEntry,
  bundleLayer,
  dsseRecord,
  envelope,
  hashedRekord,
  keyMaterial,
  keySignedBundle,
  legacyLayer,
  preAuthentication,
  publicPem,
  signBytes,
  signStatement,
  simplePayload,
} from './test/test-signatures.ts';
import { newKeys, newSigstore } from './test/test-sigstore.ts';

const sigstore = await newSigstore();
const trustRoot = sigstore.source();
const keys = newKeys();
const { digest } = new TestImage();

const legacy = (optional: unknown = null): Layer => {
  const payload = simplePayload(digest, optional);
  return legacyLayer(payload, { signature: signBytes(payload, keys.privateKey) });
};
const bundle = (annotations: object = {}): Layer => keySignedBundle(signStatement(digest, { annotations }), keys);

test('signatures are found under the tag of cosign and among the manifests that refer to the image', async (t) => {
  const image = new TestImage()
    .tag(legacy({ at: 'tag' }))
    .refer([bundle({ at: 'referrer' })], { artifactType: 'application/vnd.oci.empty.v1+json' })
    .refer([legacy({ at: 'referrer' })])
    .refer([{ mediaType: 'application/spdx+json', bytes: Buffer.from('{}') }]);
  const { digest: found, signatures, rejected } = await collected(image, { trustRoot });
  t.equal(found, image.digest);
  t.same(rejected, []);
  t.same(
    signatures.map(({ origin, annotations }) => `${origin} ${annotations.get('at')}`),
    ['cosign-tag tag', 'bundle referrer', 'cosign-tag referrer'],
  );
});

test('an image without signatures has no evidence', async (t) => {
  const { signatures, rejected, logged } = await collected(new TestImage(), { trustRoot });
  t.same([signatures, rejected, logged], [[], [], '']);
});

test('attestations that say so are not fetched', async (t) => {
  const annotations = { 'dev.sigstore.bundle.predicateType': 'https://slsa.dev/provenance/v1' };
  const image = new TestImage().refer([bundle()], { annotations });
  const { signatures, rejected } = await collected(image, { trustRoot });
  t.same([signatures, rejected], [[], []]);
  t.notOk(image.requests.some((request) => request.startsWith('blob')));
});

test('a missing image is reported with the words operators know', async (t) => {
  const image = new TestImage();
  image.failures.set('digest', new ArtifactError('not-found', 'manifest unknown'));
  await t.rejects(collected(image, { trustRoot }), {
    code: 'not-found',
    message: 'failed to get image trusted layers: Cannot fetch manifest of registry.test/policy:v1: manifest unknown',
  });
});

test('what cannot be read hides nothing else, and is told', async (t) => {
  const denied = new ArtifactError('not-authorized', 'access denied');
  const image = new TestImage().tag(legacy()).refer([bundle()]);
  image.failures.set('referrers', denied);
  const withoutReferrers = await collected(image, { trustRoot });
  t.equal(withoutReferrers.signatures.length, 1);
  t.same(withoutReferrers.rejected, ['access denied']);
  image.failures.clear();
  image.failures.set('blob', denied);
  const withoutBlobs = await collected(image, { trustRoot });
  t.same(withoutBlobs.signatures, []);
  t.match(withoutBlobs.rejected, [/sha256.* of sha256-.*\.sig: access denied/, /access denied/]);
  t.match((await collected(new TestImage().tagIndex(), { trustRoot })).rejected, [/is an index, expected a manifest/]);
});

test('reasons quote strangers without control characters, and not at length', async (t) => {
  const payload = signStatement(digest);
  const { privateKey, publicKey } = keys;
  const signature = signBytes(preAuthentication(payload), privateKey);
  const entry = sigstore.log(dsseRecord(payload, signature, publicPem(publicKey)));
  const kind = `\u001b[2J\n\u202e${'x'.repeat(10_000)}`;
  const image = new TestImage()
    .tag(legacyLayer(Buffer.from(`{"\u001b[2J\n":`), { signature }))
    .refer([keySignedBundle(signStatement(digest, { predicateType: kind }), keys)])
    .refer([
      bundleLayer({
        content: envelope(payload, signature),
        material: keyMaterial,
        entries: [bundleEntry({ ...entry, kindVersion: { kind, version: '1' } })],
      }),
    ]);
  const { rejected, logged } = await collected(image, { trustRoot });
  t.equal(rejected.length, 3);
  for (const reason of [...rejected, ...logged.split('\n')]) t.notMatch(reason, /[\p{Cc}\p{Cf}]|.{700}/u);
});

test('an aborted search ends as one', async (t) => {
  for (const operation of ['digest', 'manifest', 'referrers', 'blob'] as const) {
    const image = new TestImage().tag(legacy()).refer([bundle()]);
    image.failures.set(operation, new ArtifactError('aborted', 'aborted'));
    await t.rejects(collected(image, { trustRoot }), { code: 'aborted' }, operation);
  }
});

test('the number and the size of what is looked at are bounded', async (t) => {
  const crowd = Array.from({ length: 200 }, (_, index) => legacy({ index }));
  const tagged = await collected(new TestImage().tag(...crowd), { trustRoot });
  t.equal(tagged.signatures.length, 64);
  t.match(tagged.rejected, [/more than the 64 candidates/]);
  const crowded = await collected(new TestImage().tag(...crowd).refer([bundle()]), { trustRoot });
  t.equal(crowded.signatures.filter(({ origin }) => origin === 'bundle').length, 1, 'nothing crowds out a bundle');

  const image = new TestImage();
  for (let index = 0; index < 100; index++) image.refer([{ mediaType: 'x/y', bytes: Buffer.from(`${index}`) }]);
  image.refer([bundle()], { artifactType: 'application/vnd.dev.sigstore.bundle.v0.3+json' });
  const referred = await collected(image, { trustRoot });
  t.equal(referred.signatures.length, 1, 'those that say they are bundles come first');
  t.match(referred.rejected, [/37 more than the 64 manifests/]);
  t.equal(image.requests.filter((request) => request.startsWith('manifest')).length, 65);

  const large = Buffer.alloc(300 * 1024, ' ');
  const huge = new TestImage()
    .tag({ ...legacy(), bytes: large })
    .refer([{ ...bundle(), bytes: Buffer.alloc(2 * large.length, ' ') }]);
  t.match((await collected(huge, { trustRoot })).rejected, [/307200 bytes, more than/, /614400 bytes, more than/]);
  t.notOk(huge.requests.some((request) => request.startsWith('blob')));
  const padded = { ...legacy(), annotations: { 'dev.cosignproject.cosign/signature': 'A'.repeat(300 * 1024) } };
  t.match((await collected(new TestImage().tag(padded), { trustRoot })).rejected, [/longer than/]);
});

test('without a trust root keys still count, certificates do not: nothing fails open', async (t) => {
  const { pem, keys: certified } = sigstore.certify();
  const payload = simplePayload(digest);
  const signature = signBytes(payload, certified.privateKey);
  const entry = sigstore.log(hashedRekord(payload, signature, pem));
  const keyless = legacyLayer(payload, { signature, entry, pem });
  const image = new TestImage().tag(keyless, legacy(), keyless);
  let asked = 0;
  const broken = {
    needsNetwork: true,
    trustRoot: () => {
      asked++;
      return Promise.reject(new ArtifactError('trust-root-unavailable', 'no network'));
    },
  };
  const { signatures, logged } = await collected(image, { trustRoot: broken });
  t.equal(asked, 1, 'once for all signatures');
  t.equal(signatures.length, 3);
  t.ok(signatures.every(({ identity, integratedTimeMs }) => identity === undefined && integratedTimeMs === undefined));
  t.equal(signatures[1]?.isSignedBy(keys.publicKey), true);
  t.match(logged, /cannot be judged: no network/);

  await collected(image, { trustRoot: broken, needsIdentity: false });
  t.equal(asked, 1, 'keys need no network');
  await collected(new TestImage().tag(legacy()), { trustRoot: broken });
  t.equal(asked, 1, 'a signature that has nothing to prove needs no trust root');
  const local = { ...trustRoot, needsNetwork: false };
  const judged = await collected(image, { trustRoot: local, needsIdentity: false });
  t.ok(judged.signatures[0]?.identity, 'a trust root at hand is used all the same');
});
