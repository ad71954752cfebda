import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ArtifactError, parseVerificationConfig, verificationConfigYaml } from '@portcullis/artifact';
import { test } from 'tap';
import type { CommandArguments } from '../command-line/command.ts';
import { parseCommandLine } from '../command-line/parser.ts';
import { scaffoldVerificationConfig } from '../commands/scaffold/verification-config/verification-config.ts';
import { KWCTL } from '../commands/table.ts';
import type { CommandContext } from '../environment.ts';
import type { LogRecord } from '../output/log.ts';
import { openRegistryAccess } from './source.ts';
import { configFromFlags } from './verification-flags.ts';
import { openVerification } from './verification.ts';

const KEY = '-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n';
const NOTHING: CommandArguments = { options: new Map(), positionals: [] };

async function given(...words: string[]): Promise<CommandArguments> {
  const line = await parseCommandLine(KWCTL, ['verify', ...words, 'ghcr.io/acme/policy:v1']);
  if (line.kind !== 'command') throw new Error(`no command: ${words.join(' ')}`);
  return line.arguments;
}

interface World extends CommandContext {
  readonly records: LogRecord[];
  readonly written: string[];
}

function world(home: string): World {
  const records: LogRecord[] = [];
  const written: string[] = [];
  return {
    environment: {
      env: { XDG_CONFIG_HOME: join(home, 'config') },
      home,
      stdin: { [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve({ done: true, value: undefined }) }) },
      write: (text) => void written.push(text),
      writeError: () => {},
      terminal: { stdoutColumns: undefined, isStderrTerminal: false },
      now: () => new Date(),
    },
    log: (record) => void records.push(record),
    records,
    written,
  };
}

/** The config the flags stand for as YAML, or the text of the error. */
async function flags(log: LogRecord[], ...words: string[]): Promise<string> {
  try {
    const config = await configFromFlags(await given(...words), (record) => void log.push(record));
    return verificationConfigYaml(config);
  } catch (error) {
    if (error instanceof ArtifactError && error.code === 'verification-config-invalid') return error.message;
    throw error;
  }
}

test('flags become one list of requirements, in their order, with all annotations', async (t) => {
  const folder = t.testdir({ 'a.pub': KEY, 'b.pub': KEY.replace('MFkw', 'MCow') });
  const keys = { a: join(folder, 'a.pub'), b: join(folder, 'b.pub') };
  const signers =
    '--github-owner acme --github-repo policy --cert-email jane@example.org --cert-oidc-issuer https://issuer.test';
  const annotating = '-a env=prod -a expression=a=b=c -a env=test';
  const all = await flags([], '-k', keys.a, ...`${annotating} ${signers}`.split(' '), '-k', keys.b);
  const annotations = '  annotations:\n    env: test\n    expression: a=b=c\n';
  t.equal(
    all,
    `apiVersion: v1
allOf:
- kind: genericIssuer
  issuer: https://issuer.test
  subject: !equal jane@example.org
${annotations}- kind: githubAction
  owner: acme
  repo: policy
${annotations}- kind: pubKey
  owner: null
  key: |
    -----BEGIN PUBLIC KEY-----
    MFkw
    -----END PUBLIC KEY-----
${annotations}- kind: pubKey
  owner: null
  key: |
    -----BEGIN PUBLIC KEY-----
    MCow
    -----END PUBLIC KEY-----
${annotations}anyOf: null
`,
  );
  t.match(await flags([], '--github-owner', 'acme'), /owner: acme\n {2}repo: null\n {2}annotations: null\n/);
});

test('flags that mean nothing together are refused', async (t) => {
  const folder = t.testdir({ 'a.pub': KEY, folder: {} });
  const cases: [string[], RegExp][] = [
    [
      ['-a', 'env=prod'],
      /^Intending to verify annotations, but no verification keys, OIDC issuer or GitHub owner were passed$/,
    ],
    [['-a', 'env=prod', '--github-repo', 'r'], /^Intending to verify annotations, but no verification keys/],
    [['--github-repo', 'r'], /the repository owner is missing/],
    [['--github-repo', 'r', '-k', join(folder, 'a.pub')], /the repository owner is missing/],
    [['--cert-email', 'a@b.c'], /--cert-email and --cert-oidc-issuer together/],
    [['--cert-oidc-issuer', 'https://i', '--github-owner', 'o'], /--cert-email and --cert-oidc-issuer together/],
    [
      ['-k', 'no.pub'],
      /^could not read file no\.pub: Os \{ code: 2, kind: NotFound, message: "No such file or directory" \}$/,
    ],
    [['-k', join(folder, 'folder')], /^could not read file .*folder: .*[Ii]s a directory/],
  ];
  for (const [words, message] of cases) t.match(await flags([], ...words), message, words.join(' '));
});

test('an annotation without `=` is ignored, and said so', async (t) => {
  const log: LogRecord[] = [];
  t.match(await flags(log, '--github-owner', 'o', '-a', 'env', '-a', '=x', '-a', 'a='), /annotations:\n {4}a: ''\n/);
  t.match(log, [
    { level: 'warn', fields: { annotation: '"env"' } },
    { level: 'warn', fields: { annotation: '"=x"' } },
  ]);
  t.match(await flags(log, '--github-owner', 'o', '-a', 'env'), /annotations: null\n/);
});

test('which config holds: flags, the given file, the file in the folder of the user, none', async (t) => {
  const home = t.testdir({ 'a.pub': KEY, 'c.yml': 'allOf: [{kind: githubAction, owner: o}]', 'bad.yml': 'allOf: []' });
  const open = async (arguments_: CommandArguments, context: CommandContext): ReturnType<typeof openVerification> => {
    await using access = await openRegistryAccess(arguments_, context);
    return openVerification(arguments_, context, access);
  };
  const before = world(home);
  t.equal(await open(NOTHING, before), undefined);
  const withFlags = await given('--github-owner', 'o');
  const withFile = await given('--verification-config-path', join(home, 'c.yml'));
  t.equal((await open(withFlags, before))?.unsignedFiles, 'refuse');
  t.equal((await open(withFile, before))?.unsignedFiles, 'refuse');
  t.equal(await open(await given('--sigstore-trust-config', 'x'), before), undefined, 'says nothing of whom to trust');
  t.same(before.records, []);
  await t.rejects(open(await given('--verification-config-path', 'c.yml', '-a', 'x=y'), before), {
    message: 'verification-config-path cannot be used in conjunction with other verification flags',
  });
  await t.rejects(open(await given('--verification-config-path', join(home, 'no.yml')), before), {
    message: /^failed to read verification file: No such file or directory \(os error 2\)/,
  });
  await t.rejects(open(await given('--github-owner', 'o', '--sigstore-trust-config', 'no.json'), before), {
    message:
      'could not read Sigstore PKI file no.json: Os { code: 2, kind: NotFound, message: "No such file or directory" }',
  });
  await t.rejects(open(await given('--github-owner', 'o', '--sigstore-trust-config', join(home, 'c.yml')), before), {
    message: /^could not parse Sigstore trust config file .*c\.yml: /,
  });
  await t.rejects(open(await given('--verification-config-path', join(home, 'bad.yml')), before), {
    message: /^Not a valid configuration file: /,
  });

  mkdirSync(join(home, 'config', 'kubewarden'), { recursive: true });
  const own = join(home, 'config', 'kubewarden', 'verification-config.yml');
  writeFileSync(own, 'apiVersion: v1\nallOf: [{kind: githubAction, owner: o}]\n');
  const after = world(home);
  t.equal((await open(withFlags, after))?.unsignedFiles, 'refuse');
  t.same(after.records, [], 'flags win');
  t.equal((await open(NOTHING, after))?.unsignedFiles, 'warn');
  t.match(after.records, [{ level: 'info', message: 'Default verification config present, using it' }]);
  writeFileSync(own, 'apiVersion: v2\n');
  await t.rejects(open(NOTHING, after), { message: /^Not a supported configuration version: Unsupported/ });
  rmSync(own);
  symlinkSync(own, own);
  await t.rejects(open(NOTHING, after), { message: /^failed to read verification file: / }, 'it may be there');
});

test('the scaffolded config says where it belongs, and can be read again', async (t) => {
  const home = t.testdir({});
  const { written, ...context } = world(home);
  await scaffoldVerificationConfig(NOTHING, context);
  const text = written.join('');
  const lines = text.split('\n');
  t.equal(
    lines.findIndex((line) => !line.startsWith('#')),
    11,
    'eleven lines of comment',
  );
  t.ok(lines.includes(`#   kwctl scaffold verification-config > ${home}/config/kubewarden/verification-config.yml`));
  t.equal(
    lines.slice(11).join('\n'),
    'apiVersion: v1\nallOf:\n- kind: githubAction\n  owner: kubewarden\n  repo: null\n  annotations: null\nanyOf: null\n\n',
  );
  t.match(parseVerificationConfig(text, 'v'), { allOf: [{ kind: 'githubAction', owner: 'kubewarden' }] });
});
