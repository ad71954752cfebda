import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  createCosignKeys,
  guestModule,
  missingTool,
  policyModule,
  ProgrammableRegistry,
  pushPolicyModule,
  signWithKey,
  startRegistry,
  startTamperingProxy,
} from '@portcullis/testkit';
import { test, type Test } from 'tap';
import type { Environment } from '../../environment.ts';
import { downloadDisplay } from '../../output/download-display.ts';
import { kwctlHere } from '../../test/kwctl-here.ts';
import { kwctl, line, REVIEW, type Outcome } from '../../test/kwctl-process.ts';

const skip = await missingTool('cosign', 'registry-referrers');
const YES = await policyModule({ label: 'yes' });
const NO = await policyModule({ rejectWith: 'not today' });
const DENIED = line(false, ',"status":{"message":"not today"}');

interface Folder {
  readonly cwd: string;
  readonly run: (...words: string[]) => Promise<Outcome>;
}

function folder(t: Test, ...insecure: readonly string[]): Folder {
  const cwd = t.testdir({
    'sources.yml': JSON.stringify({ insecure_sources: insecure }),
    'review.json': Buffer.from(REVIEW),
  });
  const run = (...words: string[]): Promise<Outcome> =>
    kwctlHere(cwd, ['run', '--sources-path', join(cwd, 'sources.yml'), '-r', join(cwd, 'review.json'), ...words]);
  return { cwd, run };
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

test('run: references, with and without scheme, then from the store without network', { skip }, async (t) => {
  const registry = await startRegistry({ referrers: true });
  await using proxy = await startTamperingProxy(registry);
  const { cwd, run } = folder(t, proxy.host);
  await pushPolicyModule(registry, 'acme/yes', YES, 'v1');
  await pushPolicyModule(registry, 'acme/no', NO, 'v1');
  await pushPolicyModule(registry, 'acme/no', NO, 'latest');
  t.same(await run(`registry://${proxy.host}/acme/yes:v1`), { code: 0, stdout: line(true), stderr: '' });
  t.same(await run(`${proxy.host}/acme/no:v1`), { code: 0, stdout: DENIED, stderr: '' }, 'without its scheme');
  t.same(await run(`registry://${proxy.host}/acme/no`), { code: 0, stdout: DENIED, stderr: '' }, 'latest');
  await registry[Symbol.asyncDispose]();
  t.same(await run(`registry://${proxy.host}/acme/yes:v1`), { code: 0, stdout: line(true), stderr: '' }, 'stored');
  const stale = await run(`registry://${proxy.host}/acme/no`);
  t.match(stale, { code: 0, stdout: DENIED, stderr: /WARN .*registry cannot be asked for a newer policy/ });
  t.same(await run(sha256(YES).slice(0, 12)), { code: 0, stdout: line(true), stderr: '' }, 'by its SHA-256');
  const ambiguous = await run(sha256(NO).slice(0, 12));
  t.same(ambiguous, {
    code: 1,
    stdout: '',
    stderr: `Error: multiple policies found with the same prefix: ${sha256(NO).slice(0, 12)}\n`,
  });
  t.match(await run(`registry://${proxy.host}/acme/none:v1`), { code: 1, stdout: '', stderr: /^Error: / });
  t.ok(readdirSync(join(cwd, 'cache/kubewarden/store/registry')).includes(proxy.host));
});

test('run of :latest via a SHA prefix uses the stored bytes', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  const { cwd, run } = folder(t, registry.host);
  const store = join(cwd, 'cache/kubewarden/store/registry', registry.host, 'acme');
  mkdirSync(store, { recursive: true });
  writeFileSync(join(store, 'yes:latest'), YES);
  t.same(await run(sha256(YES).slice(0, 8)), { code: 0, stdout: line(true), stderr: '' });
  t.same(registry.requests, [], 'nobody was asked');
});

test('run verifies first, and runs nothing that is not signed as asked', { skip }, async (t) => {
  await using registry = await startRegistry({ referrers: true });
  const { cwd, run } = folder(t, registry.host);
  await createCosignKeys(cwd, { name: 'bob' });
  const alice = await createCosignKeys(cwd, { name: 'alice' });
  const signed = await pushPolicyModule(registry, 'acme/yes', YES);
  await signWithKey({ reference: signed.immutableReference, key: alice, format: 'bundle' });
  await pushPolicyModule(registry, 'acme/no', NO);
  const uri = `registry://${registry.host}/acme/yes:v1`;
  const good = await run('-k', join(cwd, 'alice.pub'), uri);
  t.match(good, { code: 0, stdout: line(true), stderr: /INFO kwctl::verify: Policy successfully verified\n/ });
  t.notMatch(good.stderr, /patch|trust root/i);
  const bad = await run('-k', join(cwd, 'bob.pub'), uri);
  t.match(bad, { code: 1, stdout: '' });
  t.match(bad.stderr, `Error: Policy ${uri} cannot be validated\nImage verification failed: missing signatures\n`);
  const both = { apiVersion: 'policies.kubewarden.io/v1', kind: 'ClusterAdmissionPolicy' };
  const policies = [uri, `registry://${registry.host}/acme/no:v1`].map((module, index) =>
    JSON.stringify({ ...both, metadata: { name: `p${index}` }, spec: { module } }),
  );
  writeFileSync(join(cwd, 'policies.yaml'), policies.join('\n---\n'));
  const unsigned = await run('-k', join(cwd, 'alice.pub'), join(cwd, 'policies.yaml'));
  t.match(unsigned, { code: 1, stdout: '' }, 'not even the first of two runs');
  t.match(unsigned.stderr, /^Error: Policy registry:\/\/\S+\/acme\/no:v1 cannot be validated$/m);
  writeFileSync(join(cwd, 'cache/kubewarden/store/registry', registry.host, 'acme/yes:v1'), NO);
  const changed = await run('-k', join(cwd, 'alice.pub'), uri);
  t.match(changed, { code: 1, stdout: '', stderr: /The digest of the local file doesn't match/ });
});

test(
  'run: the default verification config does not break local files, and is not forgotten for others',
  { skip },
  async (t) => {
    await using registry = await startRegistry({ referrers: true });
    const { cwd, run } = folder(t, registry.host);
    await pushPolicyModule(registry, 'acme/yes', YES);
    writeFileSync(join(cwd, 'yes.wasm'), YES);
    mkdirSync(join(cwd, '.config/kubewarden'), { recursive: true });
    writeFileSync(
      join(cwd, '.config/kubewarden/verification-config.yml'),
      'apiVersion: v1\nallOf:\n- kind: githubAction\n  owner: kubewarden\n',
    );
    t.match(await run(join(cwd, 'yes.wasm')), {
      code: 0,
      stdout: line(true),
      stderr: /WARN .*A local file has no signatures/,
    });
    t.match(await run(`${registry.host}/acme/yes:v1`), { code: 1, stdout: '', stderr: /cannot be validated/ });
  },
);

test('run: YAML files whose modules are references, by path and by file:// URL', { skip }, async (t) => {
  await using registry = await startRegistry({ referrers: true });
  const { cwd, run } = folder(t, registry.host);
  await pushPolicyModule(registry, 'acme/yes', YES);
  await pushPolicyModule(registry, 'acme/no', NO);
  const [yes, no] = ['yes', 'no'].map((name) => `${registry.host}/acme/${name}:v1`);
  const path = join(cwd, 'policies.yml');
  writeFileSync(
    path,
    `
apiVersion: policies.kubewarden.io/v1
kind: ClusterAdmissionPolicy
metadata: { name: first }
spec: { module: "registry://${yes}" }
---
apiVersion: policies.kubewarden.io/v1
kind: AdmissionPolicyGroup
metadata: { name: both }
spec:
  message: one of them
  expression: yes() && no()
  policies:
    yes: { module: ${yes} }
    no: { module: ${no} }
`,
  );
  const message =
    ',"status":{"message":"one of them","details":{"causes":[{"reason":null,"message":"not today","field":"spec.policies.no"}]}}';
  for (const uri of [path, pathToFileURL(path).href]) {
    const outcome = await run(uri);
    t.match(outcome, { code: 0, stdout: line(true) + line(false, message), stderr: /Multiple policies defined/ }, uri);
  }
});

test('policies that ask about images are answered with the sources of the command line', { skip }, async (t) => {
  await using registry = await startRegistry({ referrers: true });
  const { cwd, run } = folder(t, registry.host);
  const { digest } = await pushPolicyModule(registry, 'acme/yes', YES);
  writeFileSync(join(cwd, 'asking.wasm'), await guestModule('wapc-rust'));
  const settings = (image: string): string =>
    JSON.stringify({
      behaviour: 'host-call',
      namespace: 'oci',
      operation: 'v1/manifest_digest',
      payload: JSON.stringify(image),
    });
  const ask = (image: string, ...more: string[]): Promise<Outcome> =>
    run('--settings-json', settings(image), ...more, join(cwd, 'asking.wasm'));
  const answered = await ask(`${registry.host}/acme/yes:v1`);
  t.match(answered, { code: 0 });
  t.match(answered.stdout, `{\\"digest\\":\\"${digest}\\"}`);
  const session = ['--record-host-capabilities-interactions', join(cwd, 'session.yml')];
  t.equal((await ask(`${registry.host}/acme/yes:v1`, ...session)).stdout, answered.stdout);
  await registry[Symbol.asyncDispose]();
  const replayed = await ask(
    `${registry.host}/acme/yes:v1`,
    '--replay-host-capabilities-interactions',
    join(cwd, 'session.yml'),
  );
  t.equal(replayed.stdout, answered.stdout, 'a recorded session asks nobody');
  const denied = await ask('localhost:1/a:v1', '--allowed-host-capabilities', 'net/*', '-e', 'kubewarden');
  t.match(denied.stdout, /has not been granted access/);
});

test('a download is shown on a terminal once it begins, and in a pipe never', async (t) => {
  const shownOn = async (
    isStderrTerminal: boolean,
    bytes: readonly number[],
    end: Promise<unknown>,
  ): Promise<string> => {
    let text = '';
    const environment: Environment = {
      env: {},
      home: '/',
      stdin: process.stdin,
      write: () => {},
      writeError: (part) => void (text += part),
      terminal: { stdoutColumns: undefined, isStderrTerminal },
      now: () => new Date(),
    };
    const display = downloadDisplay('registry://a/b:v1', environment);
    for (const receivedBytes of bytes) display.onProgress({ receivedBytes, totalBytes: 10 });
    await display.until(end);
    return text;
  };
  const done = Promise.resolve();
  t.match(await shownOn(true, [5, 10], done), /Pulling policy from registry:\/\/a\/b:v1[^]*Successfully pulled policy/);
  t.match(await shownOn(true, [5], Promise.reject(new Error('gone'))), /Failed to pull policy: gone\n$/);
  t.equal(await shownOn(true, [], done), '', 'stored already');
  t.equal(await shownOn(false, [5, 10], done), '', 'a pipe');
});

test('a local file loads nothing of what reaches registries', async (t) => {
  const { cwd } = folder(t);
  writeFileSync(join(cwd, 'yes.wasm'), YES);
  writeFileSync(
    join(cwd, 'hook.mjs'),
    `import { registerHooks } from 'node:module';
     registerHooks({ load(url, context, next) { process.stderr.write(url + '\\n'); return next(url, context); } });`,
  );
  const env = { NODE_OPTIONS: `--import ${pathToFileURL(join(cwd, 'hook.mjs')).href}` };
  const { stdout, stderr } = await kwctl(['run', '-r', 'review.json', 'yes.wasm'], { cwd, env });
  t.equal(stdout, line(true));
  t.match(stderr, /artifact\/src\/load\.ts\n/);
  t.notMatch(
    stderr,
    /node_modules\/\S*(undici|sigstore|tuf-js)|capabilities\/src\/(crypto|oci)|artifact\/src\/(registry\/(transport|client)|fetch|push|credentials\/docker|verify\/verifier)/,
  );
});
