import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import {
  callRegistry,
  createAuthority,
  createServerCertificate,
  guestModule,
  missingTool,
  OCI_MANIFEST,
  policyModule,
  ProgrammableRegistry,
  registryTools,
  startRegistry,
  type RegistryOptions,
  type TestRegistry,
} from '@portcullis/testkit';
import { test } from 'tap';
import { kwctlHere } from '../../test/kwctl-here.ts';
import { kwctl, withoutMetadata } from '../../test/kwctl-process.ts';

const authority = await createAuthority('registry-ca');
const tls = await createServerCertificate(authority);
const basicAuth = { user: 'alice', password: 'open sesame' };
const PLAIN: RegistryOptions = { referrers: true };
const SECURED: RegistryOptions = { referrers: false, tls, authority: authority.cert, basicAuth };
const skip = await missingTool(...registryTools(PLAIN), ...registryTools(SECURED));
const DIGEST = /sha256:[0-9a-f]{64}/;

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

test('push and digest: own CA from sources, credentials from Docker', { skip }, async (t) => {
  await using registry = await startRegistry(SECURED);
  const cwd = folder(t);
  const uri = `registry://${registry.host}/team/demo:v1`;
  const config = (content: unknown): string => {
    mkdirSync(join(cwd, 'docker'), { recursive: true });
    writeFileSync(join(cwd, 'docker/config.json'), JSON.stringify(content));
    return 'docker';
  };
  const auth = (password: string): string => Buffer.from(`alice:${password}`).toString('base64').replace(/=+$/, '');
  const sources = { source_authorities: { [registry.host]: [{ type: 'Path', path: 'ca.pem' }] } };
  writeFileSync(join(cwd, 'ca.pem'), authority.cert);
  writeFileSync(join(cwd, 'sources.yml'), JSON.stringify(sources));
  const push = ['push', 'policy.wasm', uri, '--sources-path', 'sources.yml'];

  const anonymous = await kwctl(push, { cwd });
  t.match(anonymous, { code: 1, stdout: '', stderr: /not authorized/i });
  config({ auths: { [registry.host]: { auth: auth('wrong') } } });
  const wrong = await kwctl([...push, '--docker-config-json-path', 'docker'], { cwd });
  t.match(wrong, { code: 1, stdout: '', stderr: /not authorized/i });
  t.notMatch(wrong.stderr, /wrong/, 'no password in what is said');
  config({ auths: { [`https://${registry.host}/v2/`]: { auth: auth('open sesame') } } });
  const pushed = await kwctl([...push, '--docker-config-json-path', 'docker'], { cwd });
  t.equal(pushed.code, 0, pushed.stderr);
  t.match(pushed.stdout, DIGEST);

  const noAuthority = await kwctl(['digest', uri, '--docker-config-json-path', 'docker'], { cwd });
  t.match(noAuthority, { code: 1, stdout: '', stderr: /error sending request for url \(https:/ });
  const byVariable = await kwctl(['digest', uri, '--sources-path', 'sources.yml'], {
    cwd,
    env: { DOCKER_CONFIG: join(cwd, 'docker') },
  });
  t.equal(byVariable.code, 0, byVariable.stderr);
  const systemStore = await kwctl(['digest', uri, '--docker-config-json-path', 'docker'], {
    cwd,
    env: { SSL_CERT_FILE: join(cwd, 'ca.pem') },
  });
  t.equal(systemStore.code, 0, `SSL_CERT_FILE: ${systemStore.stderr}`);

  mkdirSync(join(cwd, '.config/kubewarden'), { recursive: true });
  writeFileSync(join(cwd, '.config/kubewarden/sources.yaml'), JSON.stringify(sources));
  mkdirSync(join(cwd, '.docker'));
  writeFileSync(join(cwd, '.docker/config.json'), readFileSync(join(cwd, 'docker/config.json')));
  const ownFolders = await kwctl(['digest', uri], { cwd });
  t.equal(ownFolders.code, 0, `sources.yaml and config.json of the user: ${ownFolders.stderr}`);
});

test('SUPERSET: digest with the identity token of a login', async (t) => {
  await using registry = await ProgrammableRegistry.start({
    tls,
    authority: authority.cert,
    tokens: { identityToken: 'refresh-me' },
  });
  const digest = registry.serveManifest('team/demo', '{}', OCI_MANIFEST, ['v1']);
  const cwd = t.testdir({
    '.config': {
      kubewarden: {
        'sources.yaml': JSON.stringify({
          source_authorities: { [registry.host]: [{ type: 'Data', data: authority.cert }] },
        }),
      },
    },
    '.docker': { 'config.json': JSON.stringify({ auths: { [registry.host]: { identitytoken: 'refresh-me' } } }) },
  });
  const told = await kwctlHere(cwd, ['digest', `${registry.host}/team/demo:v1`]);
  t.same([told.code, told.stdout], [0, `${registry.host}/team/demo:v1@${digest}\n`], told.stderr);
  writeFileSync(join(cwd, '.docker/config.json'), '{}');
  t.match(await kwctlHere(cwd, ['digest', `${registry.host}/team/demo:v1`]), { code: 1, stderr: /not authorized/i });
});

test('digest: a credential helper on PATH is asked, and one that is missing means anonymous', { skip }, async (t) => {
  await using registry = await startRegistry(SECURED);
  const cwd = folder(t);
  const uri = `registry://${registry.host}/team/demo:v1`;
  writeFileSync(
    join(cwd, 'sources.yml'),
    JSON.stringify({ source_authorities: { [registry.host]: [{ type: 'Data', data: authority.cert }] } }),
  );
  mkdirSync(join(cwd, 'bin'));
  const helper = join(cwd, 'bin/docker-credential-test');
  const script = `#!/bin/sh
test "$1" = get || exit 2
read -r host
test "$host" = "${registry.host}" || { echo "credentials not found in native keychain"; exit 1; }
echo '{"ServerURL": "x", "Username": "alice", "Secret": "open sesame"}'
`;
  writeFileSync(helper, script);
  chmodSync(helper, 0o755);
  mkdirSync(join(cwd, 'docker'));
  writeFileSync(join(cwd, 'docker/config.json'), JSON.stringify({ credHelpers: { [registry.host]: 'test' } }));
  const flags = ['--sources-path', 'sources.yml', '--docker-config-json-path', 'docker'];
  const env = { PATH: `${join(cwd, 'bin')}${delimiter}${process.env['PATH'] ?? ''}` };
  const pushed = await kwctl(['push', 'policy.wasm', uri, ...flags], { cwd, env });
  t.equal(pushed.code, 0, pushed.stderr);
  t.match((await kwctl(['digest', uri, ...flags], { cwd, env })).stdout, DIGEST);

  const missing = await kwctl(['digest', uri, ...flags], { cwd });
  t.equal(missing.code, 1);
  t.match(missing.stderr, / WARN policy_fetcher::credentials: no credential from helper 'test': .*ENOENT/);
  t.match(missing.stderr, /not authorized/i);

  const noConfig = await kwctl(['digest', uri, '--sources-path', 'sources.yml', '--docker-config-json-path', 'bin'], {
    cwd,
  });
  t.match(
    noConfig.stderr,
    / WARN kwctl: Docker config file not found\. Check if you are pointing to the directory containing the file\. .*bin\/config\.json/,
  );
});
