import { test } from 'tap';
import { formatModuleLocation, parseModuleLocation, parseRegistryLocation, shownModuleLocation } from './location.ts';

test('locations: text without a scheme is a registry reference', async (t) => {
  t.same(parseModuleLocation('  ghcr.io/kubewarden/policies/pod-privileged:v0.2.1 '), {
    scheme: 'registry',
    url: 'registry://ghcr.io/kubewarden/policies/pod-privileged:v0.2.1',
    reference: { registry: 'ghcr.io', repository: 'kubewarden/policies/pod-privileged', tag: 'v0.2.1' },
  });
  for (const [text, url] of [
    ['busybox', 'registry://docker.io/library/busybox:latest'],
    ['registry://busybox', 'registry://docker.io/library/busybox:latest'],
    ['REGISTRY://ghcr.io/a/b:v1', 'registry://ghcr.io/a/b:v1'],
    ['localhost:5000/p:v1', 'registry://localhost:5000/p:v1'],
    ['[::1]:5000/p', 'registry://[::1]:5000/p:latest'],
    [`ghcr.io/p:v1@sha256:${'0'.repeat(64)}`, `registry://ghcr.io/p:v1@sha256:${'0'.repeat(64)}`],
  ] as const) {
    t.equal(formatModuleLocation(parseModuleLocation(text)), url, text);
  }
});

test('locations: files and web servers', async (t) => {
  t.same(parseModuleLocation('https://example.com/p.wasm'), { scheme: 'https', url: 'https://example.com/p.wasm' });
  t.same(parseModuleLocation('file:///tmp/my%20policy.wasm'), { scheme: 'file', path: '/tmp/my policy.wasm' });
  t.equal(formatModuleLocation({ scheme: 'file', path: '/tmp/my policy.wasm' }), 'file:///tmp/my%20policy.wasm');
});

test('locations: refuses what nothing can be fetched from, in known words', async (t) => {
  for (const [text, message] of [
    ['ftp://host/p', /^unknown scheme: ftp – /],
    ['git+ssh://host/p', /^unknown scheme: git\+ssh – /],
    ['http://', /^empty host – /],
    ['https:///', /^empty host – /],
    [':::', /^empty host – /],
    ['registry://:5000/p', /^empty host – /],
    ['./p.wasm', /^Invalid OCI image reference: invalid reference format – '.\/p.wasm': /],
    ['ghcr.io/Upper/case', /^Invalid OCI image reference: invalid reference format – /],
    ['', /^Invalid OCI image reference: repository name must have at least one component – /],
    ['registry://', /^Invalid OCI image reference: repository name must have at least one component – /],
    ['ghcr.io/p@sha256:abc', /^Invalid OCI image reference: invalid reference format – .*64 hex/],
    ['file://relative/p.wasm', /absolute path/],
  ] as const) {
    t.throws(() => parseModuleLocation(text), { name: 'ArtifactError', code: 'location-invalid', message }, text);
  }
});

test('locations: what is shown of them holds no password and no signed query', async (t) => {
  for (const [text, shown] of [
    ['https://me:s3cret@example.com/p.wasm?sig=s3cret#x', 'https://example.com/p.wasm'],
    ['https://me:s3c@ret@example.com/p@1.wasm', 'https://example.com/p@1.wasm'],
    ['HTTP://s3cret@example.com', 'HTTP://example.com'],
    [`registry://ghcr.io/p@sha256:${'0'.repeat(64)}`, `registry://ghcr.io/p@sha256:${'0'.repeat(64)}`],
    ['busybox@sha256:0', 'busybox@sha256:0'],
    ['file:///p@1.wasm', 'file:///p@1.wasm'],
  ] as const) {
    t.equal(shownModuleLocation(text), shown);
  }
  t.equal(shownModuleLocation(parseModuleLocation('https://s3cret@h/p.wasm?s3cret')), 'https://h/p.wasm');
  for (const text of ['ftp://me:s3cret@host/p', 'https://me:s3cret@/p?s3cret']) {
    t.throws(() => parseModuleLocation(text), { code: 'location-invalid', message: /^(?!.*s3cret)/ }, text);
  }
});

test('locations: where only a registry will do, nothing else is taken', async (t) => {
  t.match(parseRegistryLocation('ghcr.io/p:v1'), { url: 'registry://ghcr.io/p:v1', reference: { tag: 'v1' } });
  for (const text of ['https://example.com/p.wasm', 'file:///p.wasm', './p.wasm', '/p.wasm']) {
    t.throws(() => parseRegistryLocation(text), {
      code: 'location-invalid',
      message: /^Invalid OCI image reference: invalid reference format – /,
    });
  }
});
