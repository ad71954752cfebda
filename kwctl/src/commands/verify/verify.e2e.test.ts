import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  createCosignKeys,
  createSigstore,
  missingTool,
  policyModule,
  pushBundles,
  pushPolicyModule,
  pushSignatures,
  signWithKey,
  simpleSigningPayload,
  startRegistry,
  type CosignKeys,
} from '@portcullis/testkit';
import { test, type Test } from 'tap';
import { kwctl, type Outcome } from '../../test/kwctl-process.ts';

const skip = await missingTool('cosign', 'registry-referrers');
const SUCCESS = /^\S+Z {2}INFO kwctl::verify: Policy successfully verified\n$/;
/** No way out: what needs the Internet fails at once. */
const OFFLINE = { HTTPS_PROXY: 'http://127.0.0.1:1', HTTP_PROXY: 'http://127.0.0.1:1', NO_PROXY: '127.0.0.1' };

interface Folder {
  readonly cwd: string;
  readonly alice: CosignKeys;
  readonly bob: CosignKeys;
  readonly verify: (...words: string[]) => Promise<Outcome>;
}

async function folder(t: Test, host: string, files: Record<string, string> = {}): Promise<Folder> {
  const cwd = t.testdir({ 'sources.yml': JSON.stringify({ insecure_sources: [host] }), ...files });
  return {
    cwd,
    alice: await createCosignKeys(cwd, { name: 'alice' }),
    bob: await createCosignKeys(cwd, { name: 'bob' }),
    verify: (...words) => kwctl(['verify', '--sources-path', 'sources.yml', ...words], { cwd, env: OFFLINE }),
  };
}

test('verify: keys, in silence or as JSON', { skip }, async (t) => {
  await using registry = await startRegistry({ referrers: true });
  const { alice, bob, verify } = await folder(t, registry.host);
  const image = await pushPolicyModule(registry, 'acme/policy', await policyModule());
  const { repository, immutableReference: reference } = image;
  await signWithKey({ reference, key: alice, format: 'bundle', annotations: { env: 'prod' } });
  for (const uri of [`registry://${repository}:v1`, `${repository}:v1`, `registry://${reference}`]) {
    const { code, stdout, stderr } = await verify('-k', 'alice.pub', '-a', 'env=prod', uri);
    t.same([code, stdout], [0, ''], stderr);
    t.match(stderr, SUCCESS);
  }
  const json = await verify('-k', 'alice.pub', '-a', 'env=prod', '--json', `${repository}:v1`);
  t.same(JSON.parse(json.stdout), {
    uri: `registry://${repository}:v1`,
    digest: image.digest,
    immutable_ref: reference,
    satisfied: [
      {
        list: 'allOf',
        constraint: { kind: 'pubKey', owner: null, key: alice.publicKey, annotations: { env: 'prod' } },
        signature: { origin: 'bundle', annotations: { env: 'prod' }, identity: null, integrated_time: null },
      },
    ],
  });
  const wrong = await verify('-k', 'bob.pub', '--json', `${repository}:v1`);
  t.same([wrong.code, wrong.stdout], [1, '']);
  t.equal(
    wrong.stderr,
    `Error: Policy registry://${repository}:v1 cannot be validated
Image verification failed: missing signatures
The following constraints were not satisfied:
kind: pubKey
owner: null
key: |
  ${bob.publicKey.trim().replaceAll('\n', '\n  ')}
annotations: null

`,
  );
  const annotated = await verify('-k', 'alice.pub', '-a', 'env=test', `${repository}:v1`);
  t.equal(annotated.code, 1);
  t.match(annotated.stderr, /INFO policy_fetcher::verify: Annotation not satisfied annotation="env"/);
  t.match(annotated.stderr, /\nError: Policy registry:.* cannot be validated\nImage verification failed: missing sig/);
  await pushPolicyModule(registry, 'acme/unsigned', await policyModule({ label: 'unsigned' }));
  t.same(await verify('-k', 'alice.pub', `${registry.host}/acme/unsigned:v1`), {
    code: 1,
    stdout: '',
    stderr: `Error: Policy registry://${registry.host}/acme/unsigned:v1 cannot be validated\nno signatures found for image: ${registry.host}/acme/unsigned:v1 \n`,
  });
  t.match(
    (await verify('-k', 'alice.pub', `${registry.host}/acme/nothing`)).stderr,
    /^Error: Policy registry:\/\/.*\/acme\/nothing:latest cannot be validated\nfailed to get image trusted layers: Cannot fetch manifest of .*\/acme\/nothing:latest: /,
  );
});

test('verify: a quorum by a config file, and the config in the folder of the user', { skip }, async (t) => {
  await using registry = await startRegistry({ referrers: true });
  const { cwd, alice, bob, verify } = await folder(t, registry.host);
  const { repository, immutableReference: reference } = await pushPolicyModule(
    registry,
    'acme/quorum',
    await policyModule(),
  );
  await signWithKey({ reference, key: alice, format: 'legacy' });
  const config = (minimumMatches: number): string => {
    const signatures = [alice, bob].map(({ publicKey }) => ({ kind: 'pubKey', key: publicKey }));
    return JSON.stringify({ apiVersion: 'v1', anyOf: { minimumMatches, signatures } });
  };
  writeFileSync(join(cwd, 'one.yml'), config(1));
  writeFileSync(join(cwd, 'two.yml'), config(2));
  t.match(await verify('--verification-config-path', 'one.yml', `${repository}:v1`), { code: 0, stderr: SUCCESS });
  const short = await verify('--verification-config-path', 'two.yml', `${repository}:v1`);
  t.equal(short.code, 1);
  t.match(
    short.stderr,
    /cannot be validated\nImage verification failed: minimum number of signatures not reached: needed 2, got 1\nThe following constraints were not satisfied:\nkind: pubKey\n/,
  );
  t.match(await verify(`${repository}:v1`), { code: 1, stderr: /^Error: could not retrieve sigstore options/ });
  mkdirSync(join(cwd, '.config', 'kubewarden'), { recursive: true });
  writeFileSync(join(cwd, '.config', 'kubewarden', 'verification-config.yml'), config(1));
  const own = await verify(`${repository}:v1`);
  t.equal(own.code, 0);
  t.match(own.stderr, /INFO kwctl: Default verification config present, using it\n.*Policy successfully verified\n$/);
});

const RELEASE = {
  uri: 'https://github.com/acme/policy/.github/workflows/release.yml@refs/tags/v1',
  issuer: 'https://token.actions.githubusercontent.com',
  githubRepository: 'acme/policy',
};

test('verify: keyless by a trust config, and fails closed when the trust root cannot be built', { skip }, async (t) => {
  await using registry = await startRegistry({ referrers: true });
  const sigstore = await createSigstore();
  const { verify } = await folder(t, registry.host, { 'trust.json': sigstore.trustConfig(), 'broken.json': '{' });
  const image = await pushPolicyModule(registry, 'keyless', await policyModule());
  const { repository, digest } = image;
  const jane = sigstore.issue({ email: 'jane@example.org', issuer: 'https://issuer.test' });
  const layer = sigstore.signLegacy(simpleSigningPayload(image), jane);
  await pushSignatures(registry, 'keyless', digest, [layer]);
  await pushBundles(registry, 'keyless', image.manifest, [await sigstore.signBundle(digest, sigstore.issue(RELEASE))]);
  const uri = `${repository}:v1`;
  const trust = ['--sigstore-trust-config', 'trust.json'];
  const asJane = ['--cert-email', 'jane@example.org', '--cert-oidc-issuer', 'https://issuer.test'];
  const asAcme = ['--github-owner', 'acme', '--github-repo', 'policy'];
  t.match(await verify(...trust, ...asJane, uri), { code: 0, stderr: SUCCESS });
  const both = await verify(...trust, ...asJane, ...asAcme, '--json', uri);
  t.equal(both.code, 0, both.stderr);
  t.match(JSON.parse(both.stdout), {
    satisfied: [
      {
        constraint: { kind: 'genericIssuer', subject: { equal: 'jane@example.org' }, annotations: null },
        signature: { origin: 'cosign-tag', identity: { issuer: 'https://issuer.test', subject: 'jane@example.org' } },
      },
      {
        constraint: { kind: 'githubAction', owner: 'acme', repo: 'policy' },
        signature: { origin: 'bundle', identity: { subject: RELEASE.uri, github_repository: 'acme/policy' } },
      },
    ],
  });
  t.match(await verify(...trust, '--github-owner', 'kubewarden', uri), {
    code: 1,
    stderr:
      /missing signatures\nThe following constraints were not satisfied:\nkind: githubAction\nowner: kubewarden\nrepo: null\nannotations: null\n\n$/,
  });
  for (const [name, reason] of [
    ['broken.json', /^Error: could not parse Sigstore trust config file broken\.json: .*\n$/],
    ['missing.json', /^Error: could not read Sigstore PKI file missing\.json: Os \{ code: 2, kind: NotFound, .* \}\n$/],
  ] as const) {
    t.match(await verify('--sigstore-trust-config', name, ...asJane, uri), { code: 1, stdout: '', stderr: reason });
  }
  const { code, stderr } = await verify(...asJane, uri);
  t.equal(code, 1, stderr);
  t.match(
    stderr,
    /WARN policy_fetcher::verify: Cannot create Sigstore trust root, verification relying on Rekor and Fulcio will fail error=/,
  );
  t.match(stderr, /\nError: Policy registry:.* cannot be validated\nImage verification failed: missing signatures\n/);
  t.match(stderr, /\nannotations: null\nKeyless signatures could not be judged, there is no Sigstore trust root: /);
});

test('verify: what is in no registry has no signatures, and words that mean nothing together are refused', async (t) => {
  const cwd = t.testdir({ 'policy.wasm': 'x', 'a.pub': 'x' });
  const verify = (...words: string[]): Promise<Outcome> => kwctl(['verify', ...words], { cwd, env: OFFLINE });
  for (const uri of ['./policy.wasm', `file://${cwd}/policy.wasm`, 'https://example.org/policy.wasm']) {
    const { code, stdout, stderr } = await verify('-k', 'a.pub', uri);
    t.same([code, stdout], [1, '']);
    t.ok(
      stderr.startsWith(
        `Error: Policy ${uri} cannot be validated\nInvalid OCI image reference: invalid reference format`,
      ),
      stderr,
    );
  }
  const cases: [string[], string][] = [
    [['ghcr.io/a/b'], 'could not retrieve sigstore options'],
    [
      ['-a', 'x=y', 'ghcr.io/a/b'],
      'Intending to verify annotations, but no verification keys, OIDC issuer or GitHub owner were passed',
    ],
    [
      ['-k', 'no.pub', 'ghcr.io/a/b'],
      'could not read file no.pub: Os { code: 2, kind: NotFound, message: "No such file or directory" }',
    ],
    [
      ['--verification-config-path', 'no.yml', 'ghcr.io/a/b'],
      'failed to read verification file: No such file or directory (os error 2)',
    ],
  ];
  for (const [words, message] of cases) {
    const { code, stdout, stderr } = await verify(...words);
    t.same([code, stdout], [1, '']);
    t.ok(stderr.startsWith(`Error: ${message}`), stderr);
  }
});
