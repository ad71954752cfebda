import { OCI_INDEX, OCI_MANIFEST } from '@portcullis/testkit';
import { test, type Test } from 'tap';
import type { Credential } from '../credentials/credentials.ts';
import { ArtifactError } from '../errors.ts';
import { createMirroredReader } from './mirrored-reader.ts';
import { BLOB, damaged, openParts, serveParts } from './test/test-blobs.ts';
import {
  at,
  collected,
  descriptorOf,
  manifestOf,
  openMirrored,
  REPOSITORY,
  serveRegistry,
  sha256,
  told,
  unreachableHost,
} from './test/test-mirrors.ts';

const MANIFEST = manifestOf('the one');
const OTHER = manifestOf('another');
const DIGEST = sha256(MANIFEST);

test('TC10 mirror without resolve: never asked for a tag, the source is asked instead', async (t) => {
  const source = await serveRegistry(t);
  const mirror = await serveRegistry(t);
  source.serveManifest(REPOSITORY, MANIFEST, OCI_MANIFEST, ['v1', 'latest']);
  mirror.serveManifest(REPOSITORY, OTHER, OCI_MANIFEST, ['v1', 'latest']);
  const { reader } = openMirrored(t, { source: source.host, mirrors: [{ host: mirror.host }] });
  t.equal(await reader.digest(at(source.host)), DIGEST);
  t.equal((await reader.manifest(at(source.host))).digest, DIGEST);
  t.equal(await reader.digest(at(source.host, {})), DIGEST, 'no tag is latest');
  t.equal((await reader.manifest(at(source.host, {}))).digest, DIGEST);
  t.equal(mirror.count(), 0);
});

test('content is read from the mirrors in order, below their path, and by digest only', async (t) => {
  const source = await serveRegistry(t);
  const empty = await serveRegistry(t);
  const full = await serveRegistry(t);
  const blob = Buffer.from('wasm');
  full.serveManifest(`hub/${REPOSITORY}`, MANIFEST, OCI_MANIFEST);
  full.serveBlob(`hub/${REPOSITORY}`, blob);
  const { reader, records } = openMirrored(t, {
    source: source.host,
    mirrors: [{ host: empty.host }, { host: full.host, path: 'hub' }],
  });
  const pinned = at(source.host, { tag: 'v1', digest: DIGEST });
  t.equal(await reader.digest(pinned), DIGEST);
  t.match(await reader.manifest(pinned), { kind: 'manifest', digest: DIGEST });
  t.same(await reader.blob(pinned, descriptorOf(blob), { maxBytes: 10 }), blob);
  t.equal(source.count(), 0);
  const asked = (requests: readonly { method: string; path: string }[]): string[] =>
    requests.map(({ method, path }) => `${method} ${path}`).filter((line) => !line.endsWith('/v2/'));
  const wanted = (prefix: string): string[] => [
    `HEAD /v2/${prefix}${REPOSITORY}/manifests/${DIGEST}`,
    `GET /v2/${prefix}${REPOSITORY}/manifests/${DIGEST}`,
    `GET /v2/${prefix}${REPOSITORY}/blobs/${sha256(blob)}`,
  ];
  t.same(asked(full.requests), wanted('hub/'));
  t.same(asked(empty.requests).toSpliced(1, 1), wanted(''), 'asked first; what HEAD does not explain GET does');
  t.match(
    records.filter(({ message }) => message === 'A mirror answers')[0],
    { level: 'debug', fields: { mirror: `${full.host}/hub`, artifact: `${source.host}/${REPOSITORY}@${DIGEST}` } },
    'what was served from where can be told',
  );
});

test('small blobs are checked before anything of them is handed out', async (t) => {
  const parts = await serveParts(t, 2);
  const small = BLOB.subarray(0, 100_000);
  const path = `/v2/${REPOSITORY}/blobs/${sha256(small)}`;
  parts.mirrors[0]?.route('GET', path, { body: damaged(small) });
  parts.mirrors[1]?.serveBlob(REPOSITORY, small);
  const { reader, records } = openParts(t, parts);
  const stream = await reader.openBlob(at(parts.source.host), descriptorOf(small), { offset: 50_000 });
  t.equal(stream.startsAt, 0);
  t.equal(sha256((await collected(stream)).bytes), sha256(small));
  t.match(told(records)[0], /^warn: A mirror is passed over: .* is not the one it should be/);
  t.equal(parts.source.count(), 0);
  const own = BLOB.subarray(0, 90_000);
  parts.source.serveBlob(REPOSITORY, own);
  const resumed = await reader.openBlob(at(parts.source.host), descriptorOf(own), { offset: 50_000 });
  t.equal(resumed.startsAt, 50_000, 'the source resumes');
  await collected(resumed);
});

test('when nobody has it, the error is that of the source', async (t) => {
  const source = await serveRegistry(t);
  const mirror = await serveRegistry(t);
  mirror.route('*', /manifests/, { status: 500, body: 'the mirror is broken' });
  const { reader, records } = openMirrored(t, { source: source.host, mirrors: [{ host: mirror.host, resolve: true }] });
  const unknown = { code: 'not-found', message: /OCI API error: .* is unknown/ };
  await t.rejects(reader.manifest(at(source.host, { digest: DIGEST })), unknown);
  await t.rejects(reader.manifest(at(source.host)), unknown);
  await t.rejects(reader.digest(at(source.host)), unknown);
  const blob = descriptorOf(Buffer.from('wasm'));
  await t.rejects(reader.blob(at(source.host), blob, { maxBytes: 10 }), unknown);
  await t.rejects(reader.openBlob(at(source.host), blob), unknown);
  await t.rejects(reader.openBlob(at(source.host), { ...blob, size: 2 ** 20 }), unknown);
  const before = mirror.count();
  records.length = 0;
  await t.rejects(reader.blob(at(source.host), blob, { maxBytes: 3 }), { code: 'download-too-large' });
  t.same(records, []);
  t.equal(mirror.count(), before, 'what the caller does not want nobody is asked for');
});

test('a mirror that may resolve tags is asked for them; where the source disagrees it wins, with a warning', async (t) => {
  const source = await serveRegistry(t);
  const content = await serveRegistry(t);
  const mirror = await serveRegistry(t);
  mirror.serveManifest(`p/${REPOSITORY}`, MANIFEST, OCI_MANIFEST, ['v1']);
  const { reader, records, clock } = openMirrored(t, {
    source: source.host,
    mirrors: [{ host: content.host }, { host: mirror.host, path: 'p', resolve: true }],
    limits: { secondOpinionMs: 500 },
  });
  const warnings = (): object[] => records.splice(0).filter(({ level }) => level === 'warn');
  t.equal((await reader.manifest(at(source.host))).digest, DIGEST);
  t.equal(source.count(), 0, 'content does not need the source');
  t.equal(await reader.digest(at(source.host)), DIGEST, 'a source without the tag does not take it away');

  source.serveManifest(REPOSITORY, MANIFEST, OCI_MANIFEST, ['v1']);
  t.equal(await reader.digest(at(source.host)), DIGEST);
  t.same(warnings(), []);
  source.serveManifest(REPOSITORY, OTHER, OCI_MANIFEST, ['v1']);
  t.equal(await reader.digest(at(source.host)), sha256(OTHER), 'identity is what the source says');
  t.match(warnings(), [
    {
      message: 'A mirror and the registry itself disagree on what a tag names: the registry is right',
      fields: {
        artifact: `${source.host}/${REPOSITORY}:v1`,
        mirror: `${mirror.host}/p`,
        mirror_digest: DIGEST,
        digest: sha256(OTHER),
      },
    },
  ]);

  const tagPath = `/v2/${REPOSITORY}/manifests/v1`;
  source.route('GET', tagPath, { drop: 'hang' });
  const asked = source.count(undefined, tagPath);
  t.equal(await reader.digest(at(source.host)), DIGEST, 'a silent source is waited for a moment');
  t.equal(await reader.digest(at(source.host)), DIGEST);
  t.equal(source.count(undefined, tagPath) - asked, 1, 'and then left alone');
  mirror.route('GET', `/v2/p/${tagPath.slice(4)}`, { status: 404 });
  source.serveManifest(REPOSITORY, OTHER, OCI_MANIFEST, ['v1']);
  t.equal(await reader.digest(at(source.host)), sha256(OTHER), 'unless nobody else has an answer');
  t.equal((await reader.manifest(at(source.host))).digest, sha256(OTHER));

  mirror.serveManifest(`p/${REPOSITORY}`, MANIFEST, OCI_MANIFEST, ['v1']);
  source.route('GET', tagPath, { status: 404 });
  clock.nowMs = 10_000;
  t.equal(await reader.digest(at(source.host)), DIGEST);
  source.serveManifest(REPOSITORY, MANIFEST, OCI_MANIFEST, ['v1']);
  const after = source.count(undefined, tagPath);
  t.equal(await reader.digest(at(source.host)), DIGEST);
  t.equal(source.count(undefined, tagPath) - after, 1, 'who refuses is there, and asked again');
  t.equal(content.count(), 0, 'who may not resolve tags never hears of one');
  t.same(warnings(), []);
});

test('signatures and all that refers to an image are looked up in the original repository', async (t) => {
  const source = await serveRegistry(t);
  const mirror = await serveRegistry(t);
  mirror.route('*', /./, { status: 500 });
  const hex = DIGEST.slice('sha256:'.length);
  const sha512 = 'a'.repeat(128);
  const tags = [
    `sha256-${hex}`,
    ...['sig', 'att', 'sbom'].map((kind) => `sha256-${hex}.${kind}`),
    `sha512-${sha512}`,
    `sha512-${sha512.slice(64)}`,
  ];
  source.serveManifest(REPOSITORY, MANIFEST, OCI_MANIFEST, tags);
  source.route('GET', `/v2/${REPOSITORY}/referrers/${DIGEST}`, {
    headers: { 'content-type': OCI_INDEX },
    body: { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] },
  });
  const { reader } = openMirrored(t, { source: source.host, mirrors: [{ host: mirror.host, resolve: true }] });
  for (const tag of tags) {
    t.equal(await reader.digest(at(source.host, { tag })), DIGEST, tag);
    t.equal((await reader.manifest(at(source.host, { tag }))).digest, DIGEST, tag);
  }
  t.same(await reader.referrers(at(source.host), DIGEST), []);
  t.equal(mirror.count(), 0);
});

test('each host sees its own credentials, and nobody another’s', async (t) => {
  const basic = (user: string): Credential => ({ kind: 'basic', username: user, password: `${user}'s secret` });
  const auth = (user: string): string => `Basic ${Buffer.from(`${user}:${user}'s secret`).toString('base64')}`;
  const owner = (user: string): { user: string; password: string } => ({ user, password: `${user}'s secret` });
  const source = await serveRegistry(t, { basicAuth: owner('source') });
  const stranger = await serveRegistry(t, { basicAuth: owner('stranger') });
  const tokens = await serveRegistry(t, { tokens: {} });
  const own = await serveRegistry(t, { basicAuth: owner('mirror') });
  source.serveManifest(REPOSITORY, MANIFEST, OCI_MANIFEST, ['v1']);
  own.serveManifest(REPOSITORY, OTHER, OCI_MANIFEST);
  const { reader } = openMirrored(t, {
    source: source.host,
    mirrors: [{ host: stranger.host, resolve: true }, { host: tokens.host }, { host: own.host }],
    credentials: { [source.host]: basic('source'), [own.host]: basic('mirror') },
  });
  t.equal(await reader.digest(at(source.host)), DIGEST);
  t.equal((await reader.manifest(at(source.host, { digest: DIGEST }))).digest, DIGEST, 'the source has it');
  t.equal((await reader.manifest(at(source.host, { digest: sha256(OTHER) }))).digest, sha256(OTHER), 'the last has it');
  const seen = ({ requests }: { requests: readonly { headers: { authorization?: string } }[] }): string[] => [
    ...new Set(requests.flatMap(({ headers }) => headers.authorization ?? [])),
  ];
  t.same(seen(source), [auth('source')]);
  t.same(seen(own), [auth('mirror')]);
  t.same(seen(stranger), [], 'who asks for credentials it has no right to gets none');
  t.ok(stranger.count() > 0);
  t.ok(
    seen(tokens).every((header) => header.startsWith('Bearer ')),
    'nothing but the token it gave to anybody',
  );
  t.ok(tokens.count(undefined, '/token') > 0);
});

test('who gives up while the source is waited for gets no answer of a mirror', async (t) => {
  const source = await serveRegistry(t);
  const mirror = await serveRegistry(t);
  mirror.serveManifest(REPOSITORY, MANIFEST, OCI_MANIFEST, ['v1']);
  source.route('*', /manifests/, { drop: 'hang' });
  const { reader, records } = openMirrored(t, {
    source: source.host,
    mirrors: [{ host: mirror.host, resolve: true }],
    limits: { secondOpinionMs: 60_000 },
  });
  const gone = new AbortController();
  const answer = reader.digest(at(source.host), { signal: gone.signal });
  const isWaiting = (): boolean => told(records).length > 0 && source.count(undefined, /manifests/) > 0;
  while (!isWaiting()) await new Promise(setImmediate);
  gone.abort();
  await t.rejects(answer, { code: 'aborted' });
});

test('hosts are compared whole, by their comparable name', async (t) => {
  const asked: string[] = [];
  const note = ({ registry }: { registry: string }): Promise<string> => {
    asked.push(registry);
    return Promise.reject(new ArtifactError('not-found', 'not here'));
  };
  const unused = (): never => t.fail('not asked') as never;
  const client = { digest: note, manifest: unused, blob: unused, openBlob: unused, referrers: unused };
  const mirror = (host: string) => [{ host, path: '', resolve: false }];
  const reader = createMirroredReader(client, {
    mirrors: new Map([
      ['docker.io', mirror('hub.example')],
      ['Quay.io:443', mirror('quay.example')],
    ]),
    log: () => undefined,
  });
  const asksFor = async (registry: string): Promise<string[]> => {
    await t.rejects(reader.digest(at(registry, { digest: DIGEST })), { code: 'not-found' });
    return asked.splice(0);
  };
  for (const hub of ['docker.io', 'index.docker.io', 'registry-1.docker.io', 'DOCKER.IO', 'docker.io:443']) {
    t.same(await asksFor(hub), ['hub.example', hub], hub);
  }
  t.same(await asksFor('quay.io'), ['quay.example', 'quay.io']);
  for (const other of ['docker.io.evil.example', 'evil-docker.io', 'docker.io:5000', 'quay.io:80', 'hub.example']) {
    t.same(await asksFor(other), [other], other);
  }
});

test('with every host down the caller hears of the source', async (t: Test) => {
  const [source, mirror] = await Promise.all([unreachableHost(), unreachableHost()]);
  const { reader, records } = openMirrored(t, { source, mirrors: [{ host: mirror, resolve: true }] });
  const unreachable = { code: 'registry-unreachable', message: new RegExp(source) };
  await t.rejects(reader.digest(at(source)), unreachable);
  await t.rejects(reader.digest(at(source)), unreachable, 'also while both are left alone');
  await t.rejects(reader.manifest(at(source)), unreachable);
  t.equal(told(records).length, 1, 'the mirror was asked once');
});
