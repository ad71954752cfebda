import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { damage, randomFrom } from '@portcullis/testkit';
import { test } from 'tap';
import type { ArtifactLogRecord } from '../log.ts';
import { createDockerCredentials } from './docker-config.ts';
import { answer, NOT_FOUND, setUp } from './test/test-credentials.ts';

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
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
