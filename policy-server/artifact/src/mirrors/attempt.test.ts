import { OCI_MANIFEST, type ProgrammedAnswer } from '@portcullis/testkit';
import { test } from 'tap';
import { ArtifactError } from '../errors.ts';
import type { RegistryReader } from '../registry/registry.ts';
import { createMirroredReader } from './mirrored-reader.ts';
import {
  at,
  descriptorOf,
  manifestOf,
  openMirrored,
  REPOSITORY,
  serveRegistry,
  sha256,
  told,
} from './test/test-mirrors.ts';

const MANIFEST = manifestOf('the one');
const OTHER = manifestOf('another');
const DIGEST = sha256(MANIFEST);
const MANIFEST_PATH = `/v2/${REPOSITORY}/manifests/${DIGEST}`;

const FAILURES: Readonly<Record<string, { answer: ProgrammedAnswer; error: RegExp; level?: string }>> = {
  'wants credentials': { answer: { status: 401 }, error: /Not authorized/ },
  'forbids it': { answer: { status: 403, body: 'no' }, error: /code: 403/ },
  'does not have it': { answer: { status: 404, body: 'no' }, error: /code: 404/ },
  'limits rates': { answer: { status: 429, headers: { 'retry-after': '9' } }, error: /asks to wait 9 s/ },
  'is broken': { answer: { status: 500, body: 'oh' }, error: /code: 500, message: oh/ },
  'sends a page': { answer: { body: '<html>' }, error: /not the one it should be/, level: 'warn' },
  'sends other bytes': { answer: { body: OTHER }, error: /not the one it should be/, level: 'warn' },
  'names another digest': {
    answer: { body: MANIFEST, headers: { 'docker-content-digest': sha256(OTHER) } },
    error: /not the one it should be/,
    level: 'warn',
  },
  'sends too much': { answer: { body: Buffer.alloc(4 * 2 ** 20 + 1) }, error: /longer than 4194304 bytes/ },
  'closes the connection': { answer: { drop: true }, error: /error sending request/ },
  'is silent': { answer: { drop: 'hang' }, error: /gave no answer within 300 ms/ },
  'begins and stalls': { answer: { body: stalling() }, error: /gave no answer within 300 ms/ },
};

async function* stalling(): AsyncGenerator<Uint8Array, void> {
  yield MANIFEST.subarray(0, 10);
  await new Promise(() => undefined);
}

for (const [name, { answer, error, level = 'debug' }] of Object.entries(FAILURES)) {
  test(`a mirror that ${name} is passed over`, async (t) => {
    const source = await serveRegistry(t);
    const mirror = await serveRegistry(t);
    source.serveManifest(REPOSITORY, MANIFEST, OCI_MANIFEST);
    mirror.route('*', MANIFEST_PATH, answer);
    const { reader, records } = openMirrored(t, {
      source: source.host,
      mirrors: [{ host: mirror.host }],
      limits: answer.drop === 'hang' || name.includes('stalls') ? { answerTimeoutMs: 300 } : {},
    });
    t.equal((await reader.manifest(at(source.host, { digest: DIGEST }))).digest, DIGEST);
    t.ok(mirror.count(undefined, MANIFEST_PATH) > 0);
    const [line = ''] = told(records);
    t.ok(line.startsWith(`${level}: A mirror is passed over: ${mirror.host}: `), line);
    t.match(line, error);
    t.equal(source.count(undefined, MANIFEST_PATH), 1);
  });
}

test('a mirror that is not reached is left alone for 10 s, then asked once', async (t) => {
  const source = await serveRegistry(t);
  const mirror = await serveRegistry(t);
  source.serveManifest(REPOSITORY, MANIFEST, OCI_MANIFEST);
  mirror.route('GET', MANIFEST_PATH, { drop: true });
  const { reader, clock } = openMirrored(t, { source: source.host, mirrors: [{ host: mirror.host }] });
  const read = async (): Promise<number> => {
    const before = mirror.count('GET', MANIFEST_PATH);
    t.equal((await reader.manifest(at(source.host, { digest: DIGEST }))).digest, DIGEST);
    return mirror.count('GET', MANIFEST_PATH) - before;
  };
  t.ok((await read()) > 0);
  t.equal(await read(), 0);
  clock.nowMs = 9999;
  t.equal(await read(), 0);
  mirror.route('GET', MANIFEST_PATH, { drop: 'hang' });
  clock.nowMs = 10_000;
  const gone = new AbortController();
  const probe = reader.manifest(at(source.host, { digest: DIGEST }), { signal: gone.signal });
  while (mirror.count('GET', MANIFEST_PATH) === 0) await new Promise(setImmediate);
  t.equal(await read(), 0, 'one question tells whether it is back, nobody else waits for it');
  gone.abort();
  await t.rejects(probe, { code: 'aborted' });
  mirror.serveManifest(REPOSITORY, MANIFEST, OCI_MANIFEST);
  clock.nowMs = 20_000;
  t.equal(await read(), 1);
  t.equal(await read(), 1, 'it is back');
});

test('who gives up is not answered, and nobody else is asked', async (t) => {
  const source = await serveRegistry(t);
  const mirror = await serveRegistry(t);
  const next = await serveRegistry(t);
  mirror.route('*', /manifests|blobs/, { drop: 'hang' });
  const mirrors = [
    { host: mirror.host, resolve: true },
    { host: next.host, resolve: true },
  ];
  const blob = descriptorOf(Buffer.from('wasm'));
  const questions: Readonly<Record<string, (reader: RegistryReader, signal: AbortSignal) => Promise<unknown>>> = {
    digest: (reader, signal) => reader.digest(at(source.host, { digest: DIGEST }), { signal }),
    'digest of a tag': (reader, signal) => reader.digest(at(source.host), { signal }),
    manifest: (reader, signal) => reader.manifest(at(source.host), { signal }),
    blob: (reader, signal) => reader.blob(at(source.host), blob, { maxBytes: 10, signal }),
    'a large blob': (reader, signal) => reader.openBlob(at(source.host), { ...blob, size: 2 ** 20 }, { signal }),
  };
  source.route('*', /manifests/, { drop: 'hang' });
  for (const [name, ask] of Object.entries(questions)) {
    const { reader, clock } = openMirrored(t, { source: source.host, mirrors });
    await t.rejects(ask(reader, AbortSignal.abort()), { code: 'aborted' }, name);
    const gone = new AbortController();
    const before = mirror.count(undefined, /manifests|blobs/);
    const answer = ask(reader, gone.signal);
    while (mirror.count(undefined, /manifests|blobs/) === before) await new Promise(setImmediate);
    clock.nowMs = 1000;
    gone.abort();
    await t.rejects(answer, { code: 'aborted' }, name);
    t.equal(next.count(), 0, name);
    t.equal(source.count(undefined, /blobs/), 0, name);
    next.route('*', /manifests|blobs/, { status: 404 });
    await t.rejects(ask(reader, AbortSignal.timeout(300)), ArtifactError);
    t.equal(mirror.count(undefined, /manifests|blobs/), before + 1, `${name}: who was given up on is left alone`);
    next.requests.length = 0;
    source.requests.length = 0;
  }
});

test('who has given up asks nobody', async (t) => {
  const unused = (): never => t.fail('not asked') as never;
  const client = { digest: unused, manifest: unused, blob: unused, openBlob: unused, referrers: unused };
  const reader = createMirroredReader(client, {
    mirrors: new Map([['docker.io', [{ host: 'hub.example', path: '', resolve: false }]]]),
    log: () => undefined,
  });
  const gone = { signal: AbortSignal.abort() };
  const pinned = at('docker.io', { digest: DIGEST });
  const blob = descriptorOf(MANIFEST);
  await t.rejects(reader.digest(pinned, gone), { code: 'aborted' });
  await t.rejects(reader.manifest(pinned, gone), { code: 'aborted' });
  await t.rejects(reader.blob(pinned, blob, { ...gone, maxBytes: 10_000 }), { code: 'aborted' });
  await t.rejects(reader.openBlob(pinned, blob, gone), { code: 'aborted' });
  await t.rejects(reader.openBlob(pinned, { ...blob, size: 2 ** 20 }, gone), { code: 'aborted' });
});

test('mistakes of our own are not taken for a mirror’s', async (t) => {
  const broken = (): Promise<never> => Promise.reject(new TypeError('a bug'));
  const client = { digest: broken, manifest: broken, blob: broken, openBlob: broken, referrers: broken };
  const reader = createMirroredReader(client, {
    mirrors: new Map([['docker.io', [{ host: 'hub.example', path: '', resolve: true }]]]),
    log: () => undefined,
  });
  await t.rejects(reader.manifest(at('docker.io')), TypeError);
});
