import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  metadataFrom,
  METADATA_SECTION,
  parseJson,
  replaceCustomSection,
  type PolicyMetadata,
} from '@portcullis/protocol';
import { test } from 'tap';
import { ArtifactError } from './errors.ts';
import { loadModule } from './load.ts';
import { parseModuleLocation } from './location.ts';
import { checkMinimumVersion, KUBEWARDEN_VERSION, unmetMinimumVersion } from './version.ts';

const EMPTY_MODULE = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
const MAX_BYTES = 1024;

function metadata(minimumKubewardenVersion: string): PolicyMetadata {
  return metadataFrom(parseJson(JSON.stringify({ rules: [], mutating: false, minimumKubewardenVersion })));
}

test('loading a file yields bytes, digest and metadata', async (t) => {
  const dir = t.testdir();
  const path = join(dir, 'policy.wasm');
  writeFileSync(path, EMPTY_MODULE);
  const plain = await loadModule({ scheme: 'file', path }, { maxBytes: MAX_BYTES });
  t.equal(plain.location, pathToFileURL(path).href);
  t.equal(plain.sha256, '93a44bbb96c751218e4c00d479e4c14358122a389acca16205b1e4d0dc5f9476');
  t.equal(plain.metadata, undefined);

  const section = new TextEncoder().encode('{"rules":[],"mutating":true}');
  writeFileSync(path, replaceCustomSection(EMPTY_MODULE, METADATA_SECTION, section));
  t.equal((await loadModule({ scheme: 'file', path }, { maxBytes: MAX_BYTES })).metadata?.mutating, true);
});

test('loading refuses what is no policy, and names it', async (t) => {
  const dir = t.testdir({ 'big.wasm': 'x'.repeat(MAX_BYTES + 1), 'text.wasm': 'no wasm', 'empty.wasm': '' });
  mkdirSync(join(dir, 'dir.wasm'));
  execFileSync('mkfifo', [join(dir, 'pipe.wasm')]);
  const broken = new TextEncoder().encode('{"rules":[]}');
  writeFileSync(join(dir, 'broken.wasm'), replaceCustomSection(EMPTY_MODULE, METADATA_SECTION, broken));
  for (const [name, code, message] of [
    ['none.wasm', 'file-unreadable', /none\.wasm': No such file or directory \(os error 2\)$/],
    ['dir.wasm', 'file-unreadable', /is a directory$/],
    ['pipe.wasm', 'file-unreadable', /not a regular file$/],
    ['big.wasm', 'file-too-large', /larger than the limit of 1024 bytes$/],
    ['text.wasm', 'module-invalid', /^invalid wasm file: .*text\.wasm .* got 6e 6f 20 77$/],
    ['empty.wasm', 'module-invalid', /got an empty file$/],
    ['broken.wasm', 'metadata-invalid', /^cannot deserialize custom section .*missing field `mutating`.*broken\.wasm/],
  ] as const) {
    const loading = loadModule({ scheme: 'file', path: join(dir, name) }, { maxBytes: MAX_BYTES });
    await t.rejects(loading, { name: 'ArtifactError', code, message }, name);
  }
});

test('a file that grows while it is read is still bounded', async (t) => {
  const path = join(t.testdir({ 'p.wasm': 'xx' }), 'p.wasm');
  await t.rejects(loadModule({ scheme: 'file', path }, { maxBytes: 1 }), { code: 'file-too-large' });
  // /proc files have size 0 and content
  await t.rejects(loadModule({ scheme: 'file', path: '/proc/self/environ' }, { maxBytes: 4 }), ArtifactError);
});

test('whoever reads files only refuses registries and web servers in plain words', async (t) => {
  for (const text of ['registry://ghcr.io/a/b:v1', 'https://example.com/p.wasm']) {
    await t.rejects(loadModule(parseModuleLocation(text), { maxBytes: MAX_BYTES }), {
      code: 'source-not-served',
      message: `cannot load ${text}: only files are read here – fetch it first and name the file`,
    });
  }
});

test('minimum version: major and minor count, patch and pre-release do not', async (t) => {
  t.equal(unmetMinimumVersion(undefined), undefined);
  t.equal(unmetMinimumVersion(metadata('1.36.99')), undefined);
  t.equal(unmetMinimumVersion(metadata('1.9.0')), undefined);
  t.equal(unmetMinimumVersion(metadata('1.37.4-rc1')), '1.37.0');
  t.equal(unmetMinimumVersion(metadata('2.0.0')), '2.0.0');
  t.doesNotThrow(() => checkMinimumVersion(metadata(KUBEWARDEN_VERSION)));
  t.throws(() => checkMinimumVersion(metadata('1.40.1')), {
    code: 'version-unsupported',
    message: `Policy required Kubewarden version 1.40.0 but is running on ${KUBEWARDEN_VERSION}`,
  });
});
