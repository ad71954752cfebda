import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  createCosignKeys,
  missingTool,
  policyModule,
  pushPolicyModule,
  signWithKey,
  startRegistry,
} from '@portcullis/testkit';
import { test } from 'tap';
import { folder, kwctl, line, type Outcome } from '../../test/kwctl-process.ts';

const skip = await missingTool('cosign', 'registry-referrers');
const OFFLINE = { HTTPS_PROXY: 'http://127.0.0.1:1', HTTP_PROXY: 'http://127.0.0.1:1', NO_PROXY: '127.0.0.1' };

test('what is pulled and run is what was signed, and nothing else', { skip }, async (t) => {
  await using registry = await startRegistry({ referrers: true });
  const cwd = await folder(t);
  writeFileSync(join(cwd, 'sources.yml'), JSON.stringify({ insecure_sources: [registry.host] }));
  const alice = await createCosignKeys(cwd, { name: 'alice' });
  await createCosignKeys(cwd, { name: 'bob' });
  const bytes = await policyModule({ label: 'signed' });
  const { repository, immutableReference: reference } = await pushPolicyModule(registry, 'acme/policy', bytes);
  await signWithKey({ reference, key: alice, format: 'bundle' });
  const uri = `registry://${repository}:v1`;
  const stored = join(cwd, 'cache', 'kubewarden', 'store', 'registry', `${repository}:v1`);
  const given = ['--sources-path', 'sources.yml', '-k'];
  const pull = (key: string): Promise<Outcome> => kwctl(['pull', ...given, key, uri], { cwd, env: OFFLINE });
  const run = (...words: string[]): Promise<Outcome> =>
    kwctl(['run', '-r', 'review.json', ...words], { cwd, env: OFFLINE });

  const wrong = await pull('bob.pub');
  t.same([wrong.code, wrong.stdout], [1, '']);
  t.ok(
    wrong.stderr.includes(`Error: Policy ${uri} cannot be validated\nImage verification failed: missing signatures\n`),
  );
  t.equal(existsSync(stored), false, 'nothing is kept of what was refused');

  const pulled = await pull('alice.pub');
  t.same([pulled.code, pulled.stdout], [0, ''], pulled.stderr);
  for (const text of [
    'kwctl::verify: Policy successfully verified\n',
    'policy_fetcher::verify: Local file checksum verification passed\n',
    'kwctl::verify: Local checksum successfully verified\n',
  ]) {
    t.ok(pulled.stderr.includes(text), text);
  }
  t.ok(readFileSync(stored).equals(bytes));
  t.match(await run(...given, 'alice.pub', uri), { code: 0, stdout: line(true) });

  // Somebody changes the policy in the store.
  writeFileSync(stored, await policyModule({ label: 'tamper' }));
  const tampered =
    /Error: The digest of the local file doesn't match with the one reported inside of the signed manifest\. Got [0-9a-f]{64} instead of [0-9a-f]{64}/;
  t.match(await pull('alice.pub'), { code: 1, stdout: '', stderr: tampered });
  t.match(await run(...given, 'alice.pub', uri), { code: 1, stdout: '', stderr: tampered });

  // Somebody moves the tag to a policy that nobody signed.
  await pushPolicyModule(registry, 'acme/policy', await policyModule({ label: 'moved' }));
  const moved = await run(...given, 'alice.pub', uri);
  t.same([moved.code, moved.stdout], [1, '']);
  t.match(moved.stderr, /cannot be validated\nno signatures found for image: /);
});

test('FIX: the config in the folder of the user does not break local files', { skip }, async (t) => {
  const cwd = await folder(t);
  writeFileSync(join(cwd, 'policy.wasm'), await policyModule());
  mkdirSync(join(cwd, '.config', 'kubewarden'), { recursive: true });
  const config = join(cwd, '.config', 'kubewarden', 'verification-config.yml');
  writeFileSync(config, (await kwctl(['scaffold', 'verification-config'], { cwd })).stdout);
  const run = (...words: string[]): Promise<Outcome> =>
    kwctl(['run', '-r', 'review.json', ...words, 'policy.wasm'], { cwd, env: OFFLINE });
  const own = await run();
  t.same([own.code, own.stdout], [0, line(true)], own.stderr);
  t.match(own.stderr, / WARN policy_fetcher::verify: A local file has no signatures/);
  const asked = await run('--github-owner', 'kubewarden');
  t.same([asked.code, asked.stdout], [1, '']);
  t.match(asked.stderr, /Error: Policy file:\/\/.*policy\.wasm cannot be validated\nInvalid OCI image reference: /);
});
