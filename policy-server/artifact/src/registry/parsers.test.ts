import { test } from 'tap';
import { ArtifactError } from '../errors.ts';
import { readDamaged } from '../test/damaged-text.ts';
import { parseChallenge } from './challenge.ts';
import { nextLink } from './link-header.ts';
import { digestLike, parseManifest } from './manifest.ts';
import { hostPlatform, manifestForPlatform } from './platform.ts';
import { isOwnHost, registryUrl } from './registry-url.ts';
import type { Descriptor, ImageIndex, Manifest } from './registry.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';

test('a challenge: Bearer before Basic, anything else is Basic, hostile text is no more than text', (t) => {
  const bearer = (realm: string, service?: string) => ({ scheme: 'bearer', realm, service });
  const cases: readonly [string | null, unknown][] = [
    [null, undefined],
    ['', undefined],
    [' , ', { scheme: 'basic' }],
    ['Basic realm="x"', { scheme: 'basic' }],
    ['Negotiate', { scheme: 'basic' }],
    ['bearer realm="https://a/token",service="b",scope="c"', bearer('https://a/token', 'b')],
    ['Bearer  service = "b" ,realm = "https://a?x=1,2"', bearer('https://a?x=1,2', 'b')],
    ['Basic realm="x", Bearer realm="https://a"', bearer('https://a')],
    ['Negotiate abc==, Bearer realm=token', bearer('token')],
    ['NTLM TlRMTVNTUAAC, Basic realm="x"', { scheme: 'basic' }],
    ['Bearer realm="a\\"b\\\\c"', bearer('a"b\\c')],
    ['Bearer realm="first", realm="second"', bearer('first')],
    ['Bearer REALM="x"', bearer('x')],
    ['Bearer', undefined],
    ['Bearer realm=""', undefined],
    ['Bearer realm="open', undefined],
    ['Bearer error="insufficient_scope", realm="r"', bearer('r')],
    [`Bearer realm="${'x'.repeat(9000)}"`, undefined],
  ];
  for (const [header, expected] of cases) t.same(parseChallenge(header), expected, String(header).slice(0, 60));
  readDamaged(
    t,
    cases.map(([header]) => header ?? '').filter((header) => header.length < 1000),
    (text) => {
      const challenge = parseChallenge(text);
      if (challenge?.scheme === 'bearer' && challenge.realm === '') t.fail(`empty realm from ${text}`);
    },
  );
  const since = performance.now();
  for (const hostile of ['"', '\\"', 'a=', 'a ', ', ', 'a="\\'])
    parseChallenge(`Bearer ${hostile.repeat(8000 / hostile.length)}`);
  t.ok(performance.now() - since < 500, 'no text takes long');
  t.end();
});

test('a Link header: the next page and nothing else', (t) => {
  const cases: readonly [string | null, string | undefined][] = [
    [null, undefined],
    ['</v2/x?n=1>; rel="next"', '/v2/x?n=1'],
    ['</v2/x>;rel=next', '/v2/x'],
    ['<a>; rel="prev", <b,c>; title="t"; rel="last next"', 'b,c'],
    ['<a>; rel="previous"', undefined],
    ['<a>; rel="nextdoor"', undefined],
    ['<a>', undefined],
    ['a; rel="next"', undefined],
    [`<${'a'.repeat(9000)}>; rel=next`, undefined],
  ];
  for (const [header, expected] of cases) t.equal(nextLink(header), expected, String(header).slice(0, 40));
  readDamaged(t, ['</v2/x?n=1&last=b>; rel="next"', '<a>; rel="prev", <b>; rel=next'], (text) => void nextLink(text));
  const since = performance.now();
  for (const hostile of ['<', '<a>;', '<a>; rel="', ' ', '<a>; rel = "x '])
    nextLink(hostile.repeat(8000 / hostile.length));
  t.ok(performance.now() - since < 500, 'no text takes long');
  t.end();
});

test('a manifest is read as what it is, and refused when it could be two things', (t) => {
  const entry = { mediaType: OCI_MANIFEST, digest: DIGEST, size: 5 };
  const read = (document: unknown, contentType?: string): Manifest =>
    parseManifest(Buffer.from(typeof document === 'string' ? document : JSON.stringify(document)), {
      digest: DIGEST,
      contentType,
    });
  const image = { schemaVersion: 2, config: entry, layers: [entry] };
  const index = {
    schemaVersion: 2,
    manifests: [{ ...entry, platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } }],
  };
  t.match(read(image), { kind: 'manifest', mediaType: OCI_MANIFEST, layers: [entry], subject: undefined });
  t.match(read(image, `${DOCKER_MANIFEST}; charset=utf-8`), { kind: 'manifest', mediaType: DOCKER_MANIFEST });
  t.match(read({ ...image, mediaType: DOCKER_MANIFEST }, OCI_MANIFEST), { mediaType: DOCKER_MANIFEST });
  t.match(read({ ...image, subject: entry, artifactType: 'x/y' }), { subject: entry, artifactType: 'x/y' });
  t.match(read(index), { kind: 'index', mediaType: OCI_INDEX, manifests: [{ platform: { variant: 'v8' } }] });
  t.match(read({ ...index, mediaType: DOCKER_LIST }), { kind: 'index', mediaType: DOCKER_LIST });
  t.match(read({ ...index, manifests: [] }), { kind: 'index', manifests: [] });
  const { annotations } = read('{"schemaVersion":2,"manifests":[],"annotations":{"__proto__":"x","a":"b"}}');
  t.same(
    [...annotations],
    [
      ['__proto__', 'x'],
      ['a', 'b'],
    ],
    'keys are a stranger’s',
  );

  const refused: readonly [string, unknown, RegExp][] = [
    ['no JSON', '<html>', /expected value at line 1/],
    ['a list', [], /expected a manifest/],
    ['no version', { manifests: [] }, /missing field `schemaVersion`/],
    ['version 1', { ...image, schemaVersion: 1 }, /expected schemaVersion 2, got 1/],
    ['another type', { ...image, mediaType: 'text/html' }, /unsupported media type "text\/html"/],
    ['nothing in it', { schemaVersion: 2 }, /missing field `config`/],
    ['both', { ...image, ...index }, /index with layers/],
    ['an index with layers', { ...image, mediaType: OCI_INDEX }, /index with layers/],
    ['a manifest that is a list', { ...index, mediaType: OCI_MANIFEST }, /lists manifests/],
    ['a digest by nobody’s algorithm', { ...image, config: { ...entry, digest: 'md5:00' } }, /"md5:00" is no digest/],
    ['a path as digest', { ...image, layers: [{ ...entry, digest: 'sha256:../x' }] }, /no digest/],
    ['a negative size', { ...image, layers: [{ ...entry, size: -1 }] }, /expected u53/],
    ['half a byte', { ...image, layers: [{ ...entry, size: 0.5 }] }, /expected u53/],
    ['a size beyond numbers', { ...image, layers: [{ ...entry, size: 2 ** 60 }] }, /expected u53/],
    ['a media type with a line end', { ...image, layers: [{ ...entry, mediaType: 'a/b\nc' }] }, /no media type/],
    ['too deep', '['.repeat(100_000), /./],
    ['a field twice', '{"schemaVersion":2,"schemaVersion":1}', /duplicate field/],
  ];
  for (const [name, document, message] of refused) {
    t.throws(() => read(document), { code: 'answer-invalid', message }, name);
  }
  t.throws(() => read(index, OCI_MANIFEST), { code: 'answer-invalid' }, 'the header does not make it another thing');
  readDamaged(t, [JSON.stringify(image), JSON.stringify(index)], (text) => {
    try {
      read(text);
    } catch (error) {
      if (!(error instanceof ArtifactError) || error.code !== 'answer-invalid') throw error;
    }
  });
  t.end();
});

test('digests by both algorithms', (t) => {
  t.equal(
    digestLike('sha256:', Buffer.from('{}')),
    'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a',
  );
  t.match(digestLike(`sha512:${'0'.repeat(128)}`, Buffer.from('')), /^sha512:cf83e1357eefb8bd[0-9a-f]{112}$/);
  t.end();
});

test('an index has an entry for a platform, or is refused', (t) => {
  const entry = (os: string, architecture: string, variant?: string): Descriptor => ({
    mediaType: OCI_MANIFEST,
    digest: `sha256:${Buffer.from(`${os}${architecture}${variant ?? ''}`.padEnd(32)).toString('hex')}`,
    size: 1,
    annotations: new Map(),
    artifactType: undefined,
    platform: { os, architecture, variant },
  });
  const bare = { ...entry('x', 'y'), platform: undefined };
  const index: ImageIndex = {
    kind: 'index',
    digest: DIGEST,
    mediaType: OCI_INDEX,
    bytes: new Uint8Array(),
    annotations: new Map(),
    artifactType: undefined,
    manifests: [bare, entry('linux', 'arm', 'v6'), entry('linux', 'arm', 'v7'), entry('linux', 'amd64')],
  };
  const pick = (os: string, architecture: string, variant?: string): Descriptor =>
    manifestForPlatform(index, { os, architecture, variant });
  t.match(pick('linux', 'amd64').platform, { architecture: 'amd64' });
  t.match(pick('linux', 'arm').platform, { variant: 'v6' });
  t.match(pick('linux', 'arm', 'v7').platform, { variant: 'v7' });
  t.throws(() => pick('windows', 'amd64'), {
    code: 'artifact-invalid',
    message: /Image manifest not found.*windows\/amd64$/,
  });
  t.match(hostPlatform(), { os: /^[a-z]+$/, architecture: /^(?!x64|ia32)[a-z0-9]+$/ });
  t.end();
});

test('a registry’s own URLs are those of its host and port', (t) => {
  const own: readonly [string, string, boolean][] = [
    ['ghcr.io', 'https://ghcr.io/x', true],
    ['ghcr.io', 'https://ghcr.io:443/x', true],
    ['ghcr.io:443', 'https://ghcr.io/x', true],
    ['ghcr.io', 'https://ghcr.io:444/x', false],
    ['ghcr.io', 'https://ghcr.io.evil/x', false],
    ['ghcr.io', 'https://a.ghcr.io/x', false],
    ['localhost:80', 'http://localhost/x', true],
    ['localhost:5000', 'http://localhost/x', false],
    ['docker.io', 'https://index.docker.io/x', true],
    ['docker.io', 'https://registry-1.docker.io/x', true],
    ['docker.io', 'https://docker.io/x', false],
  ];
  for (const [registry, url, expected] of own)
    t.equal(isOwnHost(registry, new URL(url)), expected, `${registry} ${url}`);
  t.equal(registryUrl('ghcr.io', 'a/b/manifests/v1').href, 'https://ghcr.io/v2/a/b/manifests/v1');
  t.end();
});
