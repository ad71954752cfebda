import { generateKeyPairSync } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import type { ArtifactLogRecord } from '../../log.ts';
import { newSigstore } from '../evidence/test/test-sigstore.ts';
import { publicGoodTrustRoot } from './public-good.ts';
import { TestTuf, type RepositoryState } from './test/test-tuf.ts';
import { trustRootFrom } from './trust-config.ts';
import type { TrustRootSource } from './trust-root.ts';
import { publicGoodRepository } from './tuf-repository.ts';

const root = (await newSigstore()).trustedRoot();
const logCount = root.tlogs.length;
const trustedRoot = Buffer.from(JSON.stringify(root));
const newTuf = (state: RepositoryState = {}): TestTuf => new TestTuf(trustedRoot, state);

interface Client {
  readonly source: TrustRootSource;
  readonly records: readonly ArtifactLogRecord[];
}

function client(tuf: TestTuf, cacheFolder: string, nowMs?: () => number): Client {
  const records: ArtifactLogRecord[] = [];
  const source = publicGoodTrustRoot({
    cacheFolder,
    transport: tuf,
    repository: tuf.repository,
    log: (record) => records.push(record),
    ...(nowMs === undefined ? {} : { nowMs }),
  });
  return { source, records };
}

test('the trust root comes by TUF, when it is first asked for, once for all', async (t) => {
  const tuf = newTuf();
  const { source, records } = client(tuf, join(t.testdir(), 'made', 'when', 'missing'));
  t.same(tuf.requests, [], 'nobody asked yet');
  const [first, second] = await Promise.all([source.trustRoot(), source.trustRoot()]);
  t.equal(first, second);
  t.match(first.material, { certificateAuthorities: { length: 1 }, tlogs: { length: logCount } });
  t.match(tuf.requests, ['2.root.json', 'timestamp.json', '1.snapshot.json', '1.targets.json', /^targets\//]);
  await source.trustRoot();
  t.equal(tuf.requests.length, 5);
  t.same(records, []);
  t.equal(source.needsNetwork, true);
});

test('without network the stored metadata serves as long as it has not expired', async (t) => {
  const folder = t.testdir();
  const tuf = newTuf();
  await client(tuf, folder).source.trustRoot();
  tuf.isDown = true;
  const { source, records } = client(tuf, folder);
  t.equal((await source.trustRoot()).material.tlogs.length, logCount);
  t.match(records, [{ level: 'warn', message: /^Cannot refresh.*has not expired$/, fields: { error: /no route/ } }]);
});

test('a newer trust root replaces the stored one', async (t) => {
  const folder = t.testdir();
  const tuf = newTuf();
  await client(tuf, folder).source.trustRoot();
  tuf.publish(Buffer.from(JSON.stringify((await newSigstore()).trustedRoot({ without: ['tlogs'] }))), { version: 2 });
  t.equal((await client(tuf, folder).source.trustRoot()).material.tlogs.length, 0);
});

test('nothing that has expired, or that somebody else signed or changed, is believed', async (t) => {
  const stranger = generateKeyPairSync('ed25519').privateKey;
  const flip = (bytes: Uint8Array): Uint8Array => Buffer.from(bytes).fill('x', 10, 11);
  const cases: Record<string, [() => TestTuf, RegExp]> = {
    'a time stamp that has expired': [() => newTuf({ timestampDays: -1 }), /expired/],
    'a time stamp somebody else signed': [() => newTuf({ signer: stranger }), /signed by 0\/1 keys/],
    'a target that was changed': [() => (({ tuf }) => (tuf.tamper(flip), tuf))({ tuf: newTuf() }), /hash|length/i],
    'a target that grew': [
      () => (({ tuf }) => (tuf.tamper((bytes) => Buffer.concat([bytes, bytes])), tuf))({ tuf: newTuf() }),
      /more than/,
    ],
    'a target that is no trust root': [() => new TestTuf(Buffer.from('{"tlogs":[{}]}')), /a log has no key/],
  };
  for (const [name, [make, message]] of Object.entries(cases)) {
    const failure = { code: 'trust-root-unavailable', message };
    await t.rejects(client(make(), t.testdir()).source.trustRoot(), failure, name);
  }
});

test('metadata that was stored and has expired since does not serve without network', async (t) => {
  const folder = t.testdir();
  const tuf = newTuf();
  await client(tuf, folder).source.trustRoot();
  tuf.publish(trustedRoot, { timestampDays: -1 });
  const [repository = ''] = readdirSync(folder);
  writeFileSync(join(folder, repository, 'timestamp.json'), tuf.file('timestamp.json'));
  tuf.isDown = true;
  await t.rejects(client(tuf, folder).source.trustRoot(), {
    code: 'trust-root-unavailable',
    message:
      /^could not get the Sigstore trust root from https:\/\/tuf\.test: .*no route to host – let the program reach it/,
  });
});

test('an older version than the stored one is refused', async (t) => {
  const folder = t.testdir();
  const tuf = newTuf({ version: 5 });
  await client(tuf, folder).source.trustRoot();
  tuf.publish(Buffer.from('{}'), { version: 4 });
  const { source, records } = client(tuf, folder);
  t.equal((await source.trustRoot()).material.tlogs.length, logCount, 'the stored one');
  t.match(records, [{ fields: { error: /less than current version/ } }]);
});

test('a crash while metadata was written is healed', async (t) => {
  const folder = t.testdir();
  const tuf = newTuf();
  await client(tuf, folder).source.trustRoot();
  const [repository = ''] = readdirSync(folder);
  for (const name of ['root.json', 'timestamp.json', 'targets/trusted_root.json']) {
    const path = join(folder, repository, name);
    writeFileSync(path, readFileSync(path).subarray(0, 20));
    t.equal((await client(tuf, folder).source.trustRoot()).material.tlogs.length, logCount, name);
  }
  t.same(readdirSync(folder), [repository]);
});

test('after a failure the next attempt comes ten seconds later', async (t) => {
  let nowMs = 0;
  const tuf = newTuf();
  tuf.isDown = true;
  const { source } = client(tuf, t.testdir(), () => nowMs);
  await t.rejects(source.trustRoot(), { code: 'trust-root-unavailable' });
  const asked = tuf.requests.length;
  tuf.isDown = false;
  nowMs = 9000;
  await t.rejects(source.trustRoot(), { code: 'trust-root-unavailable' });
  t.equal(tuf.requests.length, asked);
  nowMs = 10_000;
  t.equal((await source.trustRoot()).material.tlogs.length, logCount);
});

test('a folder that cannot be used is an error with a reason', async (t) => {
  const folder = t.testdir({ file: '' });
  await t.rejects(client(newTuf(), join(folder, 'file')).source.trustRoot(), {
    code: 'trust-root-unavailable',
    message: /not a directory/i,
  });
});

test('the first root of the public instance comes along', async (t) => {
  const repository = publicGoodRepository();
  t.match(JSON.parse(Buffer.from(await repository.root()).toString()), { signed: { _type: 'root' } });
  const target = (await repository.targets()).get('trusted_root.json');
  const { material } = await trustRootFrom(JSON.parse(Buffer.from(target ?? []).toString()));
  t.ok(material.certificateAuthorities.length > 0 && material.tlogs.length > 0 && material.ctlogs.length > 0);
});
