import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ProgrammableRegistry } from '@portcullis/testkit';
import { test } from 'tap';
import { ArtifactError } from '../errors.ts';
import { parseModuleLocation } from '../location.ts';
import { filesBelow } from '../store/test/store-files.ts';
import { moduleOf, openTestFetcher, serve, sha256 } from './test/test-fetcher.ts';

const V1 = moduleOf(1);
const V2 = moduleOf(2);

interface Checked {
  readonly reference: string;
  readonly digest: string;
  readonly sha256: string;
}

/** A verifier whose words are the test's; what it is asked is kept. */
function testVerifier(digest: () => string, expected: () => string | undefined) {
  const checked: Checked[] = [];
  const order: string[] = [];
  return {
    checked,
    order,
    verify: async () => {
      order.push('verify');
      return { digest: digest(), met: [] };
    },
    checkFile: async (reference: { repository: string }, of: string, path: string) => {
      order.push('checkFile');
      const actual = sha256(readFileSync(path));
      checked.push({ reference: reference.repository, digest: of, sha256: actual });
      if (expected() !== undefined && actual !== expected())
        throw new ArtifactError('verification-failed', 'another file');
      return { sha256: actual };
    },
  };
}

test('signatures come first, then exactly what was signed, then the file is compared before anybody sees it', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  const signed = serve(registry, 'a/p', 'v1', [{ bytes: V1 }]);
  serve(registry, 'a/p', 'v1', [{ bytes: V2 }]);
  let expected: string | undefined = sha256(V1);
  const verifier = testVerifier(
    () => signed,
    () => expected,
  );
  const folder = t.testdir();
  await using given = openTestFetcher(folder, [registry.host], { verifier });
  const location = parseModuleLocation(`${registry.host}/a/p:v1`);
  const fetched = await given.fetcher.fetch(location);
  t.same(verifier.order, ['verify', 'checkFile']);
  t.same(
    [fetched.verifiedDigest, fetched.verifiedSha256],
    [signed, sha256(V1)],
    'a tag that moved meanwhile changes nothing',
  );
  t.equal(registry.count('GET', '/v2/a/p/manifests/v1'), 0);
  t.equal(registry.count('GET', `/v2/a/p/manifests/${signed}`), 1);

  writeFileSync(fetched.path, V2);
  await t.rejects(
    given.fetcher.fetch(location),
    { code: 'verification-failed', stage: 'checksum' },
    'a stored file is compared every time',
  );
  writeFileSync(fetched.path, V1);
  const again = await given.fetcher.fetch(location);
  writeFileSync(fetched.path, V2);
  await t.rejects(given.fetcher.read(again), {
    code: 'verification-failed',
    stage: 'checksum',
    message: /^The digest of the local file doesn't match .* Got .* instead of /,
  });

  expected = sha256(V2);
  const other = t.testdir({});
  await using fresh = openTestFetcher(other, [registry.host], { verifier });
  await t.rejects(fresh.fetcher.fetch(location), { code: 'verification-failed', stage: 'checksum' });
  t.same(filesBelow(other), [], 'what is not what was signed is not stored');
});

test('what fails its verification is not downloaded, and what cannot be signed is not used', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  serve(registry, 'a/p', 'latest', [{ bytes: V1 }]);
  const folder = t.testdir({ 'p.wasm': Buffer.from(V1) });
  const file = parseModuleLocation(`file://${join(folder, 'p.wasm')}`);
  const verifier = {
    verify: () => Promise.reject(new ArtifactError('registry-unreachable', 'no network')),
    checkFile: () => Promise.reject(new Error('not asked')),
  };
  await using unverified = openTestFetcher(folder, [registry.host]);
  const location = parseModuleLocation(`${registry.host}/a/p:latest`);
  await unverified.fetcher.fetch(location);
  registry.requests.length = 0;
  await using given = openTestFetcher(folder, [registry.host], { verifier });
  await t.rejects(
    given.fetcher.fetch(location),
    { code: 'registry-unreachable', stage: 'verification', message: 'no network' },
    'no stale bytes without verification',
  );
  t.equal(registry.count(), 0);
  for (const text of [`https://${registry.host}/p.wasm`, `file://${join(folder, 'p.wasm')}`]) {
    await t.rejects(given.fetcher.fetch(parseModuleLocation(text)), {
      code: 'verification-failed',
      stage: 'verification',
      message: /^Invalid OCI image reference: invalid reference format – /,
    });
  }
  await using lenient = openTestFetcher(folder, [registry.host], { verifier, unsignedFiles: 'warn' });
  t.equal((await lenient.fetcher.load(file)).sha256, sha256(V1));
  t.match(lenient.records, [{ level: 'warn', target: 'policy_fetcher::verify' }]);
  await t.rejects(lenient.fetcher.fetch(parseModuleLocation(`https://us:secret@${registry.host}/p.wasm`)), {
    code: 'verification-failed',
    message: new RegExp(` – https://${registry.host}/p.wasm is in no registry`),
  });
});
