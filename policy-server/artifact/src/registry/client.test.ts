import { createHash } from 'node:crypto';
import type { ImageReference } from '@portcullis/protocol';
import {
  createAuthority,
  createServerCertificate,
  OCI_INDEX,
  OCI_MANIFEST,
  ProgrammableRegistry,
  type ProgrammableRegistryOptions,
  type ProgrammedAnswer,
  randomFrom,
  startTamperingProxy,
  type Tamper,
} from '@portcullis/testkit';
import { test, type Test } from 'tap';
import type { Credential } from '../credentials/credentials.ts';
import { ArtifactError } from '../errors.ts';
import type { ArtifactLogRecord } from '../log.ts';
import { createRegistryClient } from './client.ts';
import type { Descriptor, RegistryClient } from './registry.ts';
import { createTransport } from '../transport/create-transport.ts';
import { type TransportLimits, type TransportRequest } from '../transport/transport.ts';

const authority = await createAuthority('client-ca');
const tls = await createServerCertificate(authority);
const REPOSITORY = 'team/policy';
const UNKNOWN_DIGEST = `sha256:${'0'.repeat(64)}`;

interface Given {
  readonly insecure?: readonly string[];
  readonly secure?: readonly string[];
  readonly credentials?: Readonly<Record<string, Credential>>;
  readonly limits?: Partial<TransportLimits>;
}

interface Opened {
  readonly client: RegistryClient;
  readonly records: ArtifactLogRecord[];
  readonly sent: TransportRequest[];
  readonly clock: { nowMs: number };
  readonly looked: string[];
}

function open(t: Test, { insecure = [], secure = [], credentials = {}, limits = {} }: Given = {}): Opened {
  const records: ArtifactLogRecord[] = [];
  const looked: string[] = [];
  const sent: TransportRequest[] = [];
  const clock = { nowMs: 0 };
  const log = (record: ArtifactLogRecord): void => void records.push(record);
  const transport = createTransport({
    sources: {
      insecure: new Set(insecure),
      authorities: new Map(secure.map((host) => [host, [authority.cert]])),
      proxies: undefined,
    },
    proxies: { httpProxy: undefined, httpsProxy: undefined, noProxy: undefined },
    systemAuthorities: [],
    log,
    limits,
  });
  t.teardown(() => transport[Symbol.asyncDispose]());
  const client = createRegistryClient({
    transport: {
      request: (request) => {
        sent.push(request);
        return transport.request(request);
      },
      [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
    },
    credentials: {
      credentialFor: (host) => {
        looked.push(host);
        return Promise.resolve(credentials[host]);
      },
    },
    log,
    nowMs: () => clock.nowMs,
  });
  return { client, records, sent, clock, looked };
}

async function serve(t: Test, options?: ProgrammableRegistryOptions): Promise<ProgrammableRegistry> {
  const registry = await ProgrammableRegistry.start(options);
  t.teardown(() => registry[Symbol.asyncDispose]());
  return registry;
}

const sha256 = (bytes: Uint8Array | string): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

function at(registry: { host: string }, version: Partial<ImageReference> = { tag: 'v1' }): ImageReference {
  return { registry: registry.host, repository: REPOSITORY, ...version };
}

function descriptorOf(bytes: Uint8Array, more: Partial<Descriptor> = {}): Descriptor {
  return {
    mediaType: 'application/octet-stream',
    digest: sha256(bytes),
    size: bytes.length,
    annotations: new Map(),
    artifactType: undefined,
    platform: undefined,
    ...more,
  };
}

const MANIFEST = {
  schemaVersion: 2,
  config: { mediaType: 'application/vnd.wasm.config.v1+json', digest: sha256('{}'), size: 2 },
  layers: [{ mediaType: 'application/vnd.wasm.content.layer.v1+wasm', digest: sha256('wasm'), size: 4 }],
};

test('a digest costs a HEAD, or a GET where the registry does not say it', async (t) => {
  const registry = await serve(t);
  const digest = registry.serveManifest(REPOSITORY, MANIFEST, OCI_MANIFEST, ['v1']);
  const { client } = open(t, { insecure: [registry.host] });
  t.equal(await client.digest(at(registry)), digest);
  t.equal(registry.count('HEAD'), 1);
  t.equal(registry.count('GET', /manifests/), 0);
  const accept = registry.requests.at(-1)?.headers.accept ?? '';
  t.equal(
    accept,
    [
      'application/vnd.docker.distribution.manifest.v2+json',
      'application/vnd.docker.distribution.manifest.list.v2+json',
      OCI_MANIFEST,
      OCI_INDEX,
    ].join(', '),
  );
  const bytes = Buffer.from(JSON.stringify(MANIFEST));
  registry.route('GET', `/v2/${REPOSITORY}/manifests/bare`, { body: bytes });
  t.equal(await client.digest(at(registry, { tag: 'bare' })), sha256(bytes), 'TC14 HEAD without digest header');
  registry.route('HEAD', `/v2/${REPOSITORY}/manifests/get-only`, { status: 405 });
  registry.route('GET', `/v2/${REPOSITORY}/manifests/get-only`, ({ method }) =>
    method === 'GET' ? { body: bytes } : undefined,
  );
  t.equal(await client.digest(at(registry, { tag: 'get-only' })), sha256(bytes), 'a registry without HEAD');
});

test('a manifest’s bytes must be those of the pinned digest and of the header', async (t) => {
  const registry = await serve(t);
  const bytes = Buffer.from(JSON.stringify(MANIFEST));
  const digest = registry.serveManifest(REPOSITORY, bytes, OCI_MANIFEST, ['v1']);
  const { client } = open(t, { insecure: [registry.host] });
  t.match(await client.manifest(at(registry)), { kind: 'manifest', digest, mediaType: OCI_MANIFEST, bytes });
  const sha512 = `sha512:${createHash('sha512').update(bytes).digest('hex')}`;
  registry.route('GET', `/v2/${REPOSITORY}/manifests/${sha512}`, {
    headers: { 'docker-content-digest': digest },
    body: bytes,
  });
  t.equal((await client.manifest(at(registry, { digest: sha512 }))).digest, sha512);
  t.equal(await client.digest(at(registry, { digest: sha512 })), sha512);

  const lie = (name: string, header: string): void =>
    registry.route('GET', `/v2/${REPOSITORY}/manifests/${name}`, {
      headers: { 'docker-content-digest': header },
      body: bytes,
    });
  lie('wrong-header', UNKNOWN_DIGEST);
  lie('no-digest', 'sha256:../../etc');
  lie(UNKNOWN_DIGEST, UNKNOWN_DIGEST);
  await t.rejects(client.manifest(at(registry, { tag: 'wrong-header' })), {
    code: 'digest-mismatch',
    message: new RegExp(`expected ${UNKNOWN_DIGEST}, got ${digest}`),
  });
  await t.rejects(client.manifest(at(registry, { tag: 'no-digest' })), { code: 'answer-invalid' });
  await t.rejects(client.digest(at(registry, { tag: 'no-digest' })), { code: 'answer-invalid' });
  await t.rejects(client.manifest(at(registry, { digest: UNKNOWN_DIGEST })), { code: 'digest-mismatch' });
  lie(`sha256:${'1'.repeat(64)}`, UNKNOWN_DIGEST);
  await t.rejects(client.digest(at(registry, { digest: `sha256:${'1'.repeat(64)}` })), { code: 'digest-mismatch' });
});

test('what an error of a registry says is told in its own words', async (t) => {
  const registry = await serve(t);
  const { client } = open(t, { insecure: [registry.host] });
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
  const registry = await serve(t);
  const { client } = open(t);
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

test('a path that looks like another host stays a path, and the token with it', async (t) => {
  const basicAuth = { user: 'alice', password: 'hush' };
  const registry = await serve(t, { basicAuth });
  const elsewhere = await serve(t);
  registry.route('POST', `/v2/${REPOSITORY}/blobs/uploads/`, {
    status: 202,
    headers: { location: `${registry.url}//${elsewhere.host}/x` },
  });
  const { client } = open(t, {
    insecure: [registry.host, elsewhere.host],
    credentials: { [registry.host]: { kind: 'basic', username: 'alice', password: 'hush' } },
  });
  await t.rejects(client.pushBlob(at(registry), Buffer.from('wasm'), sha256('wasm')));
  t.equal(elsewhere.count(), 0);
  t.equal(registry.count('PATCH'), 1, 'the registry itself is asked');
});

test('a hostile registry gets refusals of ours out of us, never a crash', async (t) => {
  const registry = await serve(t);
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
    const { client } = open(t, {
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

test('a blob is checked, capped, and goes on where it stopped', async (t) => {
  const registry = await serve(t);
  const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, index) => index % 251));
  registry.serveBlob(REPOSITORY, bytes);
  const { client } = open(t, { insecure: [registry.host] });
  const where = at(registry);
  const descriptor = descriptorOf(bytes);
  const path = `/v2/${REPOSITORY}/blobs/${descriptor.digest}`;
  t.same(await client.blob(where, descriptor, { maxBytes: 200_000 }), bytes);
  await t.rejects(client.blob(where, descriptor, { maxBytes: 199_999 }), { code: 'download-too-large' });
  const collect = async (offset: number): Promise<{ startsAt: number; bytes: Buffer }> => {
    const { startsAt, body } = await client.openBlob(where, descriptor, { offset });
    const found: Uint8Array[] = [];
    for await (const piece of body) found.push(piece);
    return { startsAt, bytes: Buffer.concat(found) };
  };
  t.same(await collect(150_000), { startsAt: 150_000, bytes: bytes.subarray(150_000) });
  t.equal(registry.requests.at(-1)?.headers.range, 'bytes=150000-199999');
  t.same(await collect(200_000), { startsAt: 0, bytes }, 'nothing is left to ask for: all of it again');

  registry.route('GET', path, ({ headers }) => (headers.range === undefined ? { body: bytes } : { status: 416 }));
  t.same(await collect(10), { startsAt: 0, bytes }, 'a range that is refused');
  registry.route('GET', path, { body: bytes });
  t.same(await collect(10), { startsAt: 0, bytes }, 'a registry without ranges');
  const partial = (range: string, body: Uint8Array): void =>
    registry.route('GET', path, { status: 206, headers: { 'content-range': range }, body });
  partial('bytes 0-199999/200000', bytes);
  await t.rejects(collect(10), { code: 'answer-invalid', message: /another piece than was asked for/ });
  partial('bytes 10-199999/300000', bytes.subarray(10));
  await t.rejects(collect(10), { code: 'answer-invalid' });
  partial('bytes 10-20/200000', bytes.subarray(10, 21));
  await t.rejects(collect(10), { code: 'answer-invalid' });
  partial('bytes 0-9/200000', bytes.subarray(0, 10));
  await t.rejects(collect(0), { code: 'answer-invalid' }, 'a piece nobody asked for');
  registry.route('GET', path, { body: bytes.subarray(1) });
  await t.rejects(collect(0), { code: 'download-stalled', message: /ended after 199999 of 200000 bytes/ });
  registry.route('GET', path, { body: Buffer.concat([bytes, bytes]) });
  await t.rejects(collect(0), { code: 'download-too-large' });
  registry.route('GET', path, { body: Buffer.alloc(200_000) });
  await t.rejects(client.blob(where, descriptor, { maxBytes: 200_000 }), { code: 'digest-mismatch' });
  registry.route('GET', path, { status: 404, body: { errors: [{ message: 'blob unknown' }] } });
  await t.rejects(collect(0), { code: 'not-found', message: /OCI API error: blob unknown/ });
});

test('a network that damages answers is found out, and memory stays flat', async (t) => {
  const registry = await serve(t);
  const bytes = Buffer.alloc(100_000, 7);
  registry.serveBlob(REPOSITORY, bytes);
  registry.serveManifest(REPOSITORY, MANIFEST, OCI_MANIFEST, ['v1']);
  const proxy = await startTamperingProxy(registry.url);
  t.teardown(() => proxy[Symbol.asyncDispose]());
  const { client } = open(t, {
    insecure: [proxy.host],
    limits: { idleTimeoutMs: 300, minBytesPerSecond: 10_000, rateWindowMs: 300 },
  });
  const where = at(proxy);
  const reading = (): Promise<unknown> => client.blob(where, descriptorOf(bytes), { maxBytes: 1_000_000 });
  const damaged = async (tamper: Tamper, code: string): Promise<void> => {
    proxy.tamper({ path: /blobs/, ...tamper });
    await t.rejects(reading(), { code }, tamper.kind);
  };
  await damaged({ kind: 'flip-byte' }, 'digest-mismatch');
  await damaged({ kind: 'truncate', bytes: 5000 }, 'download-stalled');
  await damaged({ kind: 'cut', bytes: 5000 }, 'download-stalled');
  await damaged({ kind: 'stall', bytes: 5000 }, 'download-stalled');
  await damaged({ kind: 'slow-drip', bytesPerSecond: 1000 }, 'download-stalled');
  await damaged({ kind: 'html' }, 'download-stalled');
  await damaged({ kind: 'endless', declared: true }, 'download-too-large');
  await damaged({ kind: 'endless' }, 'download-too-large');
  t.ok((proxy.requests.at(-1)?.sentBytes ?? 0) < 20_000_000, 'the connection is cut, not read to its end');
  proxy.tamper({ kind: 'digest-header', digest: UNKNOWN_DIGEST, path: /manifests/ });
  await t.rejects(client.manifest(where), { code: 'digest-mismatch' });
  proxy.tamper({ kind: 'html', path: /manifests/ });
  await t.rejects(client.manifest(where), { code: 'answer-invalid' });
  proxy.tamper({ kind: 'endless', path: /manifests/ });
  await t.rejects(client.manifest(where), { code: 'download-too-large' });
  proxy.tamper({ kind: 'status', status: 500, path: /manifests/, body: 'oops' });
  await t.rejects(client.manifest(where), { code: 'registry-refused', message: /code: 500, message: oops$/ });
});

test('a body of ten gigabytes passes through without staying', { timeout: 60_000 }, async (t) => {
  const size = 10_000_000_000;
  const enough = 1_000_000_000;
  const registry = await serve(t);
  const proxy = await startTamperingProxy(registry.url, {
    tampers: [{ kind: 'endless', path: /blobs/, declared: true }],
  });
  t.teardown(() => proxy[Symbol.asyncDispose]());
  const { client } = open(t, { insecure: [proxy.host] });
  const { body } = await client.openBlob(at(proxy), descriptorOf(Buffer.alloc(0), { size }));
  const before = process.memoryUsage().rss;
  let length = 0;
  for await (const piece of body) {
    length += piece.length;
    // All of it takes half a minute and shows no more than a tenth does.
    if (length > enough) break;
  }
  const grown = process.memoryUsage().rss - before;
  t.ok(grown < 150_000_000, `grew by ${grown} bytes while ${length} passed`);
});

test('blobs are fetched from storage on another host, without credentials', async (t) => {
  const basicAuth = { user: 'alice', password: 'hush' };
  const registry = await serve(t, { tls, basicAuth });
  const storage = await serve(t, { tls });
  const bytes = Buffer.from('a blob');
  const { digest } = descriptorOf(bytes);
  storage.route('GET', '/bucket/blob', { body: bytes });
  registry.route('GET', `/v2/${REPOSITORY}/blobs/${digest}`, {
    status: 307,
    headers: { location: `${storage.url}/bucket/blob?sig=1` },
  });
  const credential: Credential = { kind: 'basic', username: 'alice', password: 'hush' };
  const { client } = open(t, {
    secure: [registry.host, storage.host],
    credentials: { [registry.host]: credential, [storage.host]: credential },
  });
  t.same(await client.blob(at(registry), descriptorOf(bytes), { maxBytes: 10 }), bytes);
  t.equal(storage.requests[0]?.headers.authorization, undefined);
  storage.route('GET', '/bucket/blob', {
    status: 401,
    headers: { 'www-authenticate': `Basic realm="${storage.url}"` },
  });
  await t.rejects(client.blob(at(registry), descriptorOf(bytes), { maxBytes: 10 }), { code: 'not-authorized' });
  t.ok(
    storage.requests.every(({ headers }) => headers.authorization === undefined),
    'storage cannot ask for what is the registry’s',
  );
});

test('Basic: the password goes to the registry that asks, in every request', async (t) => {
  const registry = await serve(t, { tls, basicAuth: { user: 'alice', password: 'pä:ss' } });
  const digest = registry.serveManifest(REPOSITORY, MANIFEST, OCI_MANIFEST, ['v1']);
  const credentials = { [registry.host]: { kind: 'basic', username: 'alice', password: 'pä:ss' } as const };
  const { client, looked } = open(t, { secure: [registry.host], credentials });
  t.equal(await client.digest(at(registry)), digest);
  t.equal(await client.digest(at(registry)), digest);
  t.equal(registry.count('GET', '/v2/'), 1, 'one question what is asked for');
  t.equal(looked.length, 1, 'one look-up of the credential');
  const wrong = open(t, {
    secure: [registry.host],
    credentials: { [registry.host]: { kind: 'basic', username: 'alice', password: 'wrong-secret' } },
  });
  await t.rejects(wrong.client.digest(at(registry)), {
    code: 'not-authorized',
    status: 401,
    message: `Fail to interact with OCI registry: Not authorized: url ${registry.url}/v2/${REPOSITORY}/manifests/v1 – log in, or check the credentials for this host in the docker config`,
  });
  const token = { [registry.host]: { kind: 'identity-token', token: 'hush-hush' } as const };
  const identity = open(t, { secure: [registry.host], credentials: token });
  await t.rejects(identity.client.digest(at(registry)), { code: 'not-authorized', message: /only an identity token/ });
  const anonymous = open(t, { secure: [registry.host] });
  await t.rejects(anonymous.client.manifest(at(registry)), { code: 'not-authorized' });
  t.notMatch(JSON.stringify([wrong.records, identity.records]), /wrong-secret|hush-hush/);
});

test('Bearer: a token for the repository and what is done with it, kept until it runs out', async (t) => {
  const basicAuth = { user: 'alice', password: 'hush' };
  const registry = await serve(t, { tls, tokens: { basicAuth, service: 'our registry', field: 'access_token' } });
  const digest = registry.serveManifest(REPOSITORY, MANIFEST, OCI_MANIFEST, ['v1']);
  const credentials = { [registry.host]: { kind: 'basic', username: 'alice', password: 'hush' } as const };
  const { client, clock, records } = open(t, { secure: [registry.host], credentials });
  t.equal(await client.digest(at(registry)), digest);
  t.equal(await client.digest(at(registry)), digest);
  const asked = registry.tokens?.requests ?? [];
  t.equal(asked.length, 1);
  t.equal(asked[0]?.query.get('scope'), `repository:${REPOSITORY}:pull`);
  t.equal(asked[0]?.query.get('service'), 'our registry');
  t.match(registry.requests.at(-1)?.headers.authorization, /^Bearer /, 'not the password');
  clock.nowMs += 280_000;
  await client.digest(at(registry));
  t.equal(asked.length, 1, 'not yet');
  clock.nowMs += 11_000;
  await client.digest(at(registry));
  t.equal(asked.length, 2, 'some seconds before it runs out');
  registry.tokens?.revokeAll();
  t.equal(await client.digest(at(registry)), digest, 'a token that stops working is replaced');
  t.equal(asked.length, 3);
  await Promise.all(Array.from({ length: 10 }, () => client.manifest({ ...at(registry), tag: 'v1' })));
  t.equal(asked.length, 3);
  await t.rejects(client.manifest({ ...at(registry), repository: 'other' }), { code: 'not-found' });
  t.equal(asked.at(-1)?.query.get('scope'), 'repository:other:pull', 'each repository has its own');
  t.notMatch(JSON.stringify(records), /hush|Bearer/);

  const fresh = open(t, { secure: [registry.host], credentials });
  const before = asked.length;
  await Promise.all(Array.from({ length: 10 }, () => fresh.client.digest(at(registry))));
  t.equal(asked.length, before + 1, 'ten at once share one token');
});

test('a credential that is not accepted, or none: anonymously, and then the registry’s refusal', async (t) => {
  const registry = await serve(t, { tls, tokens: { basicAuth: { user: 'alice', password: 'hush' } } });
  registry.serveManifest(REPOSITORY, MANIFEST, OCI_MANIFEST, ['v1']);
  const credentials = { [registry.host]: { kind: 'basic', username: 'alice', password: 'wrong-secret' } as const };
  for (const given of [{ credentials }, {}]) {
    const { client, records, looked } = open(t, { secure: [registry.host], ...given });
    await t.rejects(client.digest(at(registry)), {
      code: 'not-authorized',
      message: /Not authorized: url https:.* – the token service at https:.*\/token gave no token: status 401; log in/,
    });
    t.match(records, [{ level: 'debug', message: /no token, going on anonymously/ }]);
    t.notMatch(JSON.stringify(records), /wrong-secret/);
    t.ok(looked.length >= 1);
  }
  const open_ = await serve(t, { tls, tokens: {} });
  open_.serveManifest(REPOSITORY, MANIFEST, OCI_MANIFEST, ['v1']);
  const { client } = open(t, { secure: [open_.host] });
  await client.digest(at(open_));
  t.equal(open_.tokens?.requests[0]?.authorization, undefined, 'public registries give tokens to anybody');
});

test('identity tokens are exchanged by POST, and by GET where that is not served', async (t) => {
  const registry = await serve(t, { tls, tokens: { identityToken: 'refresh-me' } });
  const digest = registry.serveManifest(REPOSITORY, MANIFEST, OCI_MANIFEST, ['v1']);
  const credentials = (host: string): Given['credentials'] => ({
    [host]: { kind: 'identity-token', token: 'refresh-me' },
  });
  const { client } = open(t, { secure: [registry.host], credentials: credentials(registry.host) });
  t.equal(await client.digest(at(registry)), digest);
  const [asked] = registry.tokens?.requests ?? [];
  t.equal(asked?.method, 'POST');
  t.same(Object.fromEntries(asked?.form ?? []), {
    grant_type: 'refresh_token',
    client_id: 'portcullis',
    scope: `repository:${REPOSITORY}:pull`,
    service: 'registry.test',
    refresh_token: 'refresh-me',
  });

  const old = await serve(t, { tls });
  old.serveManifest(REPOSITORY, MANIFEST, OCI_MANIFEST, ['v1']);
  const challenge = { 'www-authenticate': `Bearer realm="${old.url}/auth",service="s"` };
  old.route('GET', '/v2/', { status: 401, headers: challenge });
  old.route('POST', '/auth', { status: 405 });
  old.route('GET', '/auth', { body: { token: 'abc' } });
  const second = open(t, { secure: [old.host], credentials: credentials(old.host) });
  await second.client.digest(at(old));
  const get = old.requests.find(({ method, path }) => method === 'GET' && path === '/auth');
  t.equal(get?.headers.authorization, `Basic ${Buffer.from('<token>:refresh-me').toString('base64')}`);
  t.equal(old.requests.at(-1)?.headers.authorization, 'Bearer abc');
});

test('tokens of a registry without TLS: the service on its own host may see the password', async (t) => {
  const registry = await serve(t, { tokens: { basicAuth: { user: 'alice', password: 'hush' } } });
  const credentials = { [registry.host]: { kind: 'basic', username: 'alice', password: 'hush' } as const };
  const { client } = open(t, { insecure: [registry.host], credentials });
  const path = `/v2/${REPOSITORY}/manifests/v1`;
  registry.route('PUT', path, { status: 201 });
  await client.pushManifest(at(registry), Buffer.from('{}'), OCI_MANIFEST);
  await t.rejects(client.manifest(at(registry)), { code: 'not-found' });
  const scopes = registry.tokens?.requests.map(({ query }) => query.get('scope'));
  t.same(scopes, [`repository:${REPOSITORY}:pull,push`, `repository:${REPOSITORY}:pull`], 'reading asks for no more');
});

test('a token service elsewhere sees the password only when the registry’s certificate was checked', async (t) => {
  const tokens = await serve(t, { tls });
  tokens.route('GET', '/token', { body: { token: 'elsewhere' } });
  const elsewhere = `https://localhost:${tokens.host.split(':')[1]}/token`;
  const challenge = { status: 401, headers: { 'www-authenticate': `Bearer realm="${elsewhere}"` } };
  const credential = { kind: 'basic', username: 'alice', password: 'hush' } as const;
  const ask = async (secure: boolean): Promise<Opened> => {
    const registry = await serve(t, { tls });
    registry.route('GET', '/v2/', challenge);
    registry.serveManifest(REPOSITORY, MANIFEST, OCI_MANIFEST, ['v1']);
    const opened = open(t, {
      ...(secure ? {} : { insecure: [registry.host] }),
      secure: [...(secure ? [registry.host] : []), new URL(elsewhere).host],
      credentials: { [registry.host]: credential },
    });
    await opened.client.digest(at(registry));
    t.equal(registry.requests.at(-1)?.headers.authorization, 'Bearer elsewhere');
    return opened;
  };
  await ask(true);
  t.match(tokens.requests.at(-1)?.headers.authorization, /^Basic /);
  const { records } = await ask(false);
  t.equal(tokens.requests.at(-1)?.headers.authorization, undefined, 'anybody in between could have named the service');
  t.match(records.at(-1), { level: 'warn', message: /credentials not sent/ });
});

test('token services that answer nonsense, or that nobody may speak to, end in a refusal', async (t) => {
  const plain = await serve(t);
  plain.route('GET', '/token', { body: { token: 'abc' } });
  const registry = await serve(t, { tls });
  registry.route('GET', `/v2/${REPOSITORY}/manifests/v1`, { status: 401 });
  const realms: Record<string, RegExp> = {
    [`${plain.url}/token`]: /builder error for url/,
    '/relative': /no URL/,
    'file:///etc/passwd': /./,
    [`${registry.url}/newline`]: /an answer without a token/,
    [`${registry.url}/text`]: /not JSON/,
    [`${registry.url}/number`]: /not JSON/,
    [`${registry.url}/empty`]: /without a token/,
    [`${registry.url}/huge`]: /longer than/,
  };
  registry.route('GET', '/newline', { body: { token: 'secret-token\r\nx: y' } });
  registry.route('GET', '/text', { body: '"secret-token' });
  registry.route('GET', '/number', { body: { token: 5 } });
  registry.route('GET', '/empty', { body: {} });
  registry.route('GET', '/huge', { body: { token: 'x'.repeat(300_000) } });
  for (const [realm, expected] of Object.entries(realms)) {
    registry.route('GET', '/v2/', { status: 401, headers: { 'www-authenticate': `Bearer realm="${realm}"` } });
    const credentials = { [registry.host]: { kind: 'basic', username: 'a', password: 'hush' } as const };
    const { client, records } = open(t, { secure: [registry.host], credentials });
    const refusal = client.digest(at(registry));
    await t.rejects(refusal, { code: 'not-authorized', message: expected }, realm);
    t.notMatch(JSON.stringify(records), /hush|secret-token/);
  }
  t.equal(plain.count(), 0);
});

test('a registry that asks only for some things is answered when it does', async (t) => {
  const registry = await serve(t, { tls });
  const digest = registry.serveManifest(REPOSITORY, MANIFEST, OCI_MANIFEST, ['v1']);
  registry.route('*', `/v2/${REPOSITORY}/manifests/v1`, ({ headers }) =>
    headers.authorization === 'Bearer late'
      ? undefined
      : { status: 401, headers: { 'www-authenticate': `Negotiate, Bearer realm="${registry.url}/token"` } },
  );
  registry.route('GET', '/token', { body: { token: 'late', expires_in: 60 } });
  const { client } = open(t, { secure: [registry.host] });
  t.equal(await client.digest(at(registry)), digest);
});

test('referrers: the API with its pages, else the fallback tag', async (t) => {
  const registry = await serve(t);
  const { client } = open(t, { insecure: [registry.host] });
  const where = at(registry);
  const subject = sha256('subject');
  const api = `/v2/${REPOSITORY}/referrers/${subject}`;
  const entry = (name: string): object => ({
    mediaType: OCI_MANIFEST,
    digest: sha256(name),
    size: 1,
    artifactType: 'application/x',
    annotations: { __proto__: null, name },
  });
  const list = (...names: string[]): object => ({
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: names.map(entry),
  });
  const names = async (): Promise<unknown[]> =>
    (await client.referrers(where, subject)).map(({ annotations }) => annotations.get('name'));

  t.same(await names(), [], 'neither API nor tag');
  registry.serveManifest(REPOSITORY, list('tagged'), OCI_INDEX, [subject.replace(':', '-')]);
  for (const status of [404, 400, 403, 405, 501]) {
    registry.route('GET', api, { status });
    t.same(await names(), ['tagged'], `API answers ${status}`);
  }
  registry.route('GET', api, { headers: { 'content-type': 'text/html' }, body: '<html>' });
  t.same(await names(), ['tagged'], 'a web interface is no API');

  const json = (names_: string[], link?: string) => ({
    headers: { 'content-type': OCI_INDEX, ...(link === undefined ? {} : { link }) },
    body: { ...list(...names_) },
  });
  registry.route('GET', api, ({ query }) => {
    const page = query.get('page') ?? '1';
    if (page === '1') return json(['a', 'b'], `<${api}?page=2>; rel="next"`);
    if (page === '2') return json(['c'], `<https://${registry.host}${api}?page=3>; rel=next`);
    return json(['d'], `<${api}>; rel="first"`);
  });
  t.same(await names(), ['a', 'b', 'c', 'd']);
  registry.route('GET', api, json([]));
  t.same(await names(), [], 'an empty list is an answer');
  registry.route('GET', api, json(['a'], `<${api}?again>; rel="next"`));
  await t.rejects(names(), { code: 'answer-invalid', message: /does not end/ });
  registry.route('GET', api, json(['a'], '<https://elsewhere.test/v2/>; rel="next"'));
  await t.rejects(names(), { code: 'answer-invalid', message: /goes on at another host/ });
  registry.route('GET', api, json(Array.from({ length: 1001 }, (_, index) => `n${index}`)));
  await t.rejects(names(), { code: 'answer-invalid', message: /at most 1000 entries/ });
  registry.route('GET', api, { status: 500 });
  await t.rejects(names(), { code: 'registry-refused' }, 'trouble is not "there are none"');
  registry.route('GET', api, { body: { ...MANIFEST } });
  await t.rejects(names(), { code: 'answer-invalid', message: /no image index/ });
  const sha512 = `sha512:${'a'.repeat(128)}`;
  registry.serveManifest(REPOSITORY, list('long'), OCI_INDEX, [`sha512-${'a'.repeat(64)}`]);
  t.equal((await client.referrers(where, sha512)).length, 1, 'a tag has 128 characters at most');
});

test('a blob goes up in chunks of 4 MiB at most', async (t) => {
  const registry = await serve(t, { tls });
  const bytes = Buffer.alloc(9 * 1024 * 1024, 3);
  const uploads = `/v2/${REPOSITORY}/blobs/uploads/`;
  const parts: Buffer[] = [];
  registry.route('POST', uploads, { status: 202, headers: { location: `${uploads}1?_state=a%3D%3D` } });
  registry.route('PATCH', `${uploads}1`, ({ body }, calls) => {
    parts.push(body);
    const location = `http://${registry.host}${uploads}1?_state=b`;
    return { status: 202, ...(calls === 0 ? {} : { headers: { location } }) };
  });
  registry.route('PUT', `${uploads}1`, { status: 201 });
  const { client, records } = open(t, { secure: [registry.host] });
  await client.pushBlob(at(registry), bytes, sha256(bytes));
  t.same(Buffer.concat(parts), bytes);
  const chunks = registry.requests.filter(({ method }) => method === 'PATCH');
  t.same(
    chunks.map(({ headers }) => headers['content-range']),
    ['0-4194303', '4194304-8388607', '8388608-9437183'],
  );
  t.equal(chunks[1]?.query.get('_state'), 'a==', 'without a new location the old one stays');
  const last = registry.requests.at(-1);
  t.match(last, { method: 'PUT', path: `${uploads}1`, body: { length: 0 } });
  t.same([last?.query.get('_state'), last?.query.get('digest')], ['b', sha256(bytes)]);
  t.same(records, []);

  registry.route('GET', `/v2/${REPOSITORY}/blobs/${sha256(bytes)}`, { headers: { 'content-length': '0' } });
  const before = registry.count('POST');
  await client.pushBlob(at(registry), bytes, sha256(bytes));
  t.equal(registry.count('POST'), before, 'what is there is not sent again');
});

test('FIX: the answer to the last PUT of a blob needs no Location', async (t) => {
  const registry = await serve(t);
  const uploads = `/v2/${REPOSITORY}/blobs/uploads/`;
  registry.route('POST', uploads, { status: 202, headers: { location: 'x' } });
  registry.route('PATCH', `${uploads}x`, { status: 202 });
  registry.route('PUT', `${uploads}x`, { status: 201 });
  const { client, records } = open(t, { insecure: [registry.host] });
  await client.pushBlob(at(registry), Buffer.from('{}'), sha256('{}'));
  t.equal(registry.requests.at(-1)?.method, 'PUT');
  t.equal(records.length, 2, 'a push logs the failed steps of the ladder');
  t.match(records[0], { message: 'operation failed' });
});

test('a registry that takes no chunks gets the blob in one piece', async (t) => {
  const registry = await serve(t);
  const storage = await serve(t);
  const uploads = `/v2/${REPOSITORY}/blobs/uploads/`;
  registry.route('POST', uploads, (_request, calls) => ({
    status: 202,
    headers: { location: calls % 2 === 0 ? `${uploads}x` : `${storage.url}/bucket?sig=1` },
  }));
  storage.route('PUT', '/bucket', { status: 201 });
  const { client } = open(t, {
    insecure: [registry.host, storage.host],
    credentials: { [registry.host]: { kind: 'basic', username: 'a', password: 'b' } },
  });
  for (const status of [201, 404, 405, 416, 501]) {
    registry.route('PATCH', `${uploads}x`, { status });
    await client.pushBlob(at(registry), Buffer.from('wasm'), sha256('wasm'));
    const put = storage.requests.at(-1);
    t.equal(put?.body.toString(), 'wasm', String(status));
    t.equal(put?.query.get('digest'), sha256('wasm'));
    t.equal(put?.headers.authorization, undefined, 'storage sees no credential');
  }
  registry.route('PATCH', `${uploads}x`, { status: 413, body: { errors: [{ message: 'too big' }] } });
  const pushing = (): Promise<void> => client.pushBlob(at(registry), Buffer.from('wasm'), sha256('wasm'));
  await t.rejects(pushing(), { code: 'push-refused', status: 413, message: /OCI API error: too big/ });
  registry.route('POST', uploads, { status: 202 });
  await t.rejects(pushing(), { code: 'push-refused', message: /Registry did not return a location header/ });
  registry.route('POST', uploads, { status: 403, body: { errors: [{ message: 'read only' }] } });
  await t.rejects(pushing(), { code: 'not-authorized', message: /read only/ });
  registry.route('POST', uploads, { status: 500 });
  await t.rejects(pushing(), { code: 'registry-refused' });
});

test('a manifest is kept under the digest of its bytes, or not at all', async (t) => {
  const registry = await serve(t);
  const bytes = Buffer.from(JSON.stringify(MANIFEST));
  const path = `/v2/${REPOSITORY}/manifests/v1`;
  const { client } = open(t, { insecure: [registry.host] });
  const push = (): Promise<string> => client.pushManifest(at(registry), bytes, OCI_MANIFEST);
  const answer = (headers: Record<string, string>): void => registry.route('PUT', path, { status: 201, headers });
  answer({});
  t.equal(await push(), sha256(bytes), 'FIX: without a Location the digest is that of the bytes');
  t.match(registry.requests.at(-1), { body: bytes, headers: { 'content-type': OCI_MANIFEST } });
  answer({ location: `/v2/${REPOSITORY}/manifests/${sha256(bytes)}` });
  t.equal(await push(), sha256(bytes));
  answer({ location: path });
  t.equal(await push(), sha256(bytes), 'a Location with the tag says nothing');
  const sha512 = `sha512:${createHash('sha512').update(bytes).digest('hex')}`;
  answer({ location: `https://cdn.test/v2/x/manifests/${sha512}` });
  t.equal(await push(), sha512);
  answer({ location: `/v2/${REPOSITORY}/manifests/${UNKNOWN_DIGEST}` });
  await t.rejects(push(), { code: 'push-refused', message: /keeps another manifest than was pushed/ });
  answer({ 'docker-content-digest': UNKNOWN_DIGEST });
  await t.rejects(push(), { code: 'push-refused' });
  registry.route('PUT', path, { status: 400, body: { errors: [{ code: 'MANIFEST_INVALID', message: 'bad layer' }] } });
  await t.rejects(push(), { code: 'push-refused', message: /OCI API error: bad layer/ });
  await t.rejects(client.pushManifest(at(registry, { digest: UNKNOWN_DIGEST }), bytes, OCI_MANIFEST), {
    code: 'push-refused',
  });
  t.equal(registry.requests.at(-1)?.path, `/v2/${REPOSITORY}/manifests/${UNKNOWN_DIGEST}`, 'as it was asked for');
});
