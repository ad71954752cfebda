import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { runCredentialHelper, type HelperOutcome } from './helper.ts';
import { answer, setUp } from './test/test-credentials.ts';

test('credentials: helpers that fail mean anonymous, and what they wrote is not logged', async (t) => {
  const config = { credHelpers: { 'a.example': 'own' } };
  const outcomes: readonly [HelperOutcome | Error, RegExp][] = [
    [{ exitCode: 1, stdout: 'secret error' }, /exit code 1/],
    [{ exitCode: null, stdout: '' }, /signal/],
    [{ exitCode: 0, stdout: 'secret: not json' }, /its answer is not/],
    [{ exitCode: 0, stdout: '{"Username": "secret"}' }, /its answer is not/],
    [{ exitCode: 0, stdout: '["secret"]' }, /its answer is not/],
    [new Error('spawn docker-credential-own ENOENT'), /ENOENT/],
  ];
  for (const [outcome, message] of outcomes) {
    const { source, log } = setUp(config, async () => {
      if (outcome instanceof Error) throw outcome;
      return outcome;
    });
    t.equal(await source.credentialFor('a.example'), undefined);
    t.match(log, [{ level: 'warn', message, fields: { registry: 'a.example' } }]);
    t.notMatch(JSON.stringify(log), /secret/);
  }
  const unknown = setUp(config);
  t.equal(await unknown.source.credentialFor('a.example'), undefined);
  t.match(unknown.log, [{ level: 'debug', message: /knows no credential/ }]);
  t.equal(await setUp(config, () => answer('', '')).source.credentialFor('a.example'), undefined);
});

test('credentials: the name of a helper leads to no other program', async (t) => {
  for (const name of ['../../bin/sh', 'a/b', 'a\\b', '..', '.', '-x', 'a b', 'a;b', 'a\0b', 'x'.repeat(65), '$(id)']) {
    const { source, log, asked } = setUp({ credsStore: name });
    t.equal(await source.credentialFor('a.example'), undefined);
    t.match(log, [{ level: 'warn', message: /the name of a helper has letters/ }], JSON.stringify(name));
    t.same(asked, []);
  }
});

test('a real helper: asked without a shell, bounded in time and output', async (t) => {
  const folder = t.testdir({
    'docker-credential-echo': `#!/bin/sh\nread -r host\nprintf '{"Username":"%s","Secret":"%s"}' "$1" "$host"\n`,
    'docker-credential-endless': '#!/bin/sh\nexec yes secret\n',
    'docker-credential-deaf': '#!/bin/sh\nexec 0<&-\nprintf "{}"\n',
    'docker-credential-slow': '#!/bin/sh\nsleep 8 &\nexec sleep 8\n',
    'docker-credential-flag': '#!/bin/sh\necho secret >&2\necho secret\nexit 3\n',
  });
  const program = (name: string): string => {
    const path = join(folder, `docker-credential-${name}`);
    chmodSync(path, 0o755);
    return path;
  };
  t.same(await runCredentialHelper(program('echo'), 'a.example; $(id)'), {
    exitCode: 0,
    stdout: '{"Username":"get","Secret":"a.example; $(id)"}',
  });
  await t.rejects(runCredentialHelper(program('endless'), 'a.example'), { message: /more than 65536 bytes/ });
  t.equal((await runCredentialHelper(program('deaf'), 'x'.repeat(100_000))).stdout, '{}');
  const startMs = performance.now();
  await t.rejects(runCredentialHelper(program('slow'), 'a.example', 200), { message: /longer than 0.2 s/ });
  t.ok(performance.now() - startMs < 5000, 'also when a grandchild keeps the pipe');
  t.same(await runCredentialHelper(program('flag'), 'a.example'), { exitCode: 3, stdout: 'secret\n' });
  await t.rejects(runCredentialHelper(join(folder, 'docker-credential-none'), 'a.example'), { code: 'ENOENT' });
});
