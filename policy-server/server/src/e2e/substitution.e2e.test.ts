import { execFileSync } from 'node:child_process';
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OCI_INDEX, OCI_MANIFEST, policyModule, WASM_CONFIG, WASM_LAYER } from '@portcullis/testkit';
import { test } from 'tap';
import { servePolicy } from '../test/served-policy.ts';
import { asking, descriptor, signingScene } from '../test/signing-scene.ts';
import { start, startFailure } from '../test/test-server.ts';

test('a registry that says one thing to the verifier and another to the downloader gets nothing through', async (t) => {
  const { registry, keys, flags, sign, byKey, store } = await signingScene(t);
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
  const { registry, keys, flags, sign, byKey, store } = await signingScene(t);
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
    { status: { message: /^signed$/ } },
    'a pipe is no policy: it is replaced',
  );
  await served[Symbol.asyncDispose]();
  await rm(path);
  await mkdir(path);
  t.match((await startFailure(policies, flag)).message, /^Error while downloading policy 'p' from .*Is a directory/);
});

test('what was signed must be one module: an index leads to one, two layers are none', async (t) => {
  const { registry, keys, flags, sign, byKey } = await signingScene(t);
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
  t.match(await served.verdict('/validate/p'), { status: { message: /^a$/ } });
  await served[Symbol.asyncDispose]();
  const { message } = await startFailure({ p: { module: `${registry.host}/p:two` } }, flag);
  t.match(
    message,
    /^Verification of policy p failed: Cannot verify local file integrity, the remote manifest doesn't have only one WASM layer/,
  );
});
