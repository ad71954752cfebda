import { damage, randomFrom } from '@portcullis/testkit';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { ArtifactError } from '../../errors.ts';
import { loadVerificationConfig } from './load.ts';
import { parseVerificationConfig } from './parse.ts';
import { requirementYaml, verificationConfigYaml } from './requirement-yaml.ts';
import { parseUrlPrefix } from './url-prefix.ts';

const NAME = 'verification.yml';

function read(text: string): ReturnType<typeof parseVerificationConfig> {
  return parseVerificationConfig(text, NAME);
}

function problem(text: string): string {
  try {
    read(text);
  } catch (error) {
    if (error instanceof ArtifactError && error.code === 'verification-config-invalid') return error.message;
    throw error;
  }
  return 'no error';
}

const FULL = `apiVersion: v1
allOf:
- kind: pubKey
  owner: null
  key: |
    -----BEGIN PUBLIC KEY-----
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
    -----END PUBLIC KEY-----
  annotations:
    env: prod
    stable: 'true'
- kind: githubAction
  owner: kubewarden
  repo: null
  annotations: null
anyOf:
  minimumMatches: 2
  signatures:
  - kind: genericIssuer
    issuer: https://github.com/login/oauth
    subject: !equal user1@provider.com
    annotations: null
  - kind: genericIssuer
    issuer: https://token.actions.githubusercontent.com
    subject: !urlPrefix https://github.com/kubewarden/
    annotations: {}
`;

test('reads every kind of signature, and writes what it read', async (t) => {
  const config = read(FULL);
  t.match(config, {
    allOf: [
      {
        kind: 'pubKey',
        owner: undefined,
        annotations: new Map([
          ['env', 'prod'],
          ['stable', 'true'],
        ]),
      },
      { kind: 'githubAction', owner: 'kubewarden', repo: undefined, annotations: undefined },
    ],
    anyOf: {
      minimumMatches: 2,
      signatures: [
        { kind: 'genericIssuer', subject: { kind: 'equal', value: 'user1@provider.com' } },
        { subject: { kind: 'urlPrefix', value: 'https://github.com/kubewarden/' }, annotations: new Map() },
      ],
    },
  });
  t.equal(verificationConfigYaml(config), FULL);
  t.same(read(FULL.replace('!equal user1', '{equal: user1').replace('provider.com', 'provider.com}')), config);
  t.equal(
    requirementYaml({
      kind: 'githubAction',
      owner: 'o',
      repo: '1',
      annotations: new Map([
        ['b', '~'],
        ['a', ''],
      ]),
    }),
    "kind: githubAction\nowner: o\nrepo: '1'\nannotations:\n  a: ''\n  b: '~'\n",
  );
});

test('annotations written in another order are printed in the order of their names', async (t) => {
  const text = 'allOf: [{kind: githubAction, owner: o, annotations: {z: "1", a: "2"}}]';
  t.match(verificationConfigYaml(read(text)), /a: '2'\n {4}z: '1'\n/);
});

test('a config without a version, and an empty one, are read; both require nothing', async (t) => {
  for (const text of ['', '# nothing\n', '{}', 'allOf: null'])
    t.same(read(text), { allOf: undefined, anyOf: undefined });
  t.match(read('allOf: [{kind: githubAction, owner: o}]'), { allOf: [{ owner: 'o' }] });
});

test('says what is wrong in the words scripts know, and where it is', async (t) => {
  const cases: [string, string][] = [
    [
      'apiVersion: v2\nallOf: 1',
      'Not a supported configuration version: Unsupported – expected apiVersion v1, got "v2"',
    ],
    ['apiVersion: v1', 'config is missing signatures in both allOf and anyOff list'],
    ['apiVersion: v1\nallOf: ~\nanyOf:', 'config is missing signatures in both allOf and anyOff list'],
    [
      'apiVersion: v1\nallOf:\n- kind: genericIssuer\n  issuer: i',
      "Not a valid configuration file: missing field `subject` – see 'verification.yml' line 3",
    ],
    ['allOf: [{kind: pubKey}]', 'Not a valid configuration file: missing field `key` –'],
    ['allOf: [{kind: genericIssuer, subject: {equal: a}}]', 'Not a valid configuration file: missing field `issuer` –'],
    ['allOf: [{kind: githubAction}]', 'Not a valid configuration file: missing field `owner` –'],
    ['allOf: [{}]', 'Not a valid configuration file: missing field `kind` –'],
    ['anyOf: {}', 'Not a valid configuration file: missing field `signatures` –'],
    [
      'apiVersion: v1\nbogus: 1',
      'Not a valid configuration file: unknown field `bogus`, expected `allOf` or `anyOf` –',
    ],
    ['anyOf: {signatures: [], x: 1}', 'unknown field `x`, expected `minimumMatches` or `signatures` –'],
    [
      'allOf: [{kind: pubKey, key: k, repo: r}]',
      'unknown field `repo`, expected one of `owner`, `key`, `annotations` –',
    ],
    ['allOf: [{kind: githubAction, owner: o, a: 1}]', 'expected one of `owner`, `repo`, `annotations` –'],
    ['allOf: [{kind: genericIssuer, issuer: i, a: 1}]', 'expected one of `issuer`, `subject`, `annotations` –'],
    [
      'allOf: [{kind: certificate}]',
      'unknown variant `certificate`, expected one of `pubKey`, `genericIssuer`, `githubAction` –',
    ],
    [
      'allOf: [{kind: genericIssuer, issuer: i, subject: {regex: a}}]',
      'unknown variant `regex`, expected `equal` or `urlPrefix` –',
    ],
    ['allOf: [{kind: genericIssuer, issuer: i, subject: {equal: a, urlPrefix: b}}]', 'expected map with a single key'],
    ['allOf: [{kind: genericIssuer, issuer: i, subject: {}}]', 'expected map with a single key'],
    ['allOf: [{kind: genericIssuer, issuer: i, subject: a}]', 'invalid type: string "a", expected a map –'],
    ['allOf: [{kind: githubAction, owner: !equal o}]', 'unexpected tag !equal'],
    [
      'allOf: [{kind: genericIssuer, issuer: i, subject: {urlPrefix: github.com/x}}]',
      'relative URL without a base: "github.com/x" –',
    ],
    ['allOf: [{kind: githubAction, owner: 1}]', 'invalid type: integer `1`, expected a string –'],
    [
      'allOf: [{kind: githubAction, owner: o, annotations: {a: true}}]',
      'invalid type: boolean `true`, expected a string –',
    ],
    ['anyOf: {minimumMatches: 256, signatures: []}', 'invalid value: integer `256`, expected u8 –'],
    ['anyOf: {minimumMatches: -1, signatures: []}', 'invalid value: integer `-1`, expected u8 –'],
    ['anyOf: {minimumMatches: 1.5, signatures: []}', 'invalid type: floating point `1.5`, expected u8 –'],
    ['anyOf: {minimumMatches: "1", signatures: []}', 'invalid type: string "1", expected u8 –'],
    ['allOf: {}', 'invalid type: map, expected a sequence –'],
    ['apiVersion: 1\nallOf: []', 'Not a valid configuration file: invalid type: integer `1`, expected a string –'],
    ['- a', 'Not a valid configuration file: invalid type: sequence, expected a map –'],
    ['allOf: [', 'Not a valid configuration file: '],
    ['allOf: 1\nallOf: 2', 'Not a valid configuration file: duplicate field `allOf` at line 2'],
    ['a: 1\n---\nb: 1', 'Not a valid configuration file: deserializing from YAML containing more than one document'],
  ];
  for (const [text, expected] of cases) t.ok(problem(text).includes(expected), `${text} → ${problem(text)}`);
});

test('refuses an empty allOf, which whatever anybody signed would meet', async (t) => {
  t.match(
    problem('apiVersion: v1\nallOf: []'),
    /^Not a valid configuration file: invalid length 0, expected at least one/,
  );
});

test('minimumMatches is 1 unless said, and may be 0', async (t) => {
  t.equal(read('anyOf: {signatures: []}').anyOf?.minimumMatches, 1);
  t.equal(read('anyOf: {minimumMatches: 0, signatures: []}').anyOf?.minimumMatches, 0);
  t.equal(read('anyOf: {minimumMatches: 255, signatures: []}').anyOf?.minimumMatches, 255);
});

test('a URL prefix ends in a slash, so that no name that begins alike is below it', async (t) => {
  const cases: [string, string | RegExp][] = [
    ['https://github.com/kubewarden', 'https://github.com/kubewarden/'],
    ['https://github.com/kubewarden/', 'https://github.com/kubewarden/'],
    ['https://github.com', 'https://github.com/'],
    ['HTTPS://GitHub.com:443/a/../b', 'https://github.com/b/'],
    ['spiffe://cluster.local/ns', 'spiffe://cluster.local/ns/'],
    ['github.com/kubewarden', /relative URL without a base/],
    ['', /relative URL without a base/],
    ['https://', /relative URL without a base/],
    ['mailto:a@b.c', /without a host/],
    ['file:///etc', /without a host/],
    ['https://github.com/a?b', /query or fragment/],
    ['https://github.com/a?', /query or fragment/],
    ['https://github.com/a#b', /query or fragment/],
    ['https://me@github.com/a', /user name/],
  ];
  for (const [text, expected] of cases) {
    const parsed = parseUrlPrefix(text);
    const got = parsed.kind === 'prefix' ? parsed.value : parsed.reason;
    if (typeof expected === 'string') t.equal(got, expected, text);
    else t.match(got, expected, text);
  }
});

test('a file that cannot be read is named', async (t) => {
  const dir = t.testdir({ 'good.yml': FULL, folder: {} });
  writeFileSync(join(dir, 'binary.yml'), Uint8Array.of(0xff, 0xfe));
  t.equal((await loadVerificationConfig(join(dir, 'good.yml'))).allOf?.length, 2);
  const cases: [string, RegExp][] = [
    ['missing.yml', /^failed to read verification file: No such file or directory \(os error 2\) – '.*missing.yml'$/],
    ['folder', /^failed to read verification file: .*a directory/],
    ['binary.yml', /^failed to read verification file: invalid UTF-8/],
  ];
  for (const [name, message] of cases) {
    await t.rejects(loadVerificationConfig(join(dir, name)), { code: 'verification-config-invalid', message });
  }
});

test('damaged configs are read or refused, nothing else, and never lose a list that is there', async (t) => {
  const random = randomFrom(0x516);
  const pieces = [
    '!equal ',
    '!urlPrefix ',
    '- ',
    ': ',
    '{',
    '}',
    '[',
    ']',
    '~',
    '&a ',
    '*a',
    '\n',
    '|',
    '"',
    '#',
    'anyOf:',
  ];
  const bytes = pieces.map((piece) => Buffer.from(piece));
  const untilMs = performance.now() + 1500;
  let refused = 0;
  let runs = 0;
  for (; runs < 4000 && performance.now() < untilMs; runs++) {
    const text = Buffer.from(damage(Buffer.from(FULL), random, bytes)).toString();
    if (problem(text) !== 'no error') {
      refused++;
      continue;
    }
    const config = read(text);
    if (config.allOf?.length === 0) t.fail(`an empty allOf: ${text}`);
    t.same(read(verificationConfigYaml(config)), config, 'what is written reads the same');
  }
  t.ok(runs > 100 && refused > 10, `${runs} runs, ${refused} refused`);
});
