import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  callRegistry,
  createCosignKeys,
  missingTool,
  OCI_INDEX,
  policyModule,
  pushArtifact,
  pushManifest,
  pushPolicyModule,
  pushSignatures,
  signWithKey,
  startRegistry,
  WASM_LAYER,
  type PushedArtifact,
} from '@portcullis/testkit';
import { parseImageReference } from '@portcullis/protocol';
import { test } from 'tap';
import { hostPlatform } from '../registry/platform.ts';
import { allOf, anyOf, nameOf, newImage, openRun, pubKeyEntry } from './test/verification-run.ts';

const skip = await missingTool('cosign', 'registry-referrers', 'registry-switches');

for (const referrers of [true, false]) {
  const name = `policies signed by cosign, in a registry ${referrers ? 'with' : 'without'} the referrers API`;
  test(name, { skip }, async (t) => {
    await using registry = await startRegistry({ referrers });
    const folder = t.testdir();
    const alice = await createCosignKeys(folder, { name: 'alice' });
    const bob = await createCosignKeys(folder, { name: 'bob' });
    const formats = referrers ? (['bundle', 'legacy-referrer'] as const) : (['bundle', 'legacy'] as const);
    for (const format of formats) {
      const image = await newImage(registry);
      const { immutableReference: reference } = image;
      const outcome = async (config: string): Promise<string> => {
        await using run = openRun(registry, { config });
        return await run.outcome(image);
      };
      const unsigned = `verification-failed: no signatures found for image: ${image.repository}:v1 `;
      t.equal(await outcome(allOf(pubKeyEntry(alice.publicKey))), unsigned, `${format}: unsigned`);
      await signWithKey({ reference, key: alice, format });
      t.equal(await outcome(allOf(pubKeyEntry(alice.publicKey))), 'ok', `${format}: the right key`);
      t.equal(
        await outcome(allOf(pubKeyEntry(bob.publicKey))),
        `verification-failed: Image verification failed: missing signatures\nThe following constraints were not satisfied:\nkind: pubKey\nowner: null\nkey: |\n  ${bob.publicKey.trim().replaceAll('\n', '\n  ')}\nannotations: {}\n`,
        `${format}: the wrong key`,
      );
      await signWithKey({ reference, key: bob, format, annotations: { env: 'prod' } });
      t.equal(await outcome(allOf(pubKeyEntry(bob.publicKey, { env: 'prod' }))), 'ok', `${format}: annotations`);
      const missing = /^verification-failed: Image verification failed: missing signatures\n/;
      t.match(
        await outcome(allOf(pubKeyEntry(bob.publicKey, { env: 'test' }))),
        missing,
        `${format}: other annotations`,
      );
      const elsewhere = await outcome(allOf(pubKeyEntry(alice.publicKey, { env: 'prod' })));
      t.match(elsewhere, missing, `${format}: the annotations are on the signature of somebody else`);
      const both = [pubKeyEntry(alice.publicKey), pubKeyEntry(bob.publicKey)];
      t.equal(await outcome(allOf(...both)), 'ok', `${format}: both signed`);
      t.equal(await outcome(anyOf(2, ...both)), 'ok', `${format}: quorum`);
    }
  });
}

test('a quorum that is not reached says how many are missing', { skip }, async (t) => {
  await using registry = await startRegistry({ referrers: false });
  const alice = await createCosignKeys(t.testdir());
  const stranger = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const image = await newImage(registry);
  await signWithKey({ reference: image.immutableReference, key: alice, format: 'legacy' });
  const entries = [pubKeyEntry(alice.publicKey), pubKeyEntry(stranger)];
  await using one = openRun(registry, { config: anyOf(1, ...entries) });
  t.equal(await one.outcome(image), 'ok');
  await using two = openRun(registry, { config: anyOf(2, ...entries) });
  t.match(
    await two.outcome(image),
    /^verification-failed: Image verification failed: minimum number of signatures not reached: needed 2, got 1\n/,
  );
});

test('what is no signature of the image is none at all', { skip }, async (t) => {
  await using registry = await startRegistry({ referrers: false });
  const keys = await createCosignKeys(t.testdir());
  await using run = openRun(registry, { config: allOf(pubKeyEntry(keys.publicKey)) });
  const image = await newImage(registry);
  const other = await newImage(registry);
  await signWithKey({ reference: other.immutableReference, key: keys, format: 'legacy' });
  const tag = `${other.digest.replace(':', '-')}.sig`;
  const manifest = await callRegistry(registry, 'GET', `/v2/${nameOf(other)}/manifests/${tag}`);
  const [found] = JSON.parse(manifest.body.toString()).layers;
  const payload = await callRegistry(registry, 'GET', `/v2/${nameOf(other)}/blobs/${found.digest}`);
  // Copied beside another image, it is still about the first one.
  await pushSignatures(registry, nameOf(image), image.digest, [
    { payload: payload.body, annotations: found.annotations },
  ]);
  t.match(
    await run.outcome(image),
    /^verification-failed: failed to get image trusted layers: No Signature Layer passed verification – /,
  );
  t.match(
    await run.outcome(`${registry.host}/nowhere:v1`),
    /^not-found: failed to get image trusted layers: Cannot fetch manifest of .*\/nowhere:v1: /,
  );
});

test('a local file is held to the signed manifest', { skip }, async (t) => {
  await using registry = await startRegistry({ referrers: false });
  const bytes = await policyModule({ label: 'local' });
  const folder = t.testdir({ folder: {} });
  const path = (name: string, content: Uint8Array): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const good = path('good.wasm', bytes);
  const tampered = Uint8Array.from(bytes);
  tampered[tampered.length - 1] = (tampered.at(-1) ?? 0) ^ 1;
  const bad = path('bad.wasm', tampered);
  await using run = openRun(registry, { config: allOf(pubKeyEntry('')) });
  const check = async ({ repository, digest }: PushedArtifact, file: string): Promise<string> =>
    run.verifier.checkFile(parseImageReference(`${repository}:v1`), digest, file).then(
      ({ sha256 }) => sha256,
      ({ message }: Error) => message,
    );
  const image = await pushPolicyModule(registry, 'local', bytes);
  const sha256 = await check(image, good);
  t.match(sha256, /^[0-9a-f]{64}$/);
  t.match(run.log.at(-1), { level: 'info', message: 'Local file checksum verification passed' });
  t.match(
    await check(image, bad),
    new RegExp(
      `^The digest of the local file doesn't match with the one reported inside of the signed manifest\\. Got [0-9a-f]{64} instead of ${sha256}$`,
    ),
  );
  // Whoever moves the tag in between changes nothing.
  await pushPolicyModule(registry, 'local', tampered);
  t.equal(await check(image, good), sha256, 'the tag was moved');
  t.match(await check(image, bad), /^The digest of the local file/);
  const gone = "Policy cannot be verified, local wasm file doesn't exist: ";
  t.match(await check(image, join(folder, 'gone.wasm')), `${gone}${join(folder, 'gone.wasm')}`);
  t.match(await check(image, join(folder, 'folder')), gone);
  const only = /^Cannot verify local file integrity, the remote manifest doesn't have only one WASM layer$/;
  const wasm = { mediaType: WASM_LAYER, bytes };
  t.match(await check(await pushArtifact(registry, 'two', { layers: [wasm, wasm] }), good), only);
  const text = { mediaType: 'text/plain', bytes };
  t.match(await check(await pushArtifact(registry, 'none', { layers: [text] }), good), only);
  t.equal(await check(await pushArtifact(registry, 'beside', { layers: [text, wasm] }), good), sha256);
  const platform = hostPlatform();
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [{ ...image.manifest, platform }] };
  const indexed = await pushManifest(registry, 'local', index, 'index');
  t.equal(await check(indexed, good), sha256, 'an index names the manifest');
  t.match(await check(indexed, bad), /^The digest of the local file/);
});
