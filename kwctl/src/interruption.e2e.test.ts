import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { OCI_MANIFEST, policyModule, ProgrammableRegistry, WASM_CONFIG, WASM_LAYER } from '@portcullis/testkit';
import { test } from 'tap';
import { KWCTL, kwctl } from './test/kwctl-process.ts';

const MODULE = await policyModule({ label: 'slow', paddingBytes: 400_000 });

/** A registry that is in no hurry: the first time, it sends the half and nothing more. */
function serveSlowly(registry: ProgrammableRegistry): void {
  const config = Buffer.from('{}');
  const digest = registry.serveBlob('acme/p', MODULE);
  const manifest = {
    schemaVersion: 2,
    config: { mediaType: WASM_CONFIG, digest: registry.serveBlob('acme/p', config), size: config.length },
    layers: [{ mediaType: WASM_LAYER, digest, size: MODULE.length }],
  };
  registry.serveManifest('acme/p', manifest, OCI_MANIFEST, ['v1']);
  registry.route('GET', `/v2/acme/p/blobs/${digest}`, ({ headers }) =>
    headers.range === undefined ? { body: half() } : undefined,
  );
}

async function* half(): AsyncGenerator<Uint8Array> {
  yield MODULE.subarray(0, MODULE.length / 2);
  await sleep(20_000, undefined, { ref: false });
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  test(`a pull that ${signal} ends leaves nothing where the policy was to come, and ends by the signal`, async (t) => {
    await using registry = await ProgrammableRegistry.start();
    serveSlowly(registry);
    const cwd = t.testdir({
      out: {},
      '.config': { kubewarden: { 'sources.yaml': JSON.stringify({ insecure_sources: [registry.host] }) } },
    });
    const uri = `${registry.host}/acme/p:v1`;
    const child = spawn(process.execPath, [KWCTL, 'pull', '-o', 'out/p.wasm', uri], {
      cwd,
      env: { PATH: process.env['PATH'] ?? '', HOME: cwd, XDG_CACHE_HOME: join(cwd, 'cache') },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const ended = new Promise((resolve) => child.on('close', (code, by) => resolve([code, by])));
    while (readdirSync(join(cwd, 'out')).length === 0 && child.exitCode === null) await sleep(10);
    child.kill(signal);
    t.same(await ended, [null, signal], stderr);
    t.equal(stderr, '');
    t.same(readdirSync(join(cwd, 'out')), []);
  });
}

test('a save that is interrupted leaves nothing', async (t) => {
  const cwd = t.testdir({ out: {} });
  const folder = join(cwd, 'cache/kubewarden/store/registry/ghcr.io/acme');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'large:v1'), '');
  truncateSync(join(folder, 'large:v1'), 2 ** 31);
  const child = spawn(process.execPath, [KWCTL, 'save', '-o', 'out/saved.tar.gz', 'registry://ghcr.io/acme/large:v1'], {
    cwd,
    env: { PATH: process.env['PATH'] ?? '', HOME: cwd, XDG_CACHE_HOME: join(cwd, 'cache') },
    stdio: 'ignore',
  });
  const ended = new Promise((resolve) => child.on('close', (code, by) => resolve([code, by])));
  while (readdirSync(join(cwd, 'out')).length === 0 && child.exitCode === null) await sleep(10);
  child.kill('SIGINT');
  t.same(await ended, [null, 'SIGINT']);
  t.same(readdirSync(join(cwd, 'out')), []);
});

test('a pull into the store that is interrupted keeps what came for the next', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  serveSlowly(registry);
  const cwd = t.testdir({});
  mkdirSync(join(cwd, '.config/kubewarden'), { recursive: true });
  writeFileSync(join(cwd, '.config/kubewarden/sources.yaml'), JSON.stringify({ insecure_sources: [registry.host] }));
  const uri = `${registry.host}/acme/p:v1`;
  const child = spawn(process.execPath, [KWCTL, 'pull', uri], {
    cwd,
    env: { PATH: process.env['PATH'] ?? '', HOME: cwd, XDG_CACHE_HOME: join(cwd, 'cache') },
    stdio: 'ignore',
  });
  const ended = new Promise((resolve) => child.on('close', resolve));
  const drafts = join(cwd, 'cache/kubewarden/store/.policy-drafts');
  while (!existsSync(drafts) && child.exitCode === null) await sleep(10);
  await sleep(200);
  child.kill('SIGINT');
  await ended;
  const file = join(cwd, 'cache/kubewarden/store/registry', registry.host, 'acme/p:v1');
  t.notOk(existsSync(file));
  t.same(await kwctl(['pull', uri], { cwd }), { code: 0, stdout: '', stderr: '' });
  t.ok(readFileSync(file).equals(MODULE));
  t.match(registry.requests.at(-1)?.headers.range, /^bytes=[1-9]/, 'the rest was asked for');
});
