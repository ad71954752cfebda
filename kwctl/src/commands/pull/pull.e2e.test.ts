import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  createAuthority,
  createServerCertificate,
  missingTool,
  OCI_MANIFEST,
  policyModule,
  ProgrammableRegistry,
  pushPolicyModule,
  randomFrom,
  registryTools,
  startRegistry,
  startTamperingProxy,
  WASM_CONFIG,
  WASM_LAYER,
  type RegistryOptions,
} from '@portcullis/testkit';
import { test } from 'tap';
import { kwctlHere } from '../../test/kwctl-here.ts';
import { KWCTL, kwctl, type Outcome } from '../../test/kwctl-process.ts';
import { kwctlOnTerminal, skipTerminal } from '../../test/kwctl-terminal.ts';

const V1 = await policyModule({ label: 'v1', paddingBytes: 400_000 });
const V2 = await policyModule({ label: 'v2', paddingBytes: 400_000 });
const NOTHING: Outcome = { code: 0, stdout: '', stderr: '' };

/** A home whose sources allow plain HTTP with these hosts. */
function home(t: { testdir(fixture: Record<string, string>): string }, ...hosts: string[]): string {
  const cwd = t.testdir({});
  mkdirSync(join(cwd, '.config/kubewarden'), { recursive: true });
  writeFileSync(join(cwd, '.config/kubewarden/sources.yaml'), JSON.stringify({ insecure_sources: hosts }));
  return cwd;
}

function store(cwd: string, ...names: string[]): string {
  return join(cwd, 'cache/kubewarden/store', ...names);
}

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const all = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return all.filter((path) => statSync(join(folder, path)).isFile()).sort();
}

function serve(registry: ProgrammableRegistry, tag: string, bytes: Uint8Array): string {
  const config = Buffer.from('{}');
  const digest = registry.serveBlob('acme/p', bytes);
  const manifest = {
    schemaVersion: 2,
    config: { mediaType: WASM_CONFIG, digest: registry.serveBlob('acme/p', config), size: config.length },
    layers: [{ mediaType: WASM_LAYER, digest, size: bytes.length }],
  };
  registry.serveManifest('acme/p', manifest, OCI_MANIFEST, [tag]);
  return `/v2/acme/p/blobs/${digest}`;
}

const PLAIN: RegistryOptions = { referrers: true };
const DISTRIBUTION: RegistryOptions = { referrers: false, program: 'distribution' };
const authority = await createAuthority('registry');
const SECURED: RegistryOptions = {
  referrers: false,
  tls: await createServerCertificate(authority),
  authority: authority.cert,
  basicAuth: { user: 'ci', password: 's3cret' },
};

for (const [name, options] of [
  ['plain HTTP', PLAIN],
  ['the CNCF registry', DISTRIBUTION],
  ['TLS of an own authority, and a password', SECURED],
] as const) {
  const skip = await missingTool(...registryTools(options));
  test(`pull brings a policy to the store and says nothing: ${name}`, { skip }, async (t) => {
    await using registry = await startRegistry(options);
    await pushPolicyModule(registry, 'acme/p', V1, 'v1');
    const { digest } = await pushPolicyModule(registry, 'acme/p', V2, 'latest');
    const cwd = home(t);
    const isPlain = options.tls === undefined;
    const sources = isPlain
      ? { insecure_sources: [registry.host] }
      : { source_authorities: { [registry.host]: [{ type: 'Data', data: authority.cert }] } };
    writeFileSync(join(cwd, '.config/kubewarden/sources.yaml'), JSON.stringify(sources));
    mkdirSync(join(cwd, '.docker'));
    const auths = { [registry.host]: { auth: Buffer.from('ci:s3cret').toString('base64') } };
    writeFileSync(join(cwd, '.docker/config.json'), JSON.stringify({ auths: isPlain ? {} : auths }));
    for (const uri of [
      `registry://${registry.host}/acme/p:v1`,
      `${registry.host}/acme/p`,
      ` ${registry.host}/acme/p@${digest} `,
    ]) {
      t.same(await kwctlHere(cwd, ['pull', uri]), NOTHING, uri);
    }
    const below = `registry/${registry.host}/acme`;
    t.same(filesBelow(store(cwd)), [`${below}/p:latest`, `${below}/p:v1`, `${below}/p@${digest}`]);
    t.ok(readFileSync(store(cwd, below, 'p:v1')).equals(V1));
    t.same(await kwctlHere(cwd, ['pull', '-o', join(cwd, 'out.wasm'), `${registry.host}/acme/p`]), NOTHING);
    t.ok(readFileSync(join(cwd, 'out.wasm')).equals(V2));
    t.same(await kwctlHere(cwd, ['pull', `file://${join(cwd, 'out.wasm')}`]), NOTHING);
  });
}

test('pull says what went wrong, in one line, and leaves nothing', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  serve(registry, 'v1', V1);
  registry.route('GET', '/p.wasm', { status: 404, headers: { 'content-type': 'text/html' }, body: '<html></html>' });
  await using proxy = await startTamperingProxy(registry, { tampers: [{ kind: 'flip-byte', path: /\/blobs\// }] });
  const cwd = home(t, registry.host, proxy.host);
  for (const [uri, message] of [
    [
      `${registry.host}/acme/none:v1`,
      /^Error: Fail to interact with OCI registry: Registry error: url http:.*, envelope: OCI API errors: \[OCI API error: /,
    ],
    [`${proxy.host}/acme/p:v1`, /^Error: .*expected sha256:.*, got sha256:/],
    [`http://${registry.host}/p.wasm`, /^Error: cannot fetch http:.*code: 404/],
    [
      '127.0.0.1:1/acme/p:v1',
      /^Error: Fail to interact with OCI registry: error sending request for url \(https:\/\/127\.0\.0\.1:1\//,
    ],
    ['file:///nope.wasm', /^Error: cannot read '\/nope\.wasm': No such file or directory \(os error 2\)/],
    ['ftp://h/p', /^Error: unknown scheme: ftp/],
    ['http://', /^Error: empty host/],
    [':::', /^Error: empty host/],
    ['./x.wasm', /^Error: Invalid OCI image reference: invalid reference format/],
    ['', /^Error: Invalid OCI image reference: repository name must have at least one component/],
  ] as const) {
    const { code, stdout, stderr } = await kwctlHere(cwd, ['pull', uri]);
    t.same([code, stdout], [1, ''], uri);
    t.match(stderr, message, uri);
    t.equal(stderr.trimEnd().split('\n').length, 1, uri);
    t.notOk(existsSync(store(cwd)), `FIX: no empty folders after ${uri}`);
  }
  const missing = await kwctlHere(cwd, ['pull', '-o', '/none/p.wasm', `${registry.host}/acme/p:v1`]);
  t.equal(
    missing.stderr,
    'Error: wasm module cannot be save to "/none/p.wasm": No such file or directory (os error 2)\n',
  );
});

test(
  'on a terminal a pull shows what it does, and errors begin on a line of their own',
  { skip: skipTerminal },
  async (t) => {
    await using registry = await ProgrammableRegistry.start();
    const blob = serve(registry, 'v1', V1);
    registry.route('GET', blob, {
      body: (async function* slowly(): AsyncGenerator<Uint8Array> {
        yield V1.subarray(0, 200_000);
        await sleep(400);
        yield V1.subarray(200_000);
      })(),
    });
    const cwd = home(t, registry.host);
    const onTerminal = (uri: string, env: Record<string, string> = {}): Promise<string> =>
      kwctlOnTerminal(['pull', uri], { cwd, env, columns: 100 });
    const uri = `registry://${registry.host}/acme/p:v1`;
    const good = await onTerminal(uri);
    t.match(good, `⠁ Pulling policy from ${uri}`);
    t.match(good, / 200 kB\/40\d\.\d+ kB/);
    t.ok(good.endsWith(`\r\u001b[KSuccessfully pulled policy from ${uri}\r\n`), good);
    const bad = await onTerminal(`registry://${registry.host}/acme/none:v1`);
    t.ok(bad.includes('\r\u001b[KFailed to pull policy: Fail to interact with OCI registry: '), bad);
    t.match(bad, /\r\nError: Fail to interact with OCI registry: /);
    const dumb = await onTerminal(`registry://${registry.host}/acme/none:v1`, { TERM: 'dumb' });
    t.match(dumb, /^Error: Fail to interact with OCI registry: /, 'a terminal that cannot go back in a line');
  },
);

test('six processes that pull the same at the same time all get it, and nobody sees half of it', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  const blob = serve(registry, 'latest', V1);
  registry.route('GET', blob, () => ({ body: drip(V1, 20) }));
  const cwd = home(t, registry.host);
  const file = store(cwd, 'registry', registry.host, 'acme/p:latest');
  let isDone = false;
  const pulling = Promise.all(Array.from({ length: 6 }, () => kwctl(['pull', `${registry.host}/acme/p`], { cwd })));
  void pulling.then(() => (isDone = true));
  while (!isDone) {
    if (existsSync(file) && !readFileSync(file).equals(V1)) t.fail('half a policy');
    await sleep(20);
  }
  const outcomes = await pulling;
  t.same(
    outcomes,
    Array.from({ length: 6 }, () => NOTHING),
  );
  t.ok(readFileSync(file).equals(V1));
  t.same(filesBelow(store(cwd)), [`registry/${registry.host}/acme/p:latest`], 'no drafts are left');
});

async function* drip(bytes: Uint8Array, pauseMs: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 40_000) {
    yield bytes.subarray(at, at + 40_000);
    await sleep(pauseMs);
  }
}

test('a pull that is killed leaves no half policy, and the next goes on where it was', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  const blob = serve(registry, 'v1', V1);
  const ranges: (string | undefined)[] = [];
  registry.route('GET', blob, ({ headers }) => {
    ranges.push(headers.range);
    const start = Number(/^bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0);
    if (start === 0) return { body: drip(V1, 30) };
    const part = V1.subarray(start);
    return {
      status: 206,
      headers: { 'content-range': `bytes ${start}-${V1.length - 1}/${V1.length}` },
      body: drip(part, 30),
    };
  });
  const cwd = home(t, registry.host);
  const uri = `${registry.host}/acme/p:v1`;
  const file = store(cwd, 'registry', registry.host, 'acme/p:v1');
  const random = randomFrom(3);
  for (let round = 0; round < 5; round++) {
    const asked = ranges.length;
    const child = spawn(process.execPath, [KWCTL, 'pull', uri], {
      cwd,
      env: { PATH: process.env['PATH'] ?? '', HOME: cwd, XDG_CACHE_HOME: join(cwd, 'cache') },
      stdio: 'ignore',
    });
    const ended = new Promise((resolve) => child.on('exit', resolve));
    while (ranges.length === asked && child.exitCode === null) await sleep(5);
    await sleep(20 + random(150));
    child.kill('SIGKILL');
    await ended;
    if (existsSync(file)) t.ok(readFileSync(file).equals(V1), 'what is there is whole');
    t.equal((await kwctlHere(cwd, ['policies'])).code, 0);
  }
  t.same(await kwctl(['pull', uri], { cwd }), NOTHING);
  t.ok(readFileSync(file).equals(V1));
  t.ok(
    ranges.some((range) => range !== undefined),
    'what had come was not asked for again',
  );
  t.same(filesBelow(store(cwd)), [`registry/${registry.host}/acme/p:v1`]);
});
