import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { buildPolicyFolder, defaultCacheDir } from '@portcullis/sdk/build';
import { admissionRequest, evaluateBoth, readExamples, validateSettings } from '@portcullis/sdk/testing';
import type { EvaluationOptions } from '@portcullis/sdk/testing';
import { test } from 'tap';
import { policy } from '../src/policy.ts';

const folder = fileURLToPath(new URL('..', import.meta.url));
const { module } = await buildPolicyFolder({ folder, cacheDir: defaultCacheDir(process.env) });

/** Every verdict is asked of the source and of the module built from it. */
const evaluate = (options: EvaluationOptions) => evaluateBoth(policy, module, options);
const fixture = (name: string) => readFile(new URL(`../fixtures/${name}.json`, import.meta.url), 'utf8');

const pod = (spec: object) => admissionRequest({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x' }, spec });
const podWith = (image: unknown) => pod({ containers: [{ name: 'app', image }] });

/** Whether one image is accepted when `allow` is trusted. */
const isTrusted = (image: unknown, allow: readonly string[], more: object = {}) =>
  evaluate({ request: podWith(image), settings: { allow, ...more } }).accepted;
const denial = (image: unknown, allow: readonly string[], more: object = {}) =>
  evaluate({ request: podWith(image), settings: { allow, ...more } }).message;

const DIGEST = `sha256:${'a'.repeat(64)}`;

test('TD1 a bare name is an official image of Docker Hub', (t) => {
  t.ok(isTrusted('nginx', ['docker.io/library']));
  t.ok(isTrusted('nginx', ['docker.io/library/nginx']));
  t.notOk(isTrusted('nginx', ['docker.io/bitnami']));
  t.end();
});

test('TD2 a bare name with a tag has no host and port', (t) => {
  t.ok(isTrusted('nginx:1.25', ['docker.io/library/nginx']));
  t.notOk(isTrusted('nginx:1.25', ['nginx:1']));
  t.end();
});

test('TD3 a name with a user is on Docker Hub without library', (t) => {
  t.ok(isTrusted('bitnami/redis', ['docker.io/bitnami']));
  t.notOk(isTrusted('bitnami/redis', ['docker.io/library']));
  t.end();
});

test('TD4 Docker Hub is one registry under all its names', (t) => {
  for (const image of ['docker.io/nginx', 'index.docker.io/nginx', 'registry-1.docker.io/library/nginx', 'nginx']) {
    for (const entry of ['docker.io', 'index.docker.io', 'registry-1.docker.io', 'docker.io/library']) {
      t.ok(isTrusted(image, [entry]), `${image} from ${entry}`);
    }
  }
  t.end();
});

test('TD5 localhost is a host', (t) => {
  t.ok(isTrusted('localhost/foo', ['localhost']));
  t.notOk(isTrusted('localhost/foo', ['docker.io']));
  t.end();
});

test('TD6 a lower-case name without dot and port is no host', (t) => {
  t.ok(isTrusted('myhost/foo', ['docker.io/myhost']));
  t.notOk(isTrusted('myhost/foo', ['myhost:5000']));
  t.end();
});

test('TD7 a port makes a host, and is part of it', (t) => {
  t.ok(isTrusted('myhost:5000/foo', ['myhost:5000']));
  t.notOk(isTrusted('myhost:5000/foo', ['myhost:5001']));
  t.notOk(isTrusted('quay.io:5000/foo', ['quay.io']));
  t.end();
});

test('TD8 a number after a single name is a tag', (t) => {
  t.ok(isTrusted('myhost:5000', ['docker.io/library']));
  t.notOk(isTrusted('myhost:5000', ['myhost:5000']));
  t.end();
});

test('TD9 an upper-case letter makes a host', (t) => {
  t.ok(isTrusted('LOCALDOMAIN/foo', ['LOCALDOMAIN']));
  t.ok(isTrusted('Foo/bar', ['Foo']));
  t.notOk(isTrusted('Foo/bar', ['docker.io']));
  t.end();
});

test('TD10 what does not parse is denied, even if everything is trusted', (t) => {
  for (const image of ['docker/Docker', '-x/y', 'a//b', 'https://h/x', ' nginx ', 'nginx:', '@', 'a/../b']) {
    t.match(denial(image, ['*']), /^container "app": invalid image reference/, JSON.stringify(image));
  }
  t.end();
});

test('TD11 64 hex characters alone are denied', (t) => {
  t.match(denial('a'.repeat(64), ['*']), /image id/);
  t.end();
});

test('an image by its id is denied: the node runs what it has, from wherever it came', (t) => {
  for (const id of [DIGEST, `sha512:${'a'.repeat(128)}`, `sha384:${'a'.repeat(96)}`]) {
    t.match(denial(id, ['*']), /is the id of an image on the node/, id);
  }
  t.ok(isTrusted('sha256:v1', ['docker.io/library']), 'a repository of that name');
  t.ok(isTrusted(`quay.io/sha256:${'a'.repeat(64)}`, ['quay.io']));
  t.end();
});

test('TD12 IPv6 hosts', (t) => {
  t.ok(isTrusted('[fc00::1]:5000/x', ['[fc00::1]:5000']));
  t.ok(isTrusted('[FC00::1]:5000/x', ['[fc00::1]:5000']));
  t.notOk(isTrusted('[fc00::2]:5000/x', ['[fc00::1]:5000']));
  for (const host of ['[fe80::1%25eth0]', '[::ffff:1.2.3.4]', '[::ffff:0102:0304]'])
    t.notOk(isTrusted(`${host}/x`, ['*']), host);
  t.end();
});

test('TD13 a tag beside a digest still counts, and identity is the digest', (t) => {
  const image = `r.io/a/b:1@${DIGEST}`;
  t.ok(isTrusted(image, ['r.io/a/b']));
  t.ok(isTrusted(image, ['r.io'], { requireDigest: true }));
  t.match(denial(image, ['r.io'], { rejectTags: ['1'] }), /has the tag "1"/);
  t.end();
});

test('TD14 short digests and unknown algorithms are denied', (t) => {
  for (const digest of [`sha256:${'a'.repeat(63)}`, 'sha256:', `md5:${'a'.repeat(32)}`, `sha256:${'A'.repeat(64)}`]) {
    t.match(denial(`r.io/a@${digest}`, ['*']), /invalid image reference/, digest);
  }
  t.ok(isTrusted(`r.io/a@sha512:${'b'.repeat(128)}`, ['r.io']));
  t.end();
});

test('TD15 hosts and repositories that only look like trusted ones are denied', (t) => {
  const allow = ['docker.io', 'quay.io', 'ghcr.io/team'];
  for (const image of [
    'docker.io.evil.com/nginx',
    'quay.io-evil/x',
    'quay.io-evil.com/x',
    'evil.com/docker.io/library/nginx',
    'evil.com/quay.io/x',
    'quay.ioo/x',
    'xquay.io/x',
    'quay.io:5000/x',
    'ghcr.io/team-evil/x',
    'ghcr.io/teamx',
    'ghcr.io/other/team/x',
    'ghcr.io/team/../other',
    'user@quay.io/x',
    'quay.io@evil.com/x',
    'quay.io%2fx.evil.com/y',
    'evil.com#quay.io/x',
    'quay.io\u0000.evil.com/x',
    'quаy.io/x', // with a Cyrillic а
    'evil.com\\quay.io/x',
  ]) {
    t.notOk(isTrusted(image, allow), JSON.stringify(image));
  }
  t.end();
});

test('TD16 case and the default port do not matter, a trailing dot is an error', (t) => {
  t.ok(isTrusted('QUAY.IO/x/y', ['quay.io']));
  t.ok(isTrusted('quay.io/x/y', ['QUAY.IO/x']));
  t.ok(isTrusted('quay.io:443/x/y', ['quay.io']));
  t.ok(isTrusted('quay.io/x/y', ['quay.io:443']));
  t.match(denial('quay.io./x/y', ['*']), /invalid image reference/);
  t.end();
});

test('TD17 names and tags that are too long are denied', (t) => {
  t.match(denial(`r.io/${'a'.repeat(256)}`, ['*']), /at most 255/);
  t.match(denial(`r.io/a:${'b'.repeat(129)}`, ['*']), /1 to 128/);
  t.match(denial('x'.repeat(1_000_000), ['*']), /at most/);
  t.end();
});

test('TD18 no tag is the tag latest', (t) => {
  for (const image of ['nginx', 'nginx:latest']) {
    t.match(denial(image, ['docker.io'], { rejectTags: ['latest'] }), /has the tag "latest"/, image);
  }
  t.ok(isTrusted(`nginx@${DIGEST}`, ['docker.io'], { rejectTags: ['latest'] }));
  t.match(denial('nginx:nightly-1', ['docker.io'], { rejectTags: ['nightly-*'] }), /not allowed/);
  t.end();
});

test('TD19 an image that is not set is denied or skipped by setting', (t) => {
  for (const image of ['', undefined, null]) {
    t.equal(denial(image, ['*']), 'container "app": has no image');
    t.ok(isTrusted(image, ['quay.io'], { emptyImage: 'skip' }));
  }
  t.equal(denial(7, ['*'], { emptyImage: 'skip' }), 'container "app": the image is not a text');
  t.end();
});

test('TD26 TD27 TD28 init containers, ephemeral containers and image volumes are looked at', (t) => {
  const bad = { name: 'x', image: 'evil.com/x' };
  const good = { name: 'y', image: 'nginx' };
  const settings = { allow: ['docker.io'] };
  const cases: [spec: object, where: string][] = [
    [{ containers: [good], initContainers: [good, bad] }, 'init container "x"'],
    [{ containers: [good], ephemeralContainers: [bad] }, 'ephemeral container "x"'],
    [
      {
        containers: [good],
        volumes: [
          { name: 'v', emptyDir: {} },
          { name: 'w', image: { reference: 'evil.com/x' } },
        ],
      },
      'volume "w"',
    ],
  ];
  for (const [spec, where] of cases) {
    const expected = `${where}: image "evil.com/x" is not from a trusted registry`;
    t.equal(evaluate({ request: pod(spec), settings }).message, expected, where);
  }
  t.equal(
    evaluate({ request: pod({ volumes: [{ name: 'w', image: {} }] }), settings }).message,
    'volume "w": has no image',
  );
  t.end();
});

test('TD29 the templates of all workloads are looked at', async (t) => {
  for (const name of ['pod-create', 'deployment-create', 'cronjob-create', 'pod-ephemeral-container']) {
    t.match(evaluate({ request: await fixture(name), settings: { allow: ['quay.io'] } }), { accepted: false }, name);
    t.match(
      evaluate({ request: await fixture(name), settings: { allow: ['docker.io/library'] } }),
      { accepted: true },
      name,
    );
  }
  const spec = { containers: [{ name: 'app', image: 'evil.com/x' }] };
  const template = { spec };
  const workloads: object[] = [
    ...['Deployment', 'ReplicaSet', 'StatefulSet', 'DaemonSet'].map((kind) => ({
      apiVersion: 'apps/v1',
      kind,
      spec: { template },
    })),
    { apiVersion: 'batch/v1', kind: 'Job', spec: { template } },
    { apiVersion: 'batch/v1', kind: 'CronJob', spec: { jobTemplate: { spec: { template } } } },
    { apiVersion: 'v1', kind: 'ReplicationController', spec: { template } },
    { apiVersion: 'v1', kind: 'PodTemplate', template },
    { apiVersion: 'v1', kind: 'Pod', spec },
  ];
  for (const object of workloads) {
    const request = admissionRequest(object as { apiVersion: string; kind: string });
    t.equal(evaluate({ request, settings: { allow: ['docker.io'] } }).accepted, false, request.kind.kind);
    t.equal(evaluate({ request, settings: { allow: ['evil.com'] } }).accepted, true, request.kind.kind);
  }
  t.equal(
    evaluate({ request: await fixture('pod-delete'), settings: { allow: ['quay.io'] } }).accepted,
    true,
    'DELETE',
  );
});

test('TD32 a container added after the fact is denied like any other', async (t) => {
  const { request } = JSON.parse(await fixture('pod-create')) as {
    request: { object: { spec: { containers: object[] } } };
  };
  request.object.spec.containers.push({ name: 'sidecar', image: 'evil.com/sidecar' });
  t.match(
    evaluate({ request, settings: { allow: ['docker.io'] } }).message,
    /^container "sidecar": image "evil\.com\/sidecar"/,
  );
});

test('entries: paths end on the borders of segments, wildcards stay inside one', (t) => {
  const cases: [entry: string, trusted: string[], denied: string[]][] = [
    [
      'quay.io/team',
      ['quay.io/team', 'quay.io/team/a', 'quay.io/team/a/b:1'],
      ['quay.io/team-a', 'quay.io/teams/a', 'quay.io/a/team'],
    ],
    ['quay.io/team/', ['quay.io/team/a'], ['quay.io/team-a']],
    [
      'quay.io/team-*',
      ['quay.io/team-a/x', 'quay.io/team-/x'.replace('-/', '-b/')],
      ['quay.io/team/x', 'quay.io/a/team-b'],
    ],
    ['quay.io/*/app', ['quay.io/a/app', 'quay.io/b/app/c'], ['quay.io/app', 'quay.io/a/b/app']],
    ['quay.io/**/app', ['quay.io/app', 'quay.io/a/app', 'quay.io/a/b/app/c'], ['quay.io/a/application', 'quay.io/a']],
    ['quay.io/a?', ['quay.io/ab/x'], ['quay.io/a/x', 'quay.io/abc']],
    [
      '*.example.com',
      ['a.example.com/x', 'a.b.example.com/x'],
      ['example.com/x', 'a.example.com.evil.io/x', 'evil.io/a.example.com/x'],
    ],
    [
      'registry-?.example.com:5000',
      ['registry-1.example.com:5000/x'],
      ['registry-1.example.com/x', 'registry-12.example.com:5000/x'],
    ],
  ];
  for (const [entry, trusted, denied] of cases) {
    for (const image of trusted) t.ok(isTrusted(image, [entry]), `${entry} trusts ${image}`);
    for (const image of denied) t.notOk(isTrusted(image, [entry]), `${entry} does not trust ${image}`);
  }
  t.end();
});

test('settings: entries that could never match, or match what nobody means, are refused, each with its place and reason', (t) => {
  const cases: [entry: string, reason: RegExp][] = [
    ['nginx', /write docker\.io\/… \(official images are in docker\.io\/library\)/],
    ['library/nginx', /take for a part of Docker Hub/],
    ['https://quay.io', /must not have a scheme/],
    ['quay.io/a:1', /must not have a tag/],
    [`quay.io/a@${DIGEST}`, /must not have a digest/],
    ['quay.io//a', /empty parts/],
    ['quay.io/A', /expected lower-case letters/],
    ['quay.io./a', /must begin with the host name/],
    [' quay.io', /must begin with the host name/],
    ['quay.io/a**', /part of its own/],
    ['quay.io/a*b*c*d*e*f*g*h*i*j', /at most 8 wildcards/],
    [`quay.io${'/a'.repeat(17)}`, /at most 16 parts/],
    ['', /must not be empty/],
    ['10.0.0.*', /trust 10\.0\.0\.evil\.example/],
    ['registry-*', /must not end in \*/],
    ['quay.*:5000/team', /must not end in \*/],
    ['*.*', /must not end in \*/],
  ];
  for (const [entry, reason] of cases) {
    const { valid, message = '' } = validateSettings(module, { allow: ['quay.io', entry] });
    t.equal(valid, false, entry);
    t.ok(message.startsWith('settings.allow[1]: '), message);
    t.match(message, reason);
  }
  t.match(validateSettings(module, {}), { valid: false, message: 'settings.allow: is required' });
  t.match(validateSettings(module, { allow: [] }), { valid: false, message: /at least 1 item/ });
  t.match(validateSettings(module, { allow: ['quay.io'], emptyImage: 'no' }), {
    message: /must be one of "deny", "skip"/,
  });
  t.end();
});

test('a Pod with many untrusted images gets a message of bounded length', (t) => {
  const containers = Array.from({ length: 500 }, (_, index) => ({
    name: `c${index}`,
    image: `evil.com/${'x'.repeat(240)}`,
  }));
  const { message = '' } = evaluate({ request: pod({ containers }), settings: { allow: ['quay.io'] } });
  t.match(message, /and 490 more$/);
  t.ok(message.length < 5000);
  t.end();
});

test('images made to be slow are answered at once', (t) => {
  const allow = ['quay.io/*a*a*a*a*a*a*a*b', 'quay.io/**/a/**/a/**/a/**/b'];
  const images = [
    `quay.io/${'a'.repeat(250)}`,
    `quay.io/${'a/'.repeat(120)}a`,
    `quay.io/${'a-'.repeat(120)}`,
    'a.'.repeat(500),
  ];
  const start = performance.now();
  for (const image of images) t.notOk(isTrusted(image, allow));
  t.ok(performance.now() - start < 2000);
  t.end();
});

test('the examples of the README are true', async (t) => {
  for (const { settings, object, accepted, message } of readExamples(await readFile(`${folder}/README.md`, 'utf8'))) {
    const result = evaluate({ request: admissionRequest(object as { apiVersion: string; kind: string }), settings });
    t.match(result, { accepted, message });
  }
});
