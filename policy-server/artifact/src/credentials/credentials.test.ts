import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { damage, randomFrom } from '@portcullis/testkit';
import { test } from 'tap';
import type { ArtifactLogRecord } from '../log.ts';
import type { CredentialSource } from './credentials.ts';
import { createDockerCredentials, type DockerCredentialsOptions } from './docker-config.ts';
import { runCredentialHelper, type HelperOutcome } from './helper.ts';

const NOT_FOUND: HelperOutcome = { exitCode: 1, stdout: 'credentials not found in native keychain\n' };

interface Setup {
  readonly source: CredentialSource;
  readonly log: ArtifactLogRecord[];
  /** `program server-address`, in the order of the questions. */
  readonly asked: string[];
}

function setUp(
  config: unknown,
  helper: (question: string) => HelperOutcome | Promise<HelperOutcome> = () => NOT_FOUND,
  options: Partial<DockerCredentialsOptions> = {},
): Setup {
  const log: ArtifactLogRecord[] = [];
  const asked: string[] = [];
  const text = typeof config === 'string' ? config : JSON.stringify(config);
  const source = createDockerCredentials({
    folder: '/docker',
    log: (record) => log.push(record),
    readFile: () => Promise.resolve(new TextEncoder().encode(text)),
    runHelper: async (program, serverAddress) => {
      asked.push(`${program} ${serverAddress}`);
      return helper(`${program} ${serverAddress}`);
    },
    ...options,
  });
  return { source, log, asked };
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

function answer(username: string, secret: string): HelperOutcome {
  return { exitCode: 0, stdout: JSON.stringify({ ServerURL: 'x', Username: username, Secret: secret }) };
}

const alice = { kind: 'basic', username: 'alice', password: 'pa:ss' };

test('credentials: helper of the registry, identity token, auth, fields, default helper, in this order', async (t) => {
  const { source, asked } = setUp(
    {
      credHelpers: { 'helper.example': 'own' },
      auths: {
        'helper.example': { auth: base64('never:asked') },
        'token.example': { identitytoken: 'refresh', auth: base64('alice:') },
        'auth.example': { auth: base64('alice:pa:ss'), username: 'other', password: 'other' },
        'unpadded.example': { auth: base64('alice:pa:ss').replace(/=+$/, '') },
        'fields.example': { username: 'alice', password: 'pa:ss' },
        'kept-elsewhere.example': {},
      },
      credsStore: 'desktop',
    },
    (question) => answer(question.startsWith('docker-credential-own') ? 'own' : '<token>', 'secret'),
  );
  t.same(await source.credentialFor('helper.example'), { kind: 'basic', username: 'own', password: 'secret' });
  t.same(await source.credentialFor('token.example'), { kind: 'identity-token', token: 'refresh' });
  for (const host of ['auth.example', 'unpadded.example', 'fields.example']) {
    t.same(await source.credentialFor(host), alice, host);
  }
  t.same(asked, ['docker-credential-own helper.example'], 'the default helper is asked last');
  t.same(await source.credentialFor('kept-elsewhere.example'), { kind: 'identity-token', token: 'secret' });
  t.same(await source.credentialFor('anything.example:5000'), { kind: 'identity-token', token: 'secret' });
  t.same(asked.slice(1), [
    'docker-credential-desktop kept-elsewhere.example',
    'docker-credential-desktop anything.example:5000',
  ]);
});

test('credentials: keys are whole hosts, with or without scheme and path', async (t) => {
  const entry = { auth: base64('alice:pa:ss') };
  const { source } = setUp({
    auths: {
      'https://GHCR.io': entry,
      'http://plain.example:5000/v2/': entry,
      'path.example/some/path': entry,
      'port.example:443': entry,
    },
  });
  for (const host of [
    'ghcr.io',
    'ghcr.io:443',
    'plain.example:5000',
    'path.example',
    'port.example',
    'port.example:443',
  ]) {
    t.same(await source.credentialFor(host), alice, host);
  }
  for (const host of ['plain.example', 'ghcr.io:5000', 'sub.ghcr.io', 'port.example:80']) {
    t.equal(await source.credentialFor(host), undefined, host);
  }
  const own = setUp({ auths: { 'https://a.example': entry, 'a.example': { auth: base64('exact:key') } } });
  t.match(await own.source.credentialFor('a.example'), { username: 'exact' });
});

test('a look-alike host never gets the credentials of another', async (t) => {
  const { source, asked } = setUp({
    auths: {
      'ghcr.io': { auth: base64('alice:pa:ss') },
      'https://index.docker.io/v1/': { auth: base64('alice:pa:ss') },
      'good.example/ghcr.evil': { auth: base64('alice:pa:ss') },
      'user@at.example': { auth: base64('alice:pa:ss') },
    },
    credHelpers: { 'aws.example': 'ecr' },
  });
  const strangers = `ghcr.io.evil.example evil-ghcr.io ghcr.io. ghcr.i hcr.io xghcr.io ghcr.io@evil.example ɡhcr.io
    docker.io.evil.example evil.docker.io index.docker.io.evil.example index.docker.io/v1 docker.i
    ghcr.evil at.example https https: aws.example.evil evil-aws.example __proto__`.split(/\s+/);
  for (const host of [...strangers, '']) t.equal(await source.credentialFor(host), undefined, host);
  t.same(asked, []);
});

test('credentials: Docker Hub has one entry under many names', async (t) => {
  for (const key of ['https://index.docker.io/v1/', 'docker.io', 'registry-1.docker.io', 'index.docker.io']) {
    const { source } = setUp({ auths: { [key]: { auth: base64('alice:pa:ss') } } });
    for (const host of ['docker.io', 'index.docker.io', 'registry-1.docker.io']) {
      t.same(await source.credentialFor(host), alice, `${key} for ${host}`);
    }
  }
  const helper = setUp({ credsStore: 'desktop' }, () => answer('alice', 'pa:ss'));
  t.same(await helper.source.credentialFor('docker.io'), alice);
  t.same(helper.asked, ['docker-credential-desktop https://index.docker.io/v1/']);
});

test('credentials: a broken entry does not take the others along, and no secret is logged', async (t) => {
  const { source, log } = setUp({
    auths: {
      'empty.example': {},
      'null.example': null,
      'text.example': 'secret-text',
      'number.example': { auth: 17 },
      'nocolon.example': { auth: base64('secret-nocolon') },
      'nobase64.example': { auth: 'secret: not base64' },
      'half.example': { username: 'secret-user' },
      'zeros.example': { auth: base64('alice:pa:ss\0\0') },
      'good.example': { auth: base64('alice:pa:ss') },
    },
    credHelpers: { 'numeric.example': 5 },
    HttpHeaders: { 'User-Agent': 'x' },
  });
  t.same(await source.credentialFor('good.example'), alice);
  t.same(await source.credentialFor('zeros.example'), alice);
  for (const name of ['empty', 'null', 'text', 'number', 'nocolon', 'nobase64', 'half', 'numeric']) {
    t.equal(await source.credentialFor(`${name}.example`), undefined, name);
  }
  t.match(log, [
    { level: 'warn', message: /'nocolon.example'/ },
    { level: 'warn', message: /'nobase64.example'/ },
  ]);
  t.equal(log.length, 2, 'each is told once');
  t.notMatch(JSON.stringify(log), /secret/);
});

test('credentials: a config that is none is logged once and means anonymous', async (t) => {
  for (const config of ['{"auths": {"a.example": {"auth": "c2VjcmV0', '', '\0', '[', 'secret']) {
    const { source, log } = setUp(config);
    t.equal(await source.credentialFor('a.example'), undefined);
    t.equal(await source.credentialFor('a.example'), undefined);
    t.match(log, [{ level: 'warn', message: /not valid JSON/ }], JSON.stringify(config));
    t.equal(log.length, 1);
    t.notMatch(JSON.stringify(log), /secret|c2Vj/);
  }
  for (const config of [[], 'null', '17', '"x"', { auths: [] }, { credHelpers: 'x', credsStore: {} }]) {
    t.equal(await setUp(config).source.credentialFor('a.example'), undefined, JSON.stringify(config));
  }
});

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

test('credentials: a helper is asked once for questions at the same time, and again after a minute or a failure', async (t) => {
  let nowMs = 0;
  let isBroken = false;
  const { source, asked } = setUp(
    { credsStore: 'own' },
    () => (isBroken ? { exitCode: 2, stdout: '' } : answer('alice', `secret ${nowMs}`)),
    { nowMs: () => nowMs },
  );
  await Promise.all(Array.from({ length: 20 }, () => source.credentialFor('a.example')));
  t.equal(asked.length, 1);
  nowMs = 59_999;
  t.match(await source.credentialFor('a.example'), { password: 'secret 0' });
  nowMs = 60_000;
  t.match(await source.credentialFor('a.example'), { password: 'secret 60000' });
  t.equal(asked.length, 2);
  nowMs = 200_000;
  isBroken = true;
  t.equal(await source.credentialFor('a.example'), undefined);
  isBroken = false;
  t.match(await source.credentialFor('a.example'), { password: 'secret 200000' });
});

test('credentials: the file is read again when it changed, as it does under a server that runs for months', async (t) => {
  const folder = t.testdir({});
  const path = join(folder, 'config.json');
  const log: ArtifactLogRecord[] = [];
  const source = createDockerCredentials({ folder, log: (record) => log.push(record) });
  t.equal(await source.credentialFor('a.example'), undefined);
  t.equal(await source.credentialFor('a.example'), undefined);
  t.match(log, [{ level: 'debug', message: /No such file or directory/ }]);
  t.equal(log.length, 1, 'a missing file is told once');
  writeFileSync(path, JSON.stringify({ auths: { 'a.example': { auth: base64('alice:pa:ss') } } }));
  t.same(await source.credentialFor('a.example'), alice);
  writeFileSync(path, JSON.stringify({ auths: { 'a.example': { auth: base64('bob:pa:ss') } } }));
  t.match(await source.credentialFor('a.example'), { username: 'bob' });
  rmSync(path);
  t.equal(await source.credentialFor('a.example'), undefined, 'credentials that were withdrawn are used no more');
  writeFileSync(path, ' '.repeat(2 ** 20 + 1));
  t.equal(await source.credentialFor('a.example'), undefined);
  t.match(log.at(-1), { level: 'warn', message: /larger than the limit/ });
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

test('credentials: whatever the config, there is a credential or none', async (t) => {
  const random = randomFrom(7);
  const good = new TextEncoder().encode(
    JSON.stringify({
      auths: { 'a.example': { auth: base64('alice:pa:ss') }, 'https://b.example/v1/': { identitytoken: 'x' } },
      credHelpers: { 'c.example': 'own' },
      credsStore: 'own',
    }),
  );
  const pieces = ['{', '}', '[', ']', '"', ':', ',', 'null', '\\u0000', '"auth"', '{"auths":'];
  const bytes = pieces.map((piece) => new TextEncoder().encode(piece));
  const outcomes = { some: 0, none: 0 };
  const endMs = performance.now() + 1000;
  for (let run = 0; run < 3000 && performance.now() < endMs; run++) {
    const content = damage(good, random, bytes);
    const { source } = setUp('', () => NOT_FOUND, { readFile: () => Promise.resolve(content) });
    const found = await source.credentialFor(['a.example', 'b.example', 'c.example'][random(3)] ?? '');
    if (found === undefined) outcomes.none++;
    else outcomes.some++;
  }
  t.ok(outcomes.some > 0 && outcomes.none > 0, JSON.stringify(outcomes));
});
