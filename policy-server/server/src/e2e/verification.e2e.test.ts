import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  createSigstore,
  OCI_INDEX,
  OCI_MANIFEST,
  policyModule,
  ProgrammableRegistry,
  simpleSigningPayload,
  WASM_CONFIG,
  WASM_LAYER,
  type SignatureLayer,
  type Sigstore,
} from '@portcullis/testkit';
import { test, type Test } from 'tap';
import { servePolicy } from '../test/served-policy.ts';
import { documentFile } from '../test/server-process.ts';
import { folder, start, startFailure } from '../test/test-server.ts';

let stores = 0;

interface Keys {
  readonly privateKey: KeyObject;
  readonly pem: string;
}

function newKeys(): Keys {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { privateKey, pem: publicKey.export({ type: 'spki', format: 'pem' }).toString() };
}

interface Scene {
  readonly registry: ProgrammableRegistry;
  readonly sigstore: Sigstore;
  readonly keys: Keys;
  readonly trustConfig: string;
  readonly store: string;
  readonly flags: (verification: object) => Promise<string[]>;
  /** Puts signatures where cosign puts them. */
  readonly sign: (repository: string, digest: string, layers: readonly SignatureLayer[]) => void;
  readonly byKey: (digest: string, optional?: Record<string, string>, keys?: Keys) => SignatureLayer;
}

async function scene(t: Test): Promise<Scene> {
  const registry = await ProgrammableRegistry.start();
  t.teardown(() => registry[Symbol.asyncDispose]());
  const sigstore = await createSigstore();
  const store = join(folder, `verified-${stores++}`);
  await mkdir(store);
  const trustConfig = join(store, 'trust.json');
  await writeFile(trustConfig, sigstore.trustConfig());
  const keys = newKeys();
  return {
    registry,
    sigstore,
    keys,
    trustConfig,
    store,
    flags: async (verification) => [
      `--sources-path=${await documentFile({ insecure_sources: [registry.host] })}`,
      `--verification-path=${await documentFile(verification)}`,
      `--sigstore-trust-config=${trustConfig}`,
      `--policies-download-dir=${store}`,
    ],
    sign(repository, digest, layers) {
      const manifest = {
        schemaVersion: 2,
        mediaType: OCI_MANIFEST,
        config: descriptor(registry, repository, Buffer.from('{}'), 'application/vnd.oci.image.config.v1+json'),
        layers: layers.map(({ payload, annotations }) => ({
          ...descriptor(registry, repository, payload, 'application/vnd.dev.cosign.simplesigning.v1+json'),
          annotations,
        })),
      };
      registry.serveManifest(repository, manifest, OCI_MANIFEST, [`${digest.replace(':', '-')}.sig`]);
    },
    byKey(digest, optional, { privateKey } = keys) {
      const payload = simpleSigningPayload({ digest, repository: 'x', ...(optional && { optional }) });
      return sigstore.signLegacy(payload, { privateKey }, { entry: 'absent' });
    },
  };
}

function descriptor(registry: ProgrammableRegistry, repository: string, bytes: Uint8Array, mediaType: string) {
  return { mediaType, digest: registry.serveBlob(repository, bytes), size: bytes.length };
}

const asking = (...allOf: readonly object[]): object => ({ apiVersion: 'v1', allOf });

test('keys: whose, with which annotations, how many', async (t) => {
  const { registry, keys, flags, sign, byKey } = await scene(t);
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
  const { registry, sigstore, flags, sign } = await scene(t);
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

test('a registry that says one thing to the verifier and another to the downloader gets nothing through', async (t) => {
  const { registry, keys, flags, sign, byKey, store } = await scene(t);
  const signed = servePolicy(registry, 'p', await policyModule({ rejectWith: 'signed' }), []);
  const evil = servePolicy(registry, 'p', await policyModule({ rejectWith: 'evil' }), []);
  sign('p', signed.manifest, [byKey(signed.manifest)]);
  const answerFor = async (path: string) => {
    const answer = await fetch(`${registry.url}${path}`);
    return { headers: Object.fromEntries(answer.headers), body: new Uint8Array(await answer.arrayBuffer()) };
  };
  const [good, bad] = [
    await answerFor(`/v2/p/manifests/${signed.manifest}`),
    await answerFor(`/v2/p/manifests/${evil.manifest}`),
  ];
  const policies = { p: { module: `${registry.host}/p:v1` } };
  const flag = await flags(asking({ kind: 'pubKey', key: keys.pem }));
  const message = async (): Promise<string | undefined> => {
    await rm(join(store, 'registry'), { recursive: true, force: true });
    const server = await start(policies, flag);
    const { status } = await server.verdict('/validate/p');
    await server[Symbol.asyncDispose]();
    return status?.message;
  };
  const failure = async (): Promise<string> => {
    await rm(join(store, 'registry'), { recursive: true, force: true });
    return (await startFailure(policies, flag)).message;
  };
  registry.route('GET', '/v2/p/manifests/v1', (_request, calls) => (calls === 0 ? good : bad));
  t.equal(await message(), 'signed', 'the tag moves once it was verified');
  registry.route('GET', '/v2/p/manifests/v1', bad);
  t.match(await failure(), /^Policy 'p' cannot be verified: no signatures found for image: /, 'unsigned');
  registry.route('GET', '/v2/p/manifests/v1', {
    ...bad,
    headers: { ...bad.headers, 'docker-content-digest': signed.manifest },
  });
  t.equal(await message(), 'signed', 'what a header names is what is fetched, whatever comes with it');
  registry.route('GET', '/v2/p/manifests/v1', good);
  const signatureTag = `/v2/p/manifests/${signed.manifest.replace(':', '-')}.sig`;
  const signature = await answerFor(signatureTag);
  registry.route('GET', `/v2/p/manifests/${signed.manifest}`, bad);
  t.match(
    await failure(),
    /expected sha256:[0-9a-f]{64}, got sha256:/,
    'another manifest under the digest that was signed',
  );
  registry.route('GET', `/v2/p/manifests/${signed.manifest}`, (_request, calls) => (calls % 2 === 0 ? good : bad));
  t.match(await failure(), /expected sha256:[0-9a-f]{64}, got sha256:/, 'now and then');
  registry.route('GET', `/v2/p/manifests/${signed.manifest}`, good);
  registry.route('GET', `/v2/p/blobs/${signed.module}`, await answerFor(`/v2/p/blobs/${evil.module}`));
  t.match(await failure(), /^Error while downloading policy 'p' from .*expected sha256:.*, got sha256:|it ended after/);
  registry.route('GET', `/v2/p/blobs/${signed.module}`, await answerFor(`/v2/p/blobs/${signed.module}`));
  registry.route('GET', signatureTag, { status: 404 });
  registry.route('GET', `/v2/p/manifests/${evil.manifest.replace(':', '-')}.sig`, signature);
  registry.route('GET', '/v2/p/manifests/v1', bad);
  t.match(await failure(), /^Policy 'p' cannot be verified: /, "another image's signature");
});

test('what was put into the store in place of a policy is found out: link, pipe, folder, other file', async (t) => {
  const { registry, keys, flags, sign, byKey, store } = await scene(t);
  const { manifest } = servePolicy(registry, 'p', await policyModule({ rejectWith: 'signed' }));
  sign('p', manifest, [byKey(manifest)]);
  const policies = { p: { module: `${registry.host}/p:v1` } };
  const flag = await flags(asking({ kind: 'pubKey', key: keys.pem }));
  await (await start(policies, flag))[Symbol.asyncDispose]();
  const path = join(store, 'registry', registry.host, 'p:v1');
  const evil = join(store, 'evil.wasm');
  await writeFile(evil, await policyModule({ rejectWith: 'evil' }));
  const changed =
    /^Verification of policy p failed: The digest of the local file doesn't match with the one reported inside of the signed manifest\. Got [0-9a-f]{64} instead of [0-9a-f]{64}/;
  await rm(path);
  await symlink(evil, path);
  t.match((await startFailure(policies, flag)).message, changed, 'a link');
  await rm(path);
  await writeFile(path, await readFile(evil));
  t.match((await startFailure(policies, flag)).message, changed, 'another file');
  await writeFile(path, '');
  t.match((await startFailure(policies, flag)).message, changed, 'an empty file');
  await rm(path);
  execFileSync('mkfifo', [path]);
  const served = await start(policies, [...flag, '--policies-download-timeout=10']);
  t.match(
    await served.verdict('/validate/p'),
    { status: { message: 'signed' } },
    'a pipe is no policy: it is replaced',
  );
  await served[Symbol.asyncDispose]();
  await rm(path);
  await mkdir(path);
  t.match((await startFailure(policies, flag)).message, /^Error while downloading policy 'p' from .*Is a directory/);
});

test('what was signed must be one module: an index leads to one, two layers are none', async (t) => {
  const { registry, keys, flags, sign, byKey } = await scene(t);
  const [a, b] = [await policyModule({ rejectWith: 'a' }), await policyModule({ rejectWith: 'b' })];
  const { manifest } = servePolicy(registry, 'p', a, []);
  const platform = { os: process.platform, architecture: process.arch === 'x64' ? 'amd64' : process.arch };
  const manifests = [{ mediaType: OCI_MANIFEST, digest: manifest, size: 1, platform }];
  const index = registry.serveManifest('p', { schemaVersion: 2, mediaType: OCI_INDEX, manifests }, OCI_INDEX, [
    'index',
  ]);
  sign('p', index, [byKey(index)]);
  const two = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: descriptor(registry, 'p', Buffer.from('{}'), WASM_CONFIG),
    layers: [descriptor(registry, 'p', a, WASM_LAYER), descriptor(registry, 'p', b, WASM_LAYER)],
  };
  const layers = registry.serveManifest('p', two, OCI_MANIFEST, ['two']);
  sign('p', layers, [byKey(layers)]);
  const flag = await flags(asking({ kind: 'pubKey', key: keys.pem }));
  const served = await start({ p: { module: `${registry.host}/p:index` } }, flag);
  t.match(await served.verdict('/validate/p'), { status: { message: 'a' } });
  await served[Symbol.asyncDispose]();
  const { message } = await startFailure({ p: { module: `${registry.host}/p:two` } }, flag);
  t.match(
    message,
    /^Verification of policy p failed: Cannot verify local file integrity, the remote manifest doesn't have only one WASM layer/,
  );
});

test('an empty name of a verification config does not switch verification off', async (t) => {
  const failed = /failed to read verification file: No such file or directory|a value is required/;
  t.match((await startFailure({}, ['--verification-path='])).message, failed);
  const env = { KUBEWARDEN_VERIFICATION_CONFIG_PATH: '' };
  t.match((await startFailure({}, [], { env })).message, failed);
});

test('fails closed when the public trust root cannot be reached', async (t) => {
  const { registry, keys, sigstore, sign, byKey, store } = await scene(t);
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
