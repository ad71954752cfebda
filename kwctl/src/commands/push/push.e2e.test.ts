import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  callRegistry,
  guestModule,
  missingTool,
  OCI_MANIFEST,
  policyModule,
  registryTools,
  startRegistry,
  type RegistryOptions,
  type TestRegistry,
} from '@portcullis/testkit';
import { test } from 'tap';
import { kwctlHere } from '../../test/kwctl-here.ts';
import { withoutMetadata } from '../../test/kwctl-process.ts';

const PLAIN: RegistryOptions = { referrers: true };
const skip = await missingTool(...registryTools(PLAIN));
const DIGEST = /sha256:[0-9a-f]{64}/;
const FAILED_STEP =
  / INFO policy_fetcher::registry: operation failed err=.* client_protocol=(\S+) insecure_source=true\n/g;

const ANNOTATED = await policyModule({
  metadata: {
    annotations: {
      'io.kubewarden.policy.title': ' demo\n',
      'io.kubewarden.policy.source': 'https://example.com/demo',
      'io.kubewarden.policy.usage': '# Usage\nSee there.\n',
    },
  },
});
const UNANNOTATED = await policyModule({ metadata: null });

interface Folder {
  testdir(fixture: Record<string, string | Buffer>): string;
}

/** A folder with policies and a sources file that allows plain HTTP with these hosts. */
function folder(t: Folder, ...insecure: readonly string[]): string {
  return t.testdir({
    'policy.wasm': Buffer.from(ANNOTATED),
    'bare.wasm': Buffer.from(UNANNOTATED),
    'sources.yml': JSON.stringify({ insecure_sources: insecure }),
  });
}

async function manifestOf(registry: TestRegistry, name: string): Promise<Buffer> {
  const [repository = '', tag = ''] = name.split(':');
  const answer = await callRegistry(registry, 'GET', `/v2/${repository}/manifests/${tag}`, {
    headers: { accept: OCI_MANIFEST },
  });
  return answer.body;
}

const PROGRAMS: Record<string, RegistryOptions> = {
  'with referrers': PLAIN,
  'whose blob uploads end without a Location': { referrers: false, program: 'switches' },
  'of the distribution project': { referrers: false, program: 'distribution' },
};

for (const [name, options] of Object.entries(PROGRAMS)) {
  test(`push and digest with a registry ${name}`, { skip: await missingTool(...registryTools(options)) }, async (t) => {
    await using registry = await startRegistry(options);
    const cwd = folder(t, registry.host);
    const uri = `registry://${registry.host}/team/demo:v1`;
    const pushed = await kwctlHere(cwd, [
      'push',
      '--sources-path',
      join(cwd, 'sources.yml'),
      join(cwd, 'policy.wasm'),
      uri,
    ]);
    const manifest = await manifestOf(registry, 'team/demo:v1');
    const digest = `sha256:${createHash('sha256').update(manifest).digest('hex')}`;
    t.same([pushed.code, pushed.stdout], [0, `Policy successfully pushed: ${registry.host}/team/demo@${digest}\n`]);
    const layer = createHash('sha256').update(ANNOTATED).digest('hex');
    t.equal(
      manifest.toString(),
      '{"annotations":{"io.kubewarden.policy.source":"https://example.com/demo","io.kubewarden.policy.title":"demo",' +
        '"org.opencontainers.image.source":"https://example.com/demo"},' +
        '"config":{"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",' +
        '"mediaType":"application/vnd.wasm.config.v1+json","size":2},' +
        `"layers":[{"digest":"sha256:${layer}","mediaType":"application/vnd.wasm.content.layer.v1+wasm","size":${ANNOTATED.length}}],` +
        '"schemaVersion":2}',
    );
    t.match(pushed.stderr, / WARN kwctl::push: .* annotation="io\.kubewarden\.policy\.usage"\n/);
    t.notMatch(pushed.stderr, /annotation="io\.kubewarden\.policy\.title"/);

    const told = await kwctlHere(cwd, ['digest', uri, '--sources-path', join(cwd, 'sources.yml')]);
    t.same([told.code, told.stdout], [0, `${uri}@${digest}\n`]);
    const attempts = Array.from(told.stderr.matchAll(FAILED_STEP), ([, protocol]) => protocol);
    t.same(attempts, ['HTTPS(SystemCa)', 'HTTPS(NoTlsVerification)'], 'what does not speak TLS is logged');
    const short = await kwctlHere(cwd, [
      'digest',
      `${registry.host}/team/demo:v1`,
      '--sources-path',
      join(cwd, 'sources.yml'),
    ]);
    t.equal(short.stdout, `${registry.host}/team/demo:v1@${digest}\n`, 'without a scheme, as given');
    const json = await kwctlHere(cwd, [
      'push',
      join(cwd, 'policy.wasm'),
      `${registry.host}/team/demo`,
      '-o',
      'json',
      `--sources-path=${cwd}/sources.yml`,
    ]);
    t.equal(json.stdout, `{"immutable_ref":"${registry.host}/team/demo@${digest}"}`, 'no line feed for scripts');
    t.equal((await manifestOf(registry, 'team/demo:latest')).toString(), manifest.toString());
  });
}

test('push and digest: what is said when something is missing', { skip }, async (t) => {
  await using registry = await startRegistry(PLAIN);
  const cwd = folder(t, registry.host);
  const sources = ['--sources-path', join(cwd, 'sources.yml')];
  const uri = `${registry.host}/team/demo:v1`;

  const unknown = await kwctlHere(cwd, ['digest', uri, ...sources]);
  t.same([unknown.code, unknown.stdout], [1, '']);
  t.match(unknown.stderr, /manifest unknown|name unknown|repository name not known/i);
  t.match((await kwctlHere(cwd, ['push', 'none.wasm', uri])).stderr, 'Error: Cannot find policy with uri: none.wasm\n');
  const stored = await kwctlHere(cwd, ['push', `registry://${uri}`, uri]);
  t.match(stored.stderr, `Error: Cannot find policy with uri: registry://${uri}\n`, 'nothing is pulled for a push');
  const nowhere = await kwctlHere(cwd, ['push', join(cwd, 'policy.wasm'), 'https://example.com/x']);
  t.match(nowhere, { code: 1, stderr: /^Error: Invalid OCI image reference: invalid reference format – / });
  t.match(await kwctlHere(cwd, ['digest', './policy.wasm']), {
    code: 1,
    stderr: /^Error: Invalid OCI image reference: invalid reference format – /,
  });
  const noSources = await kwctlHere(cwd, ['digest', uri, '--sources-path', join(cwd, 'none.yml')]);
  t.equal(
    noSources.stderr,
    `Error: error while loading sources from ${cwd}/none.yml: No such file or directory (os error 2)\n`,
    'FIX: a missing sources file is named',
  );

  await kwctlHere(cwd, ['push', join(cwd, 'policy.wasm'), uri, ...sources]);
  const { stdout } = await kwctlHere(cwd, ['digest', uri, ...sources]);
  const pinned = stdout.trim();
  t.equal((await kwctlHere(cwd, ['digest', pinned, ...sources])).stdout, stdout, 'a pinned digest is told once');
  const wrongPin = `${registry.host}/team/demo@sha256:${'0'.repeat(64)}`;
  t.equal((await kwctlHere(cwd, ['digest', wrongPin, ...sources])).code, 1);
  const toDigest = await kwctlHere(cwd, ['push', join(cwd, 'policy.wasm'), wrongPin, ...sources]);
  t.match(toDigest, { code: 1, stdout: '', stderr: /^Error: .*digest/m }, 'the registry says so itself');

  const secure = await kwctlHere(cwd, ['digest', uri]);
  t.equal(secure.code, 1, 'plain HTTP only for hosts that are named');
  t.match(secure.stderr, /Fail to interact with OCI registry: error sending request for url \(https:/);
});

test('push: modules without metadata only with --force, Rego never', { skip }, async (t) => {
  await using registry = await startRegistry(PLAIN);
  const cwd = folder(t, registry.host);
  writeFileSync(join(cwd, 'rego.wasm'), withoutMetadata(await guestModule('rego-opa')));
  const sources = ['--sources-path', join(cwd, 'sources.yml')];
  const target = `registry://${registry.host}/team/bare:v1`;
  const refused = await kwctlHere(cwd, ['push', join(cwd, 'bare.wasm'), target, ...sources]);
  t.same(refused, {
    code: 1,
    stdout: '',
    stderr: 'Error: Cannot push a policy that is not annotated. Use `annotate` command or `push --force`\n',
  });
  t.match(await kwctlHere(cwd, ['push', '--force=false', join(cwd, 'bare.wasm'), target, ...sources]), {
    code: 1,
    stdout: '',
  });
  for (const force of ['--force', '-f', '--force=true', '-f=x']) {
    const forced = await kwctlHere(cwd, ['push', force, join(cwd, 'bare.wasm'), target, ...sources]);
    t.equal(forced.code, 0, `SUPERSET: ${force} before the positionals`);
    t.match(forced.stderr, /^Warning: pushing a non-annotated policy!\n/m, force);
    t.match(forced.stdout, DIGEST);
  }
  t.equal(
    (await kwctlHere(cwd, ['push', join(cwd, 'bare.wasm'), target, ...sources, '--force'])).code,
    0,
    'and behind them',
  );
  t.match((await manifestOf(registry, 'team/bare:v1')).toString(), /^\{"config":/, 'no annotations, no member');
  const rego = await kwctlHere(cwd, ['push', '--force', join(cwd, 'rego.wasm'), target, ...sources]);
  t.same(rego, { code: 1, stdout: '', stderr: 'Error: Rego policies cannot be pushed without metadata\n' });
});

test('push: a policy of the store, by its URI and by the beginning of its SHA-256', { skip }, async (t) => {
  await using registry = await startRegistry(PLAIN);
  const cwd = folder(t, registry.host);
  const stored = join(cwd, 'cache/kubewarden/store/https/example.com/policies');
  mkdirSync(stored, { recursive: true });
  writeFileSync(join(stored, 'demo.wasm'), ANNOTATED);
  const sha256 = createHash('sha256').update(ANNOTATED).digest('hex');
  for (const [name, policy] of [
    ['by-uri', 'https://example.com/policies/demo.wasm'],
    ['by-sha', sha256.slice(0, 8)],
  ] as const) {
    const target = `${registry.host}/team/${name}:v1`;
    const pushed = await kwctlHere(cwd, ['push', policy, target, '--sources-path', join(cwd, 'sources.yml')]);
    t.equal(pushed.code, 0, pushed.stderr);
    t.match((await manifestOf(registry, `team/${name}:v1`)).toString(), `sha256:${sha256}`);
  }
});
