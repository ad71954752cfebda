import { OCI_MANIFEST, type ProgrammedAnswer, randomFrom } from '@portcullis/testkit';
import { test } from 'tap';
import type { Credential } from '../credentials/credentials.ts';
import { ArtifactError } from '../errors.ts';
import { serveRegistry } from '../transport/test/test-server.ts';
import type { TransportRequest } from '../transport/transport.ts';
import { createRegistryClient } from './client.ts';
import { at, descriptorOf, MANIFEST, openClient, REPOSITORY, sha256, UNKNOWN_DIGEST } from './test/test-client.ts';

test('what an error of a registry says is told in its own words', async (t) => {
  const registry = await serveRegistry(t);
  const { client } = openClient(t, { insecure: [registry.host] });
  const path = (tag: string): string => `/v2/${REPOSITORY}/manifests/${tag}`;
  const url = (tag: string): string => `${registry.url}${path(tag)}`;
  const says = (tag: string, status: number, body: string, headers: Record<string, string> = {}): void =>
    registry.route('GET', path(tag), { status, body, headers });
  const asking = (tag: string): Promise<unknown> => client.manifest(at(registry, { tag }));
  says('gone', 404, '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
  const unknown = `Fail to interact with OCI registry: Registry error: url ${url('gone')}, envelope: OCI API errors: [OCI API error: manifest unknown]`;
  await t.rejects(asking('gone'), { code: 'not-found', status: 404, message: unknown });
  await t.rejects(client.digest(at(registry, { tag: 'gone' })), { code: 'not-found', message: unknown });
  says('page', 500, '<html><body>secret internals</body></html>', { 'content-type': 'text/html' });
  await t.rejects(asking('page'), {
    code: 'registry-refused',
    status: 500,
    message: `Fail to interact with OCI registry: Server error: url ${url('page')}, code: 500, message: the answer is a web page, not that of a registry`,
  });
  says('unlabelled', 502, '<!doctype html><p>nginx');
  await t.rejects(asking('unlabelled'), { message: /a web page/ });
  says('text', 500, 'disk full\u001b[31m\nstack trace');
  await t.rejects(asking('text'), { message: /code: 500, message: disk full \[31m$/ });
  says('endless', 500, 'x'.repeat(200_000));
  await t.rejects(asking('endless'), { message: /message: the answer says nothing more$/ });
  says('long', 500, 'y'.repeat(5000));
  await t.rejects(asking('long'), { message: /message: y{300}…$/ });
  says('denied', 403, '{"errors":[{"code":"DENIED"},{"message":"not yours"}]}');
  await t.rejects(asking('denied'), {
    code: 'not-authorized',
    message: /\[OCI API error: DENIED, OCI API error: not yours\] – use credentials that may do this$/,
  });
  says('limited', 429, '', { 'retry-after': '7200' });
  for (const refused of [asking('limited'), client.digest(at(registry, { tag: 'limited' }))]) {
    await t.rejects(refused, { code: 'rate-limited', retryAfterMs: 7_200_000, message: /asks to wait 7200 s/ });
  }
  says('busy', 503, '', { 'retry-after': 'soon' });
  await t.rejects(asking('busy'), { code: 'registry-refused', message: /try again later$/ });
});

test('a registry that is not reached is named as in the reference', async (t) => {
  const registry = await serveRegistry(t);
  const { client } = openClient(t);
  await t.rejects(client.digest(at(registry)), {
    code: 'registry-unreachable',
    message:
      `Fail to interact with OCI registry: error sending request for url (https://${registry.host}/v2/) – ` +
      'received corrupt message of type InvalidContentType: the host does not speak TLS on this port; ' +
      'if it is meant to be spoken to without TLS, name it in insecure_sources of the sources file',
    cause: Error,
  });
});

test('Docker Hub is named docker.io and served by index.docker.io', async (t) => {
  const asked: TransportRequest[] = [];
  const looked: string[] = [];
  const client = createRegistryClient({
    transport: {
      request: (request) => {
        asked.push(request);
        return Promise.reject(new ArtifactError('aborted', 'enough'));
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    },
    credentials: { credentialFor: (host) => Promise.resolve(void looked.push(host)) },
    log: () => undefined,
  });
  const busybox = { registry: 'docker.io', repository: 'library/busybox', tag: 'latest' };
  await t.rejects(client.digest(busybox), { code: 'aborted' });
  t.match(asked[0], { hostKey: 'docker.io', url: { href: 'https://index.docker.io/v2/' } });
  await t.rejects(client.digest(busybox, { signal: AbortSignal.abort() }), { code: 'aborted' });
  t.equal(asked.length, 1, 'whoever gave up before asks nothing');
});

test('a hostile registry gets refusals of ours out of us, never a crash', async (t) => {
  const registry = await serveRegistry(t);
  const random = randomFrom(7);
  const pick = <T>(items: readonly T[]): T => items[random(items.length)] as T;
  const good = JSON.stringify(MANIFEST);
  const texts = [
    '',
    '{',
    good,
    `{"errors":[${'{},'.repeat(50)}{}]}`,
    '<html>',
    '[]',
    'null',
    '\u0000',
    '{"manifests":[]}',
  ];
  const odd = (): ProgrammedAnswer => ({
    status: pick([200, 200, 201, 202, 204, 206, 302, 307, 400, 401, 401, 403, 404, 416, 429, 500, 503]),
    headers: Object.fromEntries(
      (
        [
          [
            'www-authenticate',
            ['Bearer realm="', `Bearer realm="${registry.url}/token"`, 'Basic', ',,,', 'Bearer realm="http://["'],
          ],
          ['location', ['/v2/x', '//', 'http://[', `${registry.url}/y`, '?', 'gopher://x', '']],
          ['docker-content-digest', [sha256(good), UNKNOWN_DIGEST, 'sha256:', '..', '']],
          ['content-range', ['bytes 2-3/4', 'bytes */4', 'bytes 99999999999999999999-1/0', '']],
          ['link', ['<', '</v2/x>; rel=next', '<http://[>; rel="next"']],
          ['retry-after', ['0', '-1', 'x']],
          ['content-encoding', ['identity', 'br']],
        ] as const
      )
        .filter(() => random(2) === 0)
        .map(([name, values]) => [name, pick<string>(values)]),
    ),
    body: pick(texts),
    drop: random(20) === 0,
  });
  registry.route('*', /./, odd);
  const bytes = Buffer.from('wasm');
  const until = performance.now() + 1500;
  const codes = new Set<string>();
  let runs = 0;
  while (performance.now() < until) {
    const { client } = openClient(t, {
      insecure: [registry.host],
      credentials: {
        [registry.host]: {
          kind: pick(['basic', 'identity-token'] as const),
          username: 'a',
          password: 'b',
          token: 'c',
        } as Credential,
      },
    });
    const where = at(registry, pick([{ tag: 'v1' }, { digest: sha256(good) }]));
    const work: (() => Promise<unknown>)[] = [
      () => client.digest(where),
      () => client.manifest(where),
      () => client.blob(where, descriptorOf(bytes), { maxBytes: 10 }),
      async () => {
        const { body } = await client.openBlob(where, descriptorOf(bytes), { offset: 2 });
        for await (const piece of body) t.ok(piece.length <= 4);
      },
      () => client.referrers(where, sha256('x')),
      () => client.pushBlob(where, bytes, sha256(bytes)),
      () => client.pushManifest(where, Buffer.from(good), OCI_MANIFEST),
    ];
    for (let count = 0; count < 20; count++) {
      runs += 1;
      await pick(work)().then(
        () => codes.add('fine'),
        (error: unknown) => {
          if (!(error instanceof ArtifactError)) throw error;
          codes.add(error.code);
        },
      );
    }
  }
  t.ok(runs > 50 && codes.size > 4, `${runs} runs: ${[...codes].sort().join(', ')}`);
});
