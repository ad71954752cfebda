import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseYaml } from '@portcullis/artifact';
import { jsonToPlain } from '@portcullis/protocol';
import {
  attest,
  createAuthority,
  createCosignKeys,
  createServerCertificate,
  missingTool,
  OCI_MANIFEST,
  policyModule,
  ProgrammableRegistry,
  pushPolicyModule,
  pushSignatures,
  registryTools,
  signWithKey,
  startRegistry,
  type RegistryOptions,
  type TestRegistry,
} from '@portcullis/testkit';
import { test, type Test } from 'tap';
import { kwctlHere } from '../../test/kwctl-here.ts';
import type { Outcome } from '../../test/kwctl-process.ts';

const MODULE = await policyModule({ metadata: { annotations: { 'io.kubewarden.policy.title': 'demo' } } });
const SENTENCE =
  'Cannot determine if the policy has been signed. There was an error while attempting to fetch its signatures from the remote registry: ';

interface Folder {
  testdir(fixture: Record<string, string>): string;
}

/** A folder with a store that holds a policy pulled from this registry, and sources that allow to ask it. */
function folder(t: Folder, host: string, sources: unknown = { insecure_sources: [host] }): string {
  const cwd = t.testdir({ 'sources.yml': JSON.stringify(sources) });
  const stored = join(cwd, 'cache/kubewarden/store/registry', host, 'team/demo:v1');
  mkdirSync(dirname(stored), { recursive: true });
  writeFileSync(stored, MODULE);
  writeFileSync(join(cwd, 'demo.wasm'), MODULE);
  return cwd;
}

async function kwctlInspect(cwd: string, ...args: readonly string[]): Promise<Outcome> {
  return kwctlHere(cwd, ['inspect', '--sources-path', join(cwd, 'sources.yml'), ...args]);
}

/** `kwctl inspect` of the stored policy. */
async function inspect(cwd: string, host: string, ...flags: readonly string[]): Promise<Outcome> {
  return kwctlInspect(cwd, ...flags, `registry://${host}/team/demo:v1`);
}

interface ShownManifest {
  readonly schemaVersion: number;
  readonly layers: readonly { readonly mediaType: string; readonly annotations?: Record<string, string> }[];
}

function yamlOf(
  text: string,
): Record<string, unknown> & { signatures?: ShownManifest; sigstoreBundles?: ShownManifest[] } {
  return jsonToPlain(parseYaml(text).value) as ReturnType<typeof yamlOf>;
}

const SHOW = '--show-signatures';

test('K21: inspect asks no registry unless signatures are wanted', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  const host = registry.host;
  const cwd = folder(t, host);
  for (const flags of [[], ['-o', 'yaml'], ['-o', 'json'], ['--json']]) {
    const shown = await inspect(cwd, host, ...flags);
    t.equal(shown.code, 0, shown.stderr);
    t.notMatch(shown.stdout, /igstore|signatures/, flags.join(' '));
    t.equal(shown.stderr, '');
  }
  const sha256 = createHash('sha256').update(MODULE).digest('hex');
  t.match(await kwctlInspect(cwd, sha256.slice(0, 6)), { code: 0, stdout: /title: +demo/ });
  t.same(registry.requests, [], 'not one request');
  const wanted = await inspect(cwd, host, SHOW);
  t.equal(wanted.code, 0);
  t.ok(registry.requests.length > 0, 'the same registry is asked with the flag');
});

test('inspect: policies that are not here are not fetched', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  const { host } = registry;
  const cwd = folder(t, host);
  const other = `registry://${host}/team/other:v1`;
  for (const [name, uri] of [
    [other, other],
    [`${host}/team/other:v1`, other],
    ['beef', 'beef'],
    ['', ''],
  ] as const) {
    const shown = await kwctlInspect(cwd, SHOW, name);
    t.same(shown, { code: 1, stdout: '', stderr: `Error: Cannot find policy with uri: ${uri}\n` }, name);
  }
  t.same(registry.requests, []);
  writeFileSync(join(cwd, 'cache/kubewarden/store/registry', host, 'team/demo:v2'), MODULE);
  const prefix = createHash('sha256').update(MODULE).digest('hex').slice(0, 5);
  const both = await kwctlInspect(cwd, prefix);
  t.same([both.code, both.stderr], [1, `Error: multiple policies found with the same prefix: ${prefix}\n`]);
});

test('K21: offline, too', async (t) => {
  const cwd = folder(t, '127.0.0.1:1');
  t.match(await inspect(cwd, '127.0.0.1:1'), { code: 0, stderr: '' });
  const wanted = await inspect(cwd, '127.0.0.1:1', SHOW);
  t.equal(wanted.code, 0, 'a registry that cannot be reached is no failure of inspect');
  t.ok(wanted.stdout.includes(`\n\n${SENTENCE}`), wanted.stdout);
  t.match(wanted.stdout, /ECONNREFUSED.* \n$/);
});

const signing = await missingTool(
  'cosign',
  ...registryTools({ referrers: true }),
  ...registryTools({ referrers: false }),
);

for (const [name, options] of Object.entries<RegistryOptions>({
  'with referrers': { referrers: true },
  'without referrers': { referrers: false },
})) {
  test(`K22: YAML parses with and without signatures, from a registry ${name}`, { skip: signing }, async (t) => {
    await using registry = await startRegistry(options);
    const cwd = folder(t, registry.host);
    const { immutableReference: reference, digest } = await pushPolicyModule(registry, 'team/demo', MODULE);
    const plain = await inspect(cwd, registry.host, '-o', 'yaml');
    const metadata = yamlOf(plain.stdout);
    t.notOk('signatures' in metadata);

    const unsigned = await inspect(cwd, registry.host, '-o', 'yaml', SHOW);
    t.same([unsigned.code, unsigned.stdout], [0, plain.stdout], 'FIX: without signatures, stdout is the same YAML');
    t.equal(unsigned.stderr, 'No sigstore signatures found\n', 'attempts with TLS are not logged');
    t.match((await inspect(cwd, registry.host, SHOW)).stdout, /\n\nNo sigstore signatures found\n$/);

    const key = await createCosignKeys(join(cwd, 'keys'));
    await attest({ reference, format: 'bundle', key, predicate: { is: 'no signature' }, registry });
    const attested = await inspect(cwd, registry.host, '-o', 'yaml', SHOW);
    t.match(attested.stderr, /No sigstore signatures found\n$/, 'an attestation is no signature');
    await signWithKey({ reference, format: 'bundle', key, registry });
    await t.test('a bundle only', (s) => bundleOnly(s, cwd, registry, plain));
    await signWithKey({ reference, format: 'legacy', key, registry, annotations: { team: 'demo' } });
    const both = yamlOf((await inspect(cwd, registry.host, '-o', 'yaml', SHOW)).stdout);
    t.match(both.signatures, {
      schemaVersion: 2,
      layers: [
        {
          mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json',
          annotations: { 'dev.cosignproject.cosign/signature': /^[A-Za-z0-9+/]+=*$/ },
        },
      ],
    });
    t.equal(both.sigstoreBundles?.length, 1);
    t.same(
      { ...both, signatures: undefined, sigstoreBundles: undefined },
      { ...metadata, signatures: undefined, sigstoreBundles: undefined },
    );
    const json = await inspect(cwd, registry.host, '-o', 'json', SHOW);
    t.same(JSON.parse(json.stdout), JSON.parse(JSON.stringify(both)), 'JSON says the same');
    const text = (await inspect(cwd, registry.host, SHOW)).stdout;
    t.match(
      text,
      /\n\nSigstore signatures\n\nDigest: +sha256:[0-9a-f]{64} \nMedia type: +application\/vnd\.dev\.cosign/,
    );
    t.equal(text.match(/^Digest: /gm)?.length, 2, text);
    t.ok(digest.startsWith('sha256:'));
  });
}

async function bundleOnly(t: Test, cwd: string, registry: TestRegistry, plain: Outcome): Promise<void> {
  const shown = await inspect(cwd, registry.host, '-o', 'yaml', SHOW);
  t.equal(shown.stderr.includes('No sigstore'), false, shown.stderr);
  t.ok(shown.stdout.startsWith(plain.stdout), 'signatures stand behind the metadata');
  const { sigstoreBundles = [], signatures } = yamlOf(shown.stdout);
  t.equal(signatures, undefined);
  t.match(sigstoreBundles, [{ layers: [{ mediaType: /^application\/vnd\.dev\.sigstore\.bundle/ }] }]);
  t.equal(sigstoreBundles.length, 1, 'the attestation is no signature');
  const text = (await inspect(cwd, registry.host, SHOW)).stdout;
  t.match(text, /\nSigstore signatures\n\nDigest: +sha256:.* \nMedia type: +application\/vnd\.dev\.sigstore\.bundle/);
}

test('inspect: signatures as tables, lines kept, strange text made harmless', { skip: signing }, async (t) => {
  await using registry = await startRegistry({ referrers: true });
  const cwd = folder(t, registry.host);
  const { digest } = await pushPolicyModule(registry, 'team/demo', MODULE);
  const payload = Buffer.from('{"critical":{}}');
  await pushSignatures(registry, 'team/demo', digest, [
    { payload, annotations: { 'dev.cosignproject.cosign/signature': 'MEUC', chain: 'one\ntwo\u001b[2J' } },
    { payload: Buffer.from('{}'), annotations: {} },
  ]);
  const { stdout } = await inspect(cwd, registry.host, SHOW);
  const sha256 = createHash('sha256').update(payload).digest('hex');
  const row = (key: string, value: string): string => `${key.padEnd(34)} ${value} \n`;
  const first =
    row('Digest: ', `sha256:${sha256}`) +
    row('Media type: ', 'application/vnd.dev.cosign.simplesigning.v1+json') +
    row('Size: ', '15') +
    row('Annotations', '') +
    row('chain', 'one') +
    row('', 'two\\u{1b}[2J') +
    row('dev.cosignproject.cosign/signature', 'MEUC');
  t.ok(stdout.includes(`\n\nSigstore signatures\n\n${first}\nDigest:      sha256:`), stdout);
  t.match(stdout, /\nSize: {8}2 \n\n$/);
});

const authority = await createAuthority('registry-ca');
const SECURED: RegistryOptions = {
  referrers: true,
  tls: await createServerCertificate(authority),
  authority: authority.cert,
  basicAuth: { user: 'alice', password: 'open sesame' },
};

test('FIX: credentials are those of the host', { skip: await missingTool(...registryTools(SECURED)) }, async (t) => {
  await using registry = await startRegistry(SECURED);
  const cwd = folder(t, registry.host, {
    source_authorities: { [registry.host]: [{ type: 'Data', data: authority.cert }] },
  });
  const { digest } = await pushPolicyModule(registry, 'team/demo', MODULE);
  const annotations = { 'dev.cosignproject.cosign/signature': 'MEUC' };
  await pushSignatures(registry, 'team/demo', digest, [{ payload: Buffer.from('{}'), annotations }]);
  const anonymous = await inspect(cwd, registry.host, SHOW);
  t.match(anonymous.stdout, /fetch its signatures from the remote registry: .*not authorized.* \n$/i);
  mkdirSync(join(cwd, 'docker'));
  const auth = Buffer.from('alice:open sesame').toString('base64');
  writeFileSync(join(cwd, 'docker/config.json'), JSON.stringify({ auths: { [registry.host]: { auth } } }));
  const shown = await inspect(cwd, registry.host, SHOW, '--docker-config-json-path', join(cwd, 'docker'));
  t.match(shown.stdout, /\nSigstore signatures\n\n[^]* MEUC \n/);
});

test('inspect: what signatures cannot be told of, and registries that fail', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  const host = registry.host;
  const cwd = folder(t, host);
  const file = await kwctlInspect(cwd, SHOW, join(cwd, 'demo.wasm'));
  t.ok(file.stdout.endsWith(`\n\n${SENTENCE}invalid uri \n`), file.stdout);
  const yaml = await kwctlInspect(cwd, SHOW, '-o', 'yaml', join(cwd, 'demo.wasm'));
  t.same([yaml.code, yaml.stderr], [0, `${SENTENCE}invalid uri \n`], 'FIX: sentences leave the YAML alone');
  yamlOf(yaml.stdout);
  const gone = await inspect(cwd, host, SHOW);
  t.equal(gone.code, 0);
  t.ok(gone.stdout.includes(`\n\n${SENTENCE}`), 'the policy is not in the registry any more');

  const blob = (byte: string): string => `sha256:${byte.repeat(64)}`;
  const digest = registry.serveManifest('team/demo', '{}', OCI_MANIFEST, ['v1']);
  const signature = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: blob('1'), size: 2 },
    layers: [{ mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json', digest: blob('2'), size: 3 }],
  };
  registry.serveManifest('team/demo', signature, OCI_MANIFEST, [`${digest.replace(':', '-')}.sig`]);
  registry.route('GET', /\/referrers\//, { status: 500, body: 'no' });
  const partly = await inspect(cwd, host, SHOW);
  t.match(partly.stdout, /\nSigstore signatures\n\nDigest: +sha256:2222/, 'a part that fails hides no other');
  t.match(partly.stdout, /Cannot determine if the policy has been signed\..* \n$/);
  const partlyYaml = await inspect(cwd, host, SHOW, '-o', 'yaml');
  t.ok('signatures' in yamlOf(partlyYaml.stdout));
  t.match(partlyYaml.stderr, SENTENCE);
});
