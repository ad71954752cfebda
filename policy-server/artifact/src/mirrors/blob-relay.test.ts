import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  OCI_MANIFEST,
  type ProgrammableRegistry,
  type ProgrammedAnswer,
  randomFrom,
  WASM_CONFIG,
  WASM_LAYER,
} from '@portcullis/testkit';
import { test } from 'tap';
import { createPolicyFetcher } from '../fetch/fetcher.ts';
import { parseModuleLocation } from '../location.ts';
import type { RegistryReader } from '../registry/registry.ts';
import { NO_SOURCES } from '../sources/sources.ts';
import { PolicyStore } from '../store/store.ts';
import { createTransport } from '../transport/create-transport.ts';
import {
  BLOB,
  broken,
  damaged,
  DESCRIPTOR,
  openParts,
  PATH,
  repeat,
  serveParts,
  serveZeros,
} from './test/test-blobs.ts';
import { at, collected, openMirrored, REPOSITORY, sha256, told } from './test/test-mirrors.ts';

/** Where the only request for the blob began. A connection that breaks can take with it what was not read yet. */
function startOf({ requests }: ProgrammableRegistry): number {
  const [request, ...others] = requests.filter(({ path }) => path === PATH);
  const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(request?.headers.range ?? '') ?? [];
  return others.length === 0 && Number(end) === BLOB.length - 1 ? Number(start) : Number.NaN;
}

test('a blob that breaks in the middle is resumed from the next mirror, at last from the source', async (t) => {
  const parts = await serveParts(t, 3);
  const [first, second, third] = parts.mirrors;
  first?.route('GET', PATH, broken(200_000));
  second?.route('GET', PATH, broken(450_000));
  third?.route('GET', PATH, { status: 503 });
  parts.source.serveBlob(REPOSITORY, BLOB);
  const { reader, records } = openParts(t, parts);
  const stream = await reader.openBlob(at(parts.source.host), DESCRIPTOR);
  t.equal(stream.startsAt, 0);
  t.equal(sha256((await collected(stream)).bytes), DESCRIPTOR.digest);
  const [fromSecond = 0, fromSource = 0] = [second, parts.source].map((host) => host && startOf(host));
  t.ok(fromSecond > 0 && fromSecond <= 200_000, `continued at ${fromSecond}`);
  t.ok(fromSource > fromSecond && fromSource <= 450_000, `continued at ${fromSource}`);
  t.equal(told(records).filter((line) => /passed over.*the connection broke/.test(line)).length, 2);
});

test('a host that cannot resume sends everything again, and the caller gets each byte once', async (t) => {
  const parts = await serveParts(t, 2);
  parts.mirrors[0]?.route('GET', PATH, broken(300_000));
  parts.mirrors[1]?.route('GET', PATH, { body: BLOB });
  const { reader } = openParts(t, parts);
  const stream = await reader.openBlob(at(parts.source.host), DESCRIPTOR);
  t.equal(sha256((await collected(stream)).bytes), DESCRIPTOR.digest);
  const resumed = await reader.openBlob(at(parts.source.host), DESCRIPTOR, { offset: 100_000 });
  t.equal(resumed.startsAt, 0, 'the broken one is left alone, the other one cannot resume');
  t.equal(sha256((await collected(resumed)).bytes), DESCRIPTOR.digest);
  t.equal(parts.source.count(), 0);
});

test('what the caller has already is not asked for again', async (t) => {
  const parts = await serveParts(t, 1);
  parts.mirrors[0]?.serveBlob(REPOSITORY, BLOB);
  const { reader } = openParts(t, parts);
  const { startsAt, body } = await reader.openBlob(at(parts.source.host), DESCRIPTOR, { offset: 400_000 });
  t.equal(startsAt, 400_000);
  t.same((await collected({ startsAt, body })).bytes, Buffer.from(BLOB.subarray(400_000)));
});

test('mirrors that stall before the first byte, or have no such blob, are passed over', async (t) => {
  const parts = await serveParts(t, 3);
  const [silent, stalled, empty] = parts.mirrors;
  silent?.route('GET', PATH, { drop: 'hang' });
  stalled?.route('GET', PATH, { headers: { 'content-length': '600000' }, body: nothing() });
  parts.source.serveBlob(REPOSITORY, BLOB);
  const { reader, records } = openParts(t, parts, { answerTimeoutMs: 500 });
  const { bytes } = await collected(await reader.openBlob(at(parts.source.host), DESCRIPTOR));
  t.equal(sha256(bytes), DESCRIPTOR.digest);
  t.match(told(records), [/gave no answer within 500 ms/, /gave no answer within 500 ms/, /is unknown/]);
  t.equal(empty?.count('GET', PATH), 1);
});

async function* nothing(): AsyncGenerator<Uint8Array, void> {
  await new Promise(() => undefined);
  yield BLOB;
}

test('when the source breaks as well, the error is its own', async (t) => {
  const parts = await serveParts(t, 1);
  parts.mirrors[0]?.route('GET', PATH, broken(200_000));
  parts.source.route('GET', PATH, broken(300_000));
  const { reader } = openParts(t, parts);
  const stream = await reader.openBlob(at(parts.source.host), DESCRIPTOR);
  const pieces: Uint8Array[] = [];
  const taken = (async () => {
    for await (const piece of stream.body) pieces.push(piece);
  })();
  await t.rejects(taken, { code: 'download-stalled', message: new RegExp(parts.source.host) });
  const received = Buffer.concat(pieces);
  t.ok(received.length > 100_000, 'what came is the caller’s to continue');
  t.same(received, Buffer.from(BLOB.subarray(0, received.length)));
});

test('who gives up in the middle of a blob is not answered by anybody else', async (t) => {
  const parts = await serveParts(t, 2);
  parts.mirrors[0]?.route('GET', PATH, {
    headers: { 'content-length': '600000' },
    body: (async function* () {
      yield BLOB.subarray(0, 100_000);
      await new Promise(() => undefined);
    })(),
  });
  const gone = new AbortController();
  const { reader, records } = openParts(t, parts);
  const stream = await reader.openBlob(at(parts.source.host), DESCRIPTOR, { signal: gone.signal });
  setTimeout(() => gone.abort(), 50);
  await t.rejects(collected(stream), { code: 'aborted' });
  t.notMatch(told(records).join('\n'), /passed over/, 'it is not the mirror’s fault');
  t.equal(parts.source.count() + (parts.mirrors[1]?.count() ?? 0), 0);
});

test('a mirror that changes content: its bytes are never complete, and the next attempt begins with others', async (t) => {
  const parts = await serveParts(t, 2);
  parts.mirrors[0]?.route('GET', PATH, { body: damaged(BLOB) });
  parts.mirrors[1]?.serveBlob(REPOSITORY, BLOB);
  const { reader, records } = openParts(t, parts);
  const pieces: Uint8Array[] = [];
  const { body } = await reader.openBlob(at(parts.source.host), DESCRIPTOR);
  const taken = (async () => {
    for await (const piece of body) pieces.push(piece);
  })();
  await t.rejects(taken, { code: 'download-stalled', message: /is not the one it should be – expected sha256/ });
  const received = Buffer.concat(pieces).length;
  t.ok(received >= 16_384 && received < BLOB.length, 'all but the last piece');
  const again = await reader.openBlob(at(parts.source.host), DESCRIPTOR, { offset: received });
  t.equal(again.startsAt, 0);
  t.equal(sha256((await collected(again)).bytes), DESCRIPTOR.digest);
  t.match(
    records.filter(({ level }) => level === 'warn'),
    [
      {
        message: 'A mirror hands out changed content, and is not asked for it again',
        fields: { mirror: parts.mirrors[0]?.host, expected: DESCRIPTOR.digest, got: sha256(damaged(BLOB)) },
      },
    ],
  );
  t.equal(parts.mirrors[0]?.count('GET', PATH), 1);
  const third = await reader.openBlob(at(parts.source.host), DESCRIPTOR, { offset: 400_000 });
  t.equal(third.startsAt, 400_000, 'one taint makes one beginning anew');
  await collected(third);
});

test('pulling a policy: from a mirror that lies and one that breaks off to the source, in one go', async (t) => {
  const parts = await serveParts(t, 2);
  const { source, mirrors } = parts;
  const config = Buffer.from('{}');
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: WASM_CONFIG, digest: source.serveBlob(REPOSITORY, config), size: 2 },
    layers: [{ mediaType: WASM_LAYER, digest: source.serveBlob(REPOSITORY, BLOB), size: BLOB.length }],
  };
  source.serveManifest(REPOSITORY, manifest, OCI_MANIFEST, ['v1']);
  mirrors[0]?.route('GET', PATH, { body: damaged(BLOB) });
  mirrors[1]?.route('GET', PATH, broken(400_000));
  const { reader } = openParts(t, parts);
  const log = (): void => undefined;
  const proxies = { httpProxy: undefined, httpsProxy: undefined, noProxy: undefined };
  await using transport = createTransport({ sources: NO_SOURCES, proxies, log });
  const store = new PolicyStore(join(t.testdir(), 'store'));
  const fetcher = createPolicyFetcher({ transport, client: reader, store, maxBytes: 2 ** 20, log });
  const location = parseModuleLocation(`registry://${source.host}/${REPOSITORY}:v1`);
  t.equal((await fetcher.load(location)).sha256, DESCRIPTOR.digest.slice('sha256:'.length));
  t.same(
    mirrors.map((mirror) => mirror.count('GET', PATH)),
    [1, 1],
  );
  t.equal(source.count('GET', PATH), 1);
});

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

test('a large blob passes through piece by piece, also where one host follows another', async (t) => {
  const size = 160 * 2 ** 20;
  const mirror = await serveZeros(t, size, size / 2);
  const source = await serveZeros(t, size, size);
  const { reader, records } = openMirrored(t, { source, mirrors: [{ host: mirror }] });
  const hash = createHash('sha256');
  for (const piece of repeat(Buffer.alloc(65_536), size / 65_536)) hash.update(piece);
  const descriptor = { ...DESCRIPTOR, digest: `sha256:${hash.digest('hex')}`, size };
  const held = async (): Promise<number> => {
    await nextTurn();
    collectGarbage();
    return process.memoryUsage().arrayBuffers;
  };
  const before = await held();
  let [received, most] = [0, 0];
  for await (const piece of (await reader.openBlob(at(source), descriptor)).body) {
    if (received % (16 * 2 ** 20) < piece.length) most = Math.max(most, (await held()) - before);
    received += piece.length;
  }
  t.equal(received, size);
  t.match(told(records)[1], /the connection broke/);
  t.ok(most < size / 4, `${Math.round(most / 2 ** 20)} MiB were held`);
});

test('whatever mirrors send, what is read is right or refused', async (t) => {
  const parts = await serveParts(t, 2);
  const { source } = parts;
  source.serveBlob(REPOSITORY, BLOB);
  const numbers = randomFrom(42);
  const pick = <T>(items: readonly T[]): T => items[numbers(items.length)] as T;
  const odd = (request: { headers: { range?: string } }): ProgrammedAnswer => {
    const start = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const bytes = pick([BLOB, BLOB, damaged(BLOB), BLOB.subarray(0, numbers(BLOB.length)), Buffer.alloc(700_000)]);
    const range = { 'content-range': `bytes ${start}-${BLOB.length - 1}/${BLOB.length}` };
    return {
      status: pick([200, 200, 206, 206, 404, 500]),
      headers: numbers(2) === 0 ? range : {},
      body: pick([bytes, bytes.subarray(start), 'text']),
      drop: numbers(12) === 0,
    };
  };
  for (const mirror of parts.mirrors) mirror.route('*', /./, odd);
  const outcomes = { right: 0, begunAnew: 0, refused: 0 };
  const read = async (reader: RegistryReader, offset: number): Promise<'cut' | 'right' | 'wrong'> => {
    const head = Buffer.from(BLOB.subarray(0, offset));
    try {
      const stream = await reader.openBlob(at(source.host), DESCRIPTOR, { offset });
      const { bytes } = await collected(stream);
      const whole = Buffer.concat([head.subarray(0, stream.startsAt), bytes]);
      t.equal(whole.length, BLOB.length);
      return sha256(whole) === DESCRIPTOR.digest ? 'right' : 'wrong';
    } catch (error) {
      t.match(error, { code: 'download-stalled' });
      return 'cut';
    }
  };
  const untilMs = performance.now() + 1500;
  for (let run = 0; run < 40 && performance.now() < untilMs; run++) {
    const { reader } = openParts(t, parts);
    const offset = pick([0, 0, 300_000]);
    let outcome = await read(reader, offset);
    if (outcome === 'cut') {
      outcomes.begunAnew++;
      outcome = await read(reader, 200_000);
      if (outcome === 'cut') outcome = await read(reader, 200_000);
      t.equal(outcome, 'right', 'begun anew');
    } else if (outcome === 'wrong') {
      outcomes.refused++;
      t.not(offset, 0, 'what is continued only the caller can check, as with any registry');
    } else outcomes.right++;
  }
  t.ok(outcomes.right > 0 && outcomes.begunAnew > 0, JSON.stringify(outcomes));
});
