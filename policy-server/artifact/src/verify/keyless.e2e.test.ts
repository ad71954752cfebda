import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import {
  createCosignKeys,
  createSigstore,
  missingTool,
  pushBundles,
  pushSignatures,
  signWithKey,
  simpleSigningPayload,
  startRegistry,
  type PushedArtifact,
  type SignatureLayer,
} from '@portcullis/testkit';
import { test } from 'tap';
import { allOf, anyOf, nameOf, newImage, NO_NETWORK, openRun, pubKeyEntry } from './test/verification-run.ts';
import { trustRootFromConfig } from './trust/trust-config.ts';
import type { TrustRootSource } from './trust/trust-root.ts';

const skip = await missingTool('cosign', 'registry-referrers', 'registry-switches');
const sigstore = await createSigstore();

const identity = { email: 'jane@example.org', issuer: 'https://issuer.test' };
const workflow = {
  uri: 'https://github.com/shared/workflows/.github/workflows/release.yml@refs/heads/main',
  issuer: 'https://token.actions.githubusercontent.com',
  githubRepository: 'acme/policy',
};
const JANE = { kind: 'genericIssuer', issuer: identity.issuer, subject: { equal: identity.email } };
const ACME = { kind: 'githubAction', owner: 'acme', repo: 'policy' };

function layer(image: PushedArtifact, who: typeof identity | typeof workflow): SignatureLayer {
  return sigstore.signLegacy(simpleSigningPayload({ ...image, optional: { env: 'prod' } }), sigstore.issue(who));
}

test('keyless signatures, by a trust root of our own', { skip }, async (t) => {
  await using registry = await startRegistry({ referrers: true });
  const trustRoot = trustRootFromConfig(join(t.testdir({ 'trust.json': sigstore.trustConfig() }), 'trust.json'));
  const outcome = async (image: PushedArtifact, ...entries: object[]): Promise<string> => {
    await using run = openRun(registry, { config: allOf(...entries), trustRoot });
    return await run.outcome(image);
  };
  const missing = /^verification-failed: Image verification failed: missing signatures\n/;
  const classic = await newImage(registry);
  await pushSignatures(registry, nameOf(classic), classic.digest, [layer(classic, identity), layer(classic, workflow)]);
  const bundled = await newImage(registry);
  const bundles = [identity, workflow].map((who) => sigstore.signBundle(bundled.digest, sigstore.issue(who)));
  await pushBundles(registry, nameOf(bundled), bundled.manifest, await Promise.all(bundles));
  for (const [form, image] of Object.entries({ classic, bundled })) {
    t.equal(await outcome(image, JANE), 'ok', form);
    t.equal(await outcome(image, ACME), 'ok', `${form}: a reusable workflow of another owner`);
    t.equal(await outcome(image, JANE, ACME), 'ok', form);
    const workflows = { urlPrefix: 'https://github.com/shared' };
    const prefixed = { kind: 'genericIssuer', issuer: workflow.issuer, subject: workflows };
    t.equal(await outcome(image, prefixed), 'ok', `${form}: URL prefix`);
    for (const [what, entry] of Object.entries({
      'another address': { ...JANE, subject: { equal: 'joe@example.org' } },
      'a pattern': { ...JANE, subject: { equal: '.*' } },
      'another issuer': { ...JANE, issuer: 'https://issuer.test/' },
      'a name that begins alike': { ...prefixed, subject: { urlPrefix: 'https://github.com/share' } },
      'the owner of the workflow, not of the repository': { ...ACME, owner: 'shared' },
      'another repository': { ...ACME, repo: 'polic' },
    })) {
      t.match(await outcome(image, entry), missing, `${form}: ${what}`);
    }
  }
  t.equal(await outcome(classic, { ...JANE, annotations: { env: 'prod' } }), 'ok');
  t.match(await outcome(classic, { ...JANE, annotations: { env: 'test' } }), missing);
});

test(
  'a signature that its certificate did not make, and a log entry about another one, prove nobody',
  { skip },
  async (t) => {
    await using registry = await startRegistry({ referrers: false });
    const trustRoot = trustRootFromConfig(join(t.testdir({ 'trust.json': sigstore.trustConfig() }), 'trust.json'));
    await using run = openRun(registry, { config: allOf(JANE), trustRoot });
    const attacker = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    for (const [what, options] of Object.entries({
      'made with another key': { signingKey: attacker },
      'a log entry about another payload': { entry: { about: { payload: Buffer.from('another') } } },
      'a log entry about another signature': { entry: { about: { signature: Buffer.from('another') } } },
      'no log entry': { entry: 'absent' as const },
      'an entry signed by a stranger': { entry: { signingKey: attacker } },
    })) {
      const image = await newImage(registry);
      const forged = sigstore.signLegacy(simpleSigningPayload(image), sigstore.issue(identity), options);
      await pushSignatures(registry, nameOf(image), image.digest, [forged]);
      t.match(
        await run.outcome(image),
        /^verification-failed: (?:Image verification failed|failed to get image trusted)/,
        what,
      );
    }
  },
);

test('fails closed when the trust root cannot be built', { skip }, async (t) => {
  await using registry = await startRegistry({ referrers: false });
  const folder = t.testdir({
    'malformed.json': '{"trustedRoot": ',
    'empty.json': '{}',
    'half.json': JSON.stringify({
      trustedRoot: { mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1' },
    }),
  });
  const keys = await createCosignKeys(folder);
  const image = await newImage(registry);
  const other = await newImage(registry);
  await pushSignatures(registry, nameOf(image), image.digest, [layer(image, identity), layer(image, workflow)]);
  await pushSignatures(registry, nameOf(other), other.digest, [layer(other, identity)]);
  await signWithKey({ reference: image.immutableReference, key: keys, format: 'legacy' });
  const key = pubKeyEntry(keys.publicKey);
  const sources: Record<string, TrustRootSource> = {
    'no network': NO_NETWORK,
    ...Object.fromEntries(
      ['missing', 'malformed', 'empty', 'half'].map((name) => [
        name,
        trustRootFromConfig(join(folder, `${name}.json`)),
      ]),
    ),
  };
  for (const [name, trustRoot] of Object.entries(sources)) {
    for (const entries of [[JANE], [ACME], [key, JANE]]) {
      await using run = openRun(registry, { config: allOf(...entries), trustRoot });
      const text = await run.outcome(image);
      t.match(text, /Image verification failed: missing signatures\n/, `${name}: ${JSON.stringify(entries)}`);
      if (name === 'half') continue; // a root without any authority is one; nobody is proven by it
      t.match(
        text,
        /^trust-root-unavailable: .*\nKeyless signatures could not be judged, there is no Sigstore trust root: /s,
      );
      const warnings = run.log.filter(({ level }) => level === 'warn');
      t.equal(warnings.length, 1, 'said once');
      t.match(warnings[0], {
        message: 'Cannot create Sigstore trust root, verification relying on Rekor and Fulcio will fail',
      });
    }
    await using keyOnly = openRun(registry, { config: allOf(key), trustRoot });
    t.equal(await keyOnly.outcome(image), 'ok', `${name}: keys need no trust root`);
    t.match(await keyOnly.outcome(other), /missing signatures/, `${name}: nor do they pass without`);
    await using either = openRun(registry, { config: anyOf(1, JANE, key), trustRoot });
    t.equal(await either.outcome(image), 'ok', `${name}: the key is enough`);
    await using quorum = openRun(registry, { config: anyOf(2, JANE, key), trustRoot });
    t.match(await quorum.outcome(image), /minimum number of signatures not reached: needed 2, got 1\n/, name);
  }
});

test('a config that requires nothing passes nothing', { skip }, async (t) => {
  await using registry = await startRegistry({ referrers: false });
  const image = await newImage(registry);
  await pushSignatures(registry, nameOf(image), image.digest, [layer(image, identity)]);
  await using run = openRun(registry, { config: '' });
  t.equal(await run.outcome(image), 'verification-failed: Image verification failed: no signatures to verify');
  await using zero = openRun(registry, { config: anyOf(0) });
  t.equal(await zero.outcome(image), 'ok', 'somebody signed it');
  t.match(zero.log, [{ level: 'warn', message: /requires 0 signatures/ }]);
  const unsigned = await newImage(registry);
  t.match(await zero.outcome(unsigned), /^verification-failed: no signatures found for image: /);
});
