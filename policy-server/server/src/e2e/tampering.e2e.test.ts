import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  basicAuthorization,
  missingTool,
  policyModule,
  ProgrammableRegistry,
  pushPolicyModule,
  registryTools,
  startRegistry,
  startTamperingProxy,
  type Damage,
  type TamperingProxy,
  type TestRegistry,
} from '@portcullis/testkit';
import pLimit from 'p-limit';
import { test, type Test } from 'tap';
import { filesIn } from '../test/served-policy.ts';
import { documentFile, startProcess } from '../test/server-process.ts';
import { folder, moduleFile, review, start } from '../test/test-server.ts';

const KWCTL = join(import.meta.dirname, '../../../../kwctl/bin/kwctl.js');
const AUTH = { user: 'puller', password: 'correct horse battery' };
const REGISTRY = { referrers: false, basicAuth: AUTH } as const;
const skip = await missingTool(...registryTools(REGISTRY));
const MIB = 2 ** 20;

interface Case {
  readonly damage: Damage;
  /** What is damaged. @default 'blobs' */
  readonly of?: 'blobs' | 'manifests';
  readonly text: RegExp;
  /** Found out by waiting: only where a test can say how long. */
  readonly isSlow?: boolean;
}

/** A whole module, which another one was promised to be. */
const OTHER = await policyModule({ label: 'other' });

const CASES: Readonly<Record<string, Case>> = {
  flipped: {
    damage: { kind: 'flip-byte' },
    text: /is not the one its manifest names – expected sha256:[0-9a-f]{64}, got sha256:[0-9a-f]{64}; nothing was kept/,
  },
  replaced: { damage: { kind: 'replace', body: OTHER }, text: /it ended after \d+ of \d+ bytes|is not the one/ },
  truncated: { damage: { kind: 'truncate', bytes: 1000 }, text: /it ended after 1000 of \d{6} bytes – try again/ },
  cut: { damage: { kind: 'cut', bytes: 1000 }, text: /the connection broke/ },
  dropped: { damage: { kind: 'drop' }, text: /error sending request for url \(http:/ },
  'digest-header': {
    damage: { kind: 'digest-header', digest: `sha256:${'0'.repeat(64)}` },
    of: 'manifests',
    text: /expected sha256:0{64}, got sha256:[0-9a-f]{64}/,
  },
  'flipped-manifest': { damage: { kind: 'flip-byte' }, of: 'manifests', text: /expected sha256:|not JSON|expected/ },
  limited: { damage: { kind: 'status', status: 429 }, text: /code: 429, .* – try again later/ },
  'limited-long': {
    damage: { kind: 'status', status: 429, headers: { 'retry-after': '3600' } },
    text: /code: 429, .* – the server asks to wait 3600 s; try again then/,
  },
  'limited-for-ever': { damage: { kind: 'status', status: 429, headers: { 'retry-after': '0' } }, text: /code: 429, / },
  failing: { damage: { kind: 'status', status: 500, body: 'oops' }, text: /code: 500, message: oops/ },
  page: { damage: { kind: 'html' }, text: /got a web page|a web page/ },
  'page-manifest': { damage: { kind: 'html' }, of: 'manifests', text: /a web page|not JSON|expected/ },
  'failing-page': { damage: { kind: 'html', status: 502 }, text: /code: 502, message: the answer is a web page/ },
  endless: { damage: { kind: 'endless' }, text: /is longer than the \d+ bytes the manifest announces/ },
  'endless-declared': { damage: { kind: 'endless', declared: true }, text: /is longer than the \d+ bytes/ },
  'endless-manifest': { damage: { kind: 'endless' }, of: 'manifests', text: /more than|larger|longer/ },
  drip: { damage: { kind: 'slow-drip', bytesPerSecond: 2000 }, text: /less than 50000 bytes came in/, isSlow: true },
  stall: { damage: { kind: 'stall', bytes: 1000 }, text: /nothing came for 400 ms/, isSlow: true },
  silent: { damage: { kind: 'stall' }, text: /no answer within 400 ms/, isSlow: true },
  'silent-manifest': { damage: { kind: 'stall' }, of: 'manifests', text: /no answer within 400 ms/, isSlow: true },
};
const FAST = Object.entries(CASES).filter(([, { isSlow }]) => isSlow !== true);

interface Scene {
  readonly registry: TestRegistry;
  readonly proxy: TamperingProxy;
  readonly elsewhere: ProgrammableRegistry;
  readonly sources: string;
  readonly docker: string;
}

/** One repository for each case, damaged on its way; credentials for the proxy and for nobody else. */
async function scene(t: Test): Promise<Scene> {
  const registry = await startRegistry(REGISTRY);
  const elsewhere = await ProgrammableRegistry.start();
  for (const name of [...Object.keys(CASES), 'redirected', 'sound']) {
    const bytes = await policyModule({ label: name, rejectWith: name, paddingBytes: 150_000 });
    await pushPolicyModule(registry, name, bytes);
  }
  const tampers = Object.entries(CASES).map(([name, { damage, of = 'blobs' }]) => {
    return { ...damage, path: new RegExp(`^/v2/${name}/${of}/(?!sha256:44136fa355b3)`) };
  });
  const redirect = { kind: 'redirect', location: elsewhere.url, path: /^\/v2\/redirected\/blobs/ } as const;
  const proxy = await startTamperingProxy(registry, { tampers: [...tampers, redirect] });
  for (const part of [proxy, elsewhere, registry]) t.teardown(() => part[Symbol.asyncDispose]());
  const docker = join(folder, `docker-${proxy.host}`);
  await mkdir(docker);
  const auth = Buffer.from(`${AUTH.user}:${AUTH.password}`).toString('base64');
  await writeFile(join(docker, 'config.json'), JSON.stringify({ auths: { [proxy.host]: { auth } } }));
  return { registry, proxy, elsewhere, docker, sources: await documentFile({ insecure_sources: [proxy.host] }) };
}

function flagsOf({ sources, docker }: Scene, store: string): string[] {
  return [
    `--sources-path=${sources}`,
    `--docker-config-json-path=${docker}`,
    `--policies-download-dir=${store}`,
    '--continue-on-errors',
    '--log-level=trace',
  ];
}

test('tampering: each damage has its clear text, and nothing of it is stored', { skip }, async (t) => {
  const given = await scene(t);
  const { proxy, elsewhere } = given;
  const names = [...Object.keys(CASES), 'redirected', 'sound'];
  const policies = Object.fromEntries(names.map((name) => [name, { module: `${proxy.host}/${name}:v1` }]));
  const store = join(folder, 'tampered');
  const limits = { idleTimeoutMs: 400, headersTimeoutMs: 400, rateWindowMs: 400, minBytesPerSecond: 50_000 };
  const since = performance.now();
  await using server = await start(policies, flagsOf(given, store), { transportLimits: limits });
  t.ok(performance.now() - since < 15_000, `up after ${Math.round(performance.now() - since)} ms`);
  for (const [name, { text }] of Object.entries(CASES)) {
    const { allowed, status } = await server.verdict(`/validate/${name}`);
    const message = status?.message ?? '';
    const begin = `bootstrap failure: ${name}: Error while downloading policy '${name}' from ${proxy.host}/${name}:v1: `;
    t.same([allowed, status?.code, message.slice(0, begin.length)], [false, 500, begin], name);
    t.match(message.slice(begin.length), text, name);
    t.notMatch(message, /<html|\n/i, `${name}: one line, no page`);
  }
  t.match((await server.verdict('/validate/redirected')).status?.message, / redirects to http:.*, which is plain HTTP/);
  t.equal(elsewhere.requests.length, 0, 'nobody else is asked');
  t.match(await server.verdict('/validate/sound'), { status: { message: /^sound$/ } });
  t.same(
    (await filesIn(store)).filter((path) => !path.startsWith('registry/127.0.0.1') || path.includes(':v1')),
    ['registry', `registry/${proxy.host}/sound:v1`],
    'neither a file nor a draft nor an empty folder',
  );
  const said = JSON.stringify([server.log.entries, server.server.policies]);
  for (const secret of [AUTH.password, basicAuthorization(AUTH).slice(6)]) t.notOk(said.includes(secret));
});

test('a redirect of a blob to a host that may be spoken to is followed without credentials', { skip }, async (t) => {
  const given = await scene(t);
  const { proxy, elsewhere, registry } = given;
  const bytes = await policyModule({ label: 'redirected', rejectWith: 'redirected', paddingBytes: 150_000 });
  elsewhere.serveBlob('redirected', bytes);
  elsewhere.serveBlob('redirected', Buffer.from('{}'));
  const sources = await documentFile({ insecure_sources: [proxy.host, elsewhere.host] });
  const store = join(folder, 'redirected');
  const policies = { p: { module: `${proxy.host}/redirected:v1` } };
  await using server = await start(policies, flagsOf({ ...given, sources }, store));
  t.match(await server.verdict('/validate/p'), { status: { message: /^redirected$/ } });
  t.ok(elsewhere.requests.length > 0);
  for (const { headers } of elsewhere.requests) {
    t.same([headers.authorization, headers.cookie], [undefined, undefined], 'credentials do not travel');
  }
  elsewhere.route('GET', /./, { status: 401, headers: { 'www-authenticate': 'Basic realm="give me"' } });
  const refused = await start(
    { q: { module: `${proxy.host}/redirected:v1` } },
    flagsOf({ ...given, sources }, `${store}2`),
  );
  t.match((await refused.verdict('/validate/q')).status?.message, /Not authorized: url http:/);
  await refused[Symbol.asyncDispose]();
  for (const { headers } of elsewhere.requests)
    t.equal(headers.authorization, undefined, 'nor when they are asked for');
  t.ok(registry);
});

test(
  'tampering with a process: its memory stays flat, its start is short, its log tells no secret',
  { skip },
  async (t) => {
    const given = await scene(t);
    const { proxy } = given;
    await using web = await ProgrammableRegistry.start();
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
      const piece = new Uint8Array(256 * 1024);
      for (let sent = 0; sent < 10e9; sent += piece.length) yield piece;
    }
    web.route('GET', '/endless.wasm', () => ({ body: endless() }));
    web.route('GET', '/declared.wasm', () => ({ headers: { 'content-length': '10000000000' }, body: endless() }));
    web.route('GET', '/page.wasm', { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>sign in' });
    web.route('GET', '/gone.wasm', { status: 404, headers: { 'content-type': 'text/html' }, body: '<html>gone' });
    const webCases = {
      endless: /has more bytes than the 268435456 a policy may have/,
      declared: /has 10000000000 bytes, more than the 268435456 a policy may have/,
      page: /expected a WebAssembly module from http:.*got a web page/,
      gone: /cannot fetch http:.*code: 404, message: the answer is a web page/,
    };
    const sound = { module: await moduleFile('sound.wasm', await policyModule()) };
    const policies: Record<string, object> = { sound };
    for (const [name] of FAST) policies[name] = { module: `${proxy.host}/${name}:v1` };
    for (const name of Object.keys(webCases)) {
      policies[`web-${name}`] = { module: `http://user:hunter2@${web.host}/${name}.wasm?key=s3cr3t` };
    }
    const sources = await documentFile({ insecure_sources: [proxy.host, web.host] });
    const store = join(folder, 'flat');
    await using plain = startProcess({ flags: [`--policies=${await documentFile({ sound })}`, '--workers=1'] });
    await plain.ready();
    const since = performance.now();
    const flags = [
      ...flagsOf({ ...given, sources }, store),
      `--policies=${await documentFile(policies)}`,
      '--workers=1',
    ];
    await using server = startProcess({ flags });
    const url = await server.ready();
    t.ok(performance.now() - since < 25_000, `up after ${Math.round(performance.now() - since)} ms`);
    const grown = (await server.peakBytes()) - (await plain.peakBytes());
    t.ok(grown < 100 * MIB, `at most ${Math.round(grown / MIB)} MiB more than without a network`);
    const said = async (id: string): Promise<string> => {
      const headers = { 'content-type': 'application/json' };
      return (await fetch(`${url}/validate/${id}`, { method: 'POST', headers, body: review() })).text();
    };
    for (const [name, { text }] of FAST) t.match(await said(name), text, name);
    for (const [name, text] of Object.entries(webCases)) t.match(await said(`web-${name}`), text, name);
    t.same(await filesIn(store), [], 'nothing is stored');
    const everything = server.output.stdout + server.output.stderr + (await said('web-gone'));
    t.match(everything, / TRACE | DEBUG /);
    for (const secret of [AUTH.password, basicAuthorization(AUTH).slice(6), 'hunter2', 's3cr3t', 'Authorization']) {
      t.notOk(everything.includes(secret), secret);
    }
  },
);

test('tampering: kwctl pull finds out the same, says so, and keeps nothing', { skip }, async (t) => {
  const { proxy, sources, docker, elsewhere } = await scene(t);
  const home = join(folder, 'kwctl');
  const env = { PATH: process.env['PATH'] ?? '', HOME: home, KWCTL_SOURCES: sources, DOCKER_CONFIG: docker };
  const pull = async (name: string): Promise<{ code: unknown; output: string }> => {
    const args = [KWCTL, '--verbose', 'pull', '--sources-path', sources, `registry://${proxy.host}/${name}:v1`];
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
    const [code] = await once(child, 'close');
    return { code, output };
  };
  const atOnce = pLimit(2);
  const pulls = FAST.map(([name, { text }]) =>
    atOnce(async () => {
      const { code, output } = await pull(name);
      t.equal(code, 1, name);
      t.match(output, text, name);
      t.notMatch(output, /<html|\n {4}at /i, `${name}: no page, no stack trace`);
      t.notOk(output.includes(AUTH.password), name);
    }),
  );
  await Promise.all(pulls);
  const redirected = await pull('redirected');
  t.match(redirected, { code: 1, output: / redirects to http:.*, which is plain HTTP and not in insecure_sources/ });
  t.equal(elsewhere.requests.length, 0);
  const kept = (await filesIn(home)).filter((path) => !path.startsWith('.cache/portcullis'));
  t.same(
    kept.filter((path) => path.includes(proxy.host)),
    [],
    'neither a file nor a draft',
  );
  t.match(await pull('sound'), { code: 0 });
});
