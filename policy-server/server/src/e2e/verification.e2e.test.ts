import { join } from 'node:path';
import { policyModule, simpleSigningPayload } from '@portcullis/testkit';
import { test } from 'tap';
import { servePolicy } from '../test/served-policy.ts';
import { documentFile } from '../test/server-process.ts';
import { asking, newKeys, signingScene, type Keys } from '../test/signing-scene.ts';
import { start, startFailure } from '../test/test-server.ts';

test('keys: whose, with which annotations, how many', async (t) => {
  const { registry, keys, flags, sign, byKey } = await signingScene(t);
  const other = newKeys();
  const { manifest } = servePolicy(registry, 'p', await policyModule());
  sign('p', manifest, [byKey(manifest, { env: 'prod' }), byKey(manifest, { env: 'test' }, other)]);
  const policies = { p: { module: `${registry.host}/p:v1` } };
  const key = (of: Keys, annotations?: object): object => ({
    kind: 'pubKey',
    key: of.pem,
    ...(annotations && { annotations }),
  });
  const missing =
    /^Policy 'p' cannot be verified: Image verification failed: missing signatures\nThe following constraints were not satisfied:\n/;
  for (const [name, verification, expected] of [
    ['the key', asking(key(keys)), undefined],
    ['the key and its annotation', asking(key(keys, { env: 'prod' })), undefined],
    ['both keys', asking(key(keys), key(other)), undefined],
    ["the key and another's annotation", asking(key(keys, { env: 'test' })), missing],
    ['the key and more annotations', asking(key(keys, { env: 'prod', by: 'me' })), missing],
    ['an unknown key besides', asking(key(keys), key(newKeys())), missing],
    ['one of two', { apiVersion: 'v1', anyOf: { signatures: [key(newKeys()), key(other)] } }, undefined],
    [
      'two of two',
      { apiVersion: 'v1', anyOf: { minimumMatches: 2, signatures: [key(newKeys()), key(other)] } },
      /^Policy 'p' cannot be verified: Image verification failed: minimum number of signatures not reached: needed 2, got 1\nThe following constraints were not satisfied:\n/,
    ],
    ['both lists', { ...asking(key(newKeys())), anyOf: { signatures: [key(keys)] } }, missing],
    ['nothing at all', {}, /^Policy 'p' cannot be verified: Image verification failed: no signatures to verify/],
  ] as const) {
    if (expected === undefined) await (await start(policies, await flags(verification)))[Symbol.asyncDispose]();
    else t.match((await startFailure(policies, await flags(verification))).message, expected, name);
  }
});

test('identities: of the workflow that was asked for, while its certificate was valid', async (t) => {
  const { registry, sigstore, flags, sign } = await signingScene(t);
  const ISSUER = 'https://token.actions.githubusercontent.com';
  const uri = 'https://github.com/acme/policies/.github/workflows/release.yml@refs/heads/main';
  const identity = { issuer: ISSUER, uri, githubRepository: 'acme/policies' };
  const yearAgo = new Date(Date.now() - 300 * 24 * 3_600_000);
  const { manifest } = servePolicy(registry, 'old', await policyModule({ label: 'old' }));
  const late = servePolicy(registry, 'late', await policyModule({ label: 'late' })).manifest;
  const unlogged = servePolicy(registry, 'unlogged', await policyModule({ label: 'unlogged' })).manifest;
  const payload = (digest: string): Buffer => simpleSigningPayload({ digest, repository: 'x' });
  const signer = sigstore.issue(identity, { notBefore: yearAgo });
  const integratedTime = new Date(yearAgo.getTime() + 60_000);
  sign('old', manifest, [sigstore.signLegacy(payload(manifest), signer, { entry: { integratedTime } })]);
  sign('late', late, [sigstore.signLegacy(payload(late), signer)]);
  sign('unlogged', unlogged, [sigstore.signLegacy(payload(unlogged), signer, { entry: 'absent' })]);
  const policy = (name: string): object => ({ [name]: { module: `${registry.host}/${name}:v1` } });
  const action = (owner: string, repo?: string): object =>
    asking({ kind: 'githubAction', owner, ...(repo && { repo }) });
  for (const verification of [
    action('acme'),
    action('acme', 'policies'),
    asking({ kind: 'genericIssuer', issuer: ISSUER, subject: { equal: uri } }),
    asking({ kind: 'genericIssuer', issuer: ISSUER, subject: { urlPrefix: 'https://github.com/acme' } }),
  ]) {
    const server = await start({ ...policy('old') }, await flags(verification));
    await server[Symbol.asyncDispose]();
  }
  for (const verification of [
    action('ACME'),
    action('acm'),
    action('acme', 'policie'),
    action('acme', 'Policies'),
    asking({ kind: 'genericIssuer', issuer: ISSUER, subject: { urlPrefix: 'https://github.com/acm' } }),
    asking({ kind: 'genericIssuer', issuer: `${ISSUER}/`, subject: { equal: uri } }),
  ]) {
    const { message } = await startFailure({ ...policy('old') }, await flags(verification));
    t.match(message, /^Policy 'old' cannot be verified: Image verification failed: missing signatures/);
  }
  const expired = await startFailure({ ...policy('late') }, await flags(action('acme')));
  t.match(expired.message, /^Policy 'late' cannot be verified: /, 'signed long after the certificate had expired');
  const bare = await startFailure({ ...policy('unlogged') }, await flags(action('acme')));
  t.match(bare.message, /^Policy 'unlogged' cannot be verified: /, 'nobody can tell when');
});

test('an empty name of a verification config does not switch verification off', async (t) => {
  const failed = /failed to read verification file: No such file or directory|a value is required/;
  t.match((await startFailure({}, ['--verification-path='])).message, failed);
  const env = { KUBEWARDEN_VERIFICATION_CONFIG_PATH: '' };
  t.match((await startFailure({}, [], { env })).message, failed);
});

test('fails closed when the public trust root cannot be reached', async (t) => {
  const { registry, keys, sigstore, sign, byKey, store } = await signingScene(t);
  const { manifest } = servePolicy(registry, 'p', await policyModule());
  const signer = sigstore.issue({ issuer: 'https://issuer.test', email: 'a@b.test' });
  const payload = simpleSigningPayload({ digest: manifest, repository: 'x' });
  sign('p', manifest, [byKey(manifest), sigstore.signLegacy(payload, signer)]);
  const policies = { p: { module: `${registry.host}/p:v1` } };
  const sources = { insecure_sources: [registry.host], proxies: { https_proxy: 'http://127.0.0.1:1' } };
  const flags = async (verification: object): Promise<string[]> => [
    `--sources-path=${await documentFile(sources)}`,
    `--verification-path=${await documentFile(verification)}`,
    `--sigstore-cache-dir=${join(store, 'sigstore-data')}`,
    `--policies-download-dir=${store}`,
  ];
  const identity = { kind: 'genericIssuer', issuer: 'https://issuer.test', subject: { equal: 'a@b.test' } };
  const since = performance.now();
  const { message } = await startFailure(policies, await flags(asking(identity)));
  t.match(message, /^Policy 'p' cannot be verified: Image verification failed: missing signatures\n/);
  t.match(message, /there is no Sigstore trust root: /);
  t.ok(performance.now() - since < 10_000);
  const server = await start(policies, await flags(asking({ kind: 'pubKey', key: keys.pem })));
  await server[Symbol.asyncDispose]();
});
