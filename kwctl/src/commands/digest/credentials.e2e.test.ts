import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import {
  createAuthority,
  createServerCertificate,
  missingTool,
  OCI_MANIFEST,
  policyModule,
  ProgrammableRegistry,
  registryTools,
  startRegistry,
  type RegistryOptions,
} from '@portcullis/testkit';
import { test } from 'tap';
import { kwctlHere } from '../../test/kwctl-here.ts';
import { kwctl } from '../../test/kwctl-process.ts';

const authority = await createAuthority('kwctl tests');
const tls = await createServerCertificate(authority);
const basicAuth = { user: 'alice', password: 'open sesame' };
const SECURED: RegistryOptions = { referrers: false, tls, authority: authority.cert, basicAuth };
const skip = await missingTool(...registryTools(SECURED));
const DIGEST = /sha256:[0-9a-f]{64}/;
const POLICY = { 'policy.wasm': Buffer.from(await policyModule()) };

test('push and digest: own CA from sources, credentials from Docker', { skip }, async (t) => {
  await using registry = await startRegistry(SECURED);
  const cwd = t.testdir(POLICY);
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
  const cwd = t.testdir(POLICY);
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
