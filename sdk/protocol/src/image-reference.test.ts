import { randomFrom } from '@portcullis/testkit';
import { test } from 'tap';
import { ImageReferenceError } from './errors.ts';
import {
  comparableRegistry,
  formatImageReference,
  parseImageReference,
  type ImageReference,
} from './image-reference.ts';

const HEX64 = '0123456789abcdef'.repeat(4);
const canonical = (text: string): string => formatImageReference(parseImageReference(text));

function codeOf(text: string): string {
  try {
    parseImageReference(text);
  } catch (error) {
    if (error instanceof ImageReferenceError) return error.code;
    throw error;
  }
  return 'accepted';
}

test('TD1 a bare name is an official image of Docker Hub', async (t) => {
  t.equal(canonical('nginx'), 'docker.io/library/nginx:latest');
});

test('TD2 a colon after a single name starts a tag, not a port', async (t) => {
  t.equal(canonical('nginx:1.25'), 'docker.io/library/nginx:1.25');
});

test('TD3 a user repository of Docker Hub gets no library', async (t) => {
  t.equal(canonical('bitnami/redis'), 'docker.io/bitnami/redis:latest');
});

test('TD4 Docker Hub goes by its old name too, its backend stays a host of its own', async (t) => {
  t.equal(canonical('docker.io/nginx'), 'docker.io/library/nginx:latest');
  t.equal(canonical('index.docker.io/nginx'), 'docker.io/library/nginx:latest');
  t.equal(canonical('registry-1.docker.io/x/y'), 'registry-1.docker.io/x/y:latest');
  t.equal(comparableRegistry('registry-1.docker.io'), 'docker.io', 'for comparison it is Docker Hub');
});

test('TD5 localhost is a host', async (t) => {
  t.equal(canonical('localhost/foo'), 'localhost/foo:latest');
});

test('TD6 a name without dot, port or capitals is no host', async (t) => {
  t.equal(canonical('myhost/foo'), 'docker.io/myhost/foo:latest');
});

test('TD7 a port makes a host', async (t) => {
  t.equal(canonical('myhost:5000/foo'), 'myhost:5000/foo:latest');
});

test('TD8 what looks like a port of a single name is a tag', async (t) => {
  t.equal(canonical('myhost:5000'), 'docker.io/library/myhost:5000');
});

test('TD9 capitals make a host', async (t) => {
  t.equal(parseImageReference('LOCALDOMAIN/foo').registry, 'LOCALDOMAIN');
  t.same(parseImageReference('Foo/bar'), { registry: 'Foo', repository: 'bar', tag: 'latest' });
});

test('TD10 what is no reference is refused', async (t) => {
  t.equal(codeOf('docker/Docker'), 'invalid-repository');
  t.equal(codeOf('-x/y'), 'invalid-repository');
  t.equal(codeOf('a//b'), 'invalid-repository');
  t.equal(codeOf('https://h/x'), 'invalid-registry');
  t.equal(codeOf(' nginx '), 'invalid-repository');
  for (const text of [
    '/x',
    'x/',
    'a..b',
    'a___b',
    'a_-b',
    'ngınx',
    'nginx\n',
    'nginx\u0000',
    'h.io/x:',
    'x@',
    '@sha256:1',
    'a.-b/c',
    '-a.b/c',
    'a.b:/c',
    'a.b:99999/c',
    'a.b:1:2/c',
    'x:y:z',
    'x:-y',
    'x:y/z',
  ]) {
    t.not(codeOf(text), 'accepted', JSON.stringify(text));
  }
});

test('TD11 64 hex characters could be an image id', async (t) => {
  t.equal(codeOf(HEX64), 'ambiguous');
  t.equal(codeOf(`${HEX64}0`), 'accepted');
  t.equal(codeOf(`x/${HEX64}`), 'accepted');
});

test('TD12 IPv6 hosts are read, zone ids and v4-mapped addresses are not', async (t) => {
  t.equal(canonical('[fc00::1]:5000/x'), '[fc00::1]:5000/x:latest');
  t.equal(canonical('[2001:db8:0:0:0:0:0:1]/x'), '[2001:db8:0:0:0:0:0:1]/x:latest');
  for (const host of [
    '[fe80::1%eth0]',
    '[::ffff:1.2.3.4]',
    '[::ffff:102:304]',
    '[0:0:0:0:0:FFFF:102:304]',
    '[1::2::3]',
    '[:::]',
    '[1:2:3:4:5:6:7]',
    '[1:2:3:4:5:6:7:8:9]',
    '[12345::]',
    '[::1',
    '[::1]x',
    '[::1]:',
  ]) {
    t.equal(codeOf(`${host}/x`), 'invalid-registry', host);
  }
});

test('TD13 a tag beside a digest is kept, the digest is the identity', async (t) => {
  t.same(parseImageReference(`r.io/a/b:1@sha256:${HEX64}`), {
    registry: 'r.io',
    repository: 'a/b',
    tag: '1',
    digest: `sha256:${HEX64}`,
  });
  t.equal(canonical(`r.io/a/b@sha256:${HEX64}`), `r.io/a/b@sha256:${HEX64}`, 'no tag is made up');
});

test('TD14 only whole sha256 and sha512 digests are accepted', async (t) => {
  t.equal(codeOf(`r.io/a@sha512:${HEX64}${HEX64}`), 'accepted');
  for (const digest of [
    'sha256:abc',
    `sha256:${HEX64}0`,
    `sha384:${HEX64}`,
    `sha256:${HEX64.toUpperCase()}`,
    `sha512:${HEX64}`,
    HEX64,
    `sha256:${HEX64}@x`,
  ]) {
    t.equal(codeOf(`r.io/a@${digest}`), 'invalid-digest', digest);
  }
});

test('TD15 a host that only looks like another is another', async (t) => {
  t.equal(parseImageReference('docker.io.evil.com/nginx').registry, 'docker.io.evil.com');
  t.equal(parseImageReference('quay.io-evil/x').registry, 'quay.io-evil');
  t.same(parseImageReference('evil.com/docker.io/library/nginx'), {
    registry: 'evil.com',
    repository: 'docker.io/library/nginx',
    tag: 'latest',
  });
});

test('TD16 hosts compare without case and default port, the text keeps both', async (t) => {
  t.equal(canonical('QUAY.IO/x/y'), 'QUAY.IO/x/y:latest');
  t.equal(comparableRegistry(parseImageReference('QUAY.IO/x/y').registry), 'quay.io');
  t.equal(comparableRegistry(parseImageReference('quay.io:443/x/y').registry), 'quay.io');
  t.equal(comparableRegistry('quay.io:8443'), 'quay.io:8443');
  t.equal(comparableRegistry('INDEX.DOCKER.IO:443'), 'docker.io');
  t.equal(codeOf('quay.io./x/y'), 'invalid-registry');
});

test('TD17 repositories end at 255 characters and tags at 128', async (t) => {
  t.equal(codeOf(`r.io/${'a'.repeat(255)}`), 'accepted');
  t.equal(codeOf(`r.io/${'a'.repeat(256)}`), 'too-long');
  t.equal(codeOf(`r.io/a:${'t'.repeat(128)}`), 'accepted');
  t.equal(codeOf(`r.io/a:${'t'.repeat(129)}`), 'invalid-tag');
  t.equal(codeOf('a/'.repeat(100_000)), 'too-long');
});

test('TD18 no tag and the tag latest are the same', async (t) => {
  t.same(parseImageReference('nginx'), parseImageReference('docker.io/library/nginx:latest'));
});

test('TD19 an image that is not set has an error of its own, so that callers may skip it', async (t) => {
  t.equal(codeOf(''), 'empty');
  t.equal(codeOf(' '), 'invalid-repository');
});

test('an error shows the text briefly and says what was expected', async (t) => {
  t.throws(() => parseImageReference('a//b'), /^invalid image reference "a\/\/b" – expected lower-case letters/);
  t.throws(() => parseImageReference(`${'a'.repeat(200)}!`), /^.{100,400}$/);
});

test('random texts are refused or have one canonical form', async (t) => {
  const random = randomFrom(31);
  const pieces = [
    'a',
    'b1',
    'docker.io',
    'localhost',
    'A',
    '/',
    '/',
    ':',
    '@',
    '.',
    '-',
    '_',
    '__',
    '5000',
    '[::1]',
    'latest',
    `sha256:${HEX64}`,
    ' ',
    'é',
  ];
  let accepted = 0;
  for (let round = 0; round < 30_000; round++) {
    const text = Array.from({ length: 1 + random(7) }, () => pieces[random(pieces.length)]).join('');
    let reference: ImageReference;
    try {
      reference = parseImageReference(text);
    } catch (error) {
      if (!(error instanceof ImageReferenceError)) throw error;
      continue;
    }
    accepted++;
    t.same(parseImageReference(formatImageReference(reference)), reference, text);
  }
  t.ok(accepted > 500, `${accepted} accepted`);
});

test('hostile texts cost no time', async (t) => {
  const started = performance.now();
  for (const text of [
    'a-'.repeat(500),
    'a_'.repeat(500),
    `${'a.'.repeat(500)}/x`,
    `${'a-'.repeat(500)}.b/x`,
    `[${':'.repeat(1000)}]/x`,
  ]) {
    t.not(codeOf(text), 'accepted');
  }
  t.ok(performance.now() - started < 3000);
});
