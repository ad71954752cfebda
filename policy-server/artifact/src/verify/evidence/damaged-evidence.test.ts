import { test } from 'tap';
import { damage, randomFrom } from '@portcullis/testkit';
import { collected } from './test/collected.ts';
import { TestImage } from './test/test-image.ts';
import {
  bundleEntry,
  bundleLayer,
  certificateMaterial,
  dsseRecord,
  envelope,
  hashedRekord,
  legacyLayer,
  preAuthentication,
  signBytes,
  signStatement,
  simplePayload,
} from './test/test-signatures.ts';
import { newSigstore, SIGNED_AT_MS } from './test/test-sigstore.ts';

const MAX_MS = 2000;
const sigstore = await newSigstore();
const trustRoot = sigstore.source();
const { digest } = new TestImage();

test('damaged layers never prove what the sound one does', async (t) => {
  const random = randomFrom(20_260_314);
  const { certificate, pem, keys } = sigstore.certify();
  const payload = simplePayload(digest, { env: 'prod' });
  const signature = signBytes(payload, keys.privateKey);
  const entry = sigstore.log(hashedRekord(payload, signature, pem));
  const sound = legacyLayer(payload, { signature, entry, pem });
  t.ok((await collected(new TestImage().tag(sound), { trustRoot })).signatures[0]?.identity, 'sound');
  const deadline = performance.now() + MAX_MS;
  let kept = 0;
  let runs = 0;
  for (; runs < 300 && performance.now() < deadline; runs++) {
    const annotations = { ...sound.annotations };
    const names = Object.keys(annotations);
    const name = names[random(names.length)] ?? '';
    const bytes = random(3) === 0 ? damage(payload, random, [Buffer.from('"'), Buffer.from('\\u0000')]) : payload;
    annotations[name] = Buffer.from(
      damage(Buffer.from(annotations[name] ?? ''), random, [Buffer.from('A'), Buffer.from('\n')]),
    ).toString();
    const { signatures } = await collected(new TestImage().tag({ ...sound, bytes, annotations }), { trustRoot });
    if (signatures[0]?.identity === undefined) continue;
    // PEM and JSON allow for white space and more members: what was signed and logged is the same then.
    kept++;
    t.ok(payload.equals(bytes), 'the payload is the one that was signed');
    t.ok(signatures[0].certificate?.raw.equals(certificate), 'the certificate is the one that signed');
    t.equal(signatures[0].integratedTimeMs, SIGNED_AT_MS, 'the time is the logged one');
  }
  t.ok(kept < runs / 4, `${kept} of ${runs} damaged layers still say the same`);
});

test('damaged bundles never prove what the sound one does', async (t) => {
  const random = randomFrom(3);
  const { certificate, pem, keys } = sigstore.certify();
  const statement = signStatement(digest, { annotations: { env: 'prod', count: 2 } });
  const signature = signBytes(preAuthentication(statement), keys.privateKey);
  const entry = sigstore.log(dsseRecord(statement, signature, pem));
  const sound = bundleLayer({
    content: envelope(statement, signature),
    material: certificateMaterial(certificate),
    entries: [bundleEntry(entry)],
  });
  const deadline = performance.now() + MAX_MS;
  let kept = 0;
  let runs = 0;
  for (; runs < 300 && performance.now() < deadline; runs++) {
    const bytes = damage(sound.bytes, random, [Buffer.from('"'), Buffer.from('A'), Buffer.from('{"a":')]);
    const [found] = (await collected(new TestImage().refer([{ ...sound, bytes }]), { trustRoot })).signatures;
    if (found?.identity === undefined) continue;
    kept++;
    t.ok(found.certificate?.raw.equals(certificate), 'the certificate is the one that signed');
    t.same(Object.fromEntries(found.annotations), { env: 'prod', count: '2' }, 'the statement is the signed one');
    t.equal(found.integratedTimeMs, SIGNED_AT_MS, 'the time is the logged one');
  }
  t.ok(kept < runs / 4, `${kept} of ${runs} damaged bundles still say the same`);
});
