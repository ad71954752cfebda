import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseYaml } from '@portcullis/artifact';
import { jsonToPlain } from '@portcullis/protocol';
import { damage, randomFrom } from '@portcullis/testkit';
import { test, type Test } from 'tap';
import { kwctl, type Outcome } from '../../../test/kwctl-process.ts';
import { scaffold } from '../scaffold-run.ts';
import { parseAddressList } from './address-list.ts';

const METADATA = `rules:
- apiGroups: [""]
  apiVersions: [v1]
  resources: [pods]
  operations: [CREATE, UPDATE]
mutating: true
contextAwareResources: [{apiVersion: v1, kind: Namespace}]
annotations:
  io.artifacthub.displayName: Label policy
  io.artifacthub.keywords: "labels, psp ,  compliance"
  io.artifacthub.resources: Pod, Deployment
  io.kubewarden.hidden-ui: true
  io.kubewarden.policy.title: label-policy
  io.kubewarden.policy.version: 1.10.0
  io.kubewarden.policy.description: "Checks labels: all of them"
  io.kubewarden.policy.author: "Ann Bee <ann@example.org>, team@example.org"
  io.kubewarden.policy.url: https://example.com
  io.kubewarden.policy.source: https://github.com/example/label-policy
  io.kubewarden.policy.ociUrl: ghcr.io/example/policies/label
  io.kubewarden.policy.license: Apache-2.0
  io.kubewarden.policy.usage: not for the hub
`;

const GOLDEN = `# Kubewarden Artifacthub Package config
#
# Use this config to submit the policy to https://artifacthub.io.
#
# This config can be saved to its default location with:
#   kwctl scaffold artifacthub > artifacthub-pkg.yml
version: 1.10.0
name: label-policy
displayName: Label policy
createdAt: 2026-11-21T10:20:30.045000000Z
description: 'Checks labels: all of them'
license: Apache-2.0
homeURL: https://example.com/
containersImages:
- name: policy
  image: ghcr.io/example/policies/label:v1.10.0
keywords:
- labels
- psp
- compliance
links:
- name: policy
  url: https://github.com/example/label-policy/releases/download/v1.10.0/policy.wasm
- name: source
  url: https://github.com/example/label-policy
install: |
  The policy can be obtained using [\`kwctl\`](https://github.com/kubewarden/kwctl):
  \`\`\`console
  kwctl pull ghcr.io/example/policies/label:v1.10.0
  \`\`\`
  Then, generate the policy manifest and tune it to your liking. For example:
  \`\`\`console
  kwctl scaffold manifest -t ClusterAdmissionPolicy registry://ghcr.io/example/policies/label:v1.10.0
  \`\`\`
maintainers:
- name: Ann Bee
  email: ann@example.org
- name: team@example.org
  email: team@example.org
provider:
  name: kubewarden
recommendations:
- url: https://artifacthub.io/packages/helm/kubewarden/kubewarden-controller
annotations:
  kubewarden/contextAwareResources: |
    - apiVersion: v1
      kind: Namespace
  kubewarden/hidden-ui: 'true'
  kubewarden/mutation: 'true'
  kubewarden/questions-ui: |
    questions:
    - default: 1
  kubewarden/resources: Pod, Deployment
  kubewarden/rules: |
    - apiGroups:
      - ''
      apiVersions:
      - v1
      resources:
      - pods
      operations:
      - CREATE
      - UPDATE
`;

/** Runs with this metadata; the outcome, and what was written as plain values. */
async function described(t: Test, metadata: string, ...args: string[]): Promise<Outcome & { document: unknown }> {
  const home = t.testdir({ 'metadata.yml': metadata });
  const outcome = await scaffold(['artifacthub', '-m', join(home, 'metadata.yml'), ...args], { home });
  return { ...outcome, document: jsonToPlain(parseYaml(outcome.stdout).value) };
}

test('scaffold artifacthub: every member, in order', async (t) => {
  const home = t.testdir({ 'm.yml': METADATA, 'q.yml': 'questions:\n- default: 1\n' });
  const args = ['artifacthub', '-m', join(home, 'm.yml'), '-q', join(home, 'q.yml')];
  t.same(await scaffold(args, { home }), { code: 0, stdout: `${GOLDEN}\n`, stderr: '' });
  t.same(await scaffold([...args, '-o', join(home, 'out.yml')], { home }), { code: 0, stdout: '', stderr: '' });
  t.equal(readFileSync(join(home, 'out.yml'), 'utf8'), GOLDEN, 'a file has no empty line at its end');
  t.match(await scaffold([...args, '-o', join(home, 'none', 'out.yml')], { home }), {
    code: 1,
    stderr: /^Error: cannot write '.*out\.yml': No such file or directory/,
  });
});

test('scaffold artifacthub: only what must be there', async (t) => {
  const annotations = METADATA.split('\n').filter((line) => /displayName|title|version|description|ociUrl/.test(line));
  const metadata = `rules: []\nmutating: false\nannotations:\n${annotations.join('\n')}`;
  const { document, stderr } = await described(t, metadata);
  t.equal(
    Object.keys(document as object).join(),
    'version,name,displayName,createdAt,description,containersImages,install,provider,recommendations,annotations',
  );
  t.match(document, { annotations: { 'kubewarden/mutation': 'false', 'kubewarden/rules': '[]\n' } });
  t.same(Object.keys((document as { annotations: object }).annotations).length, 2);
  t.equal(stderr, '');
});

test('scaffold artifacthub: links by host and release tag', async (t) => {
  const links = async (source: string, tag?: string): Promise<unknown> => {
    const more = tag === undefined ? '' : `  com.github.release.tag: ${JSON.stringify(tag)}\n`;
    const metadata = METADATA.replace('https://github.com/example/label-policy', source) + more;
    return ((await described(t, metadata)).document as { links: unknown }).links;
  };
  t.same(await links('https://gitlab.com/a/b'), [{ name: 'source', url: 'https://gitlab.com/a/b' }]);
  t.same(await links('https://github.com.evil.example/a'), [
    { name: 'source', url: 'https://github.com.evil.example/a' },
  ]);
  t.match(await links('https://GitHub.com/a/b', 'label/v1.0.0+x y'), [
    { url: 'https://github.com/a/b/releases/download/label%2Fv1.0.0%2Bx+y/policy.wasm' },
    { url: 'https://github.com/a/b' },
  ]);
});

test('scaffold artifacthub: what is missing or malformed is named', async (t) => {
  const without = (line: RegExp): string => METADATA.replace(line, '');
  const cases: [string, string | RegExp][] = [
    ...['title', 'description', 'ociUrl', 'version'].map((name): [string, string] => [
      without(new RegExp(`  io\\.kubewarden\\.policy\\.${name}:.*\n`)),
      `Error: policy metadata must specify "io.kubewarden.policy.${name}" in annotations\n`,
    ]),
    [
      without(/ {2}io.artifacthub.displayName.*\n/),
      'Error: policy metadata must specify "io.artifacthub.displayName" in annotations\n',
    ],
    [
      'rules: []\nmutating: false\n',
      'Error: no annotations in policy metadata. policy metadata must specify annotations\n',
    ],
    [
      'rules: []\nmutating: false\nannotations: {}\n',
      'Error: no annotations in policy metadata. policy metadata must specify annotations\n',
    ],
    ...['1.10', 'v1.10.0', '1.0.0-01', '1.0.0 ', '""'].map((version): [string, RegExp] => [
      METADATA.replace('1.10.0', version.endsWith(' ') ? `"${version}"` : version),
      /^Error: policy version must be in semver: expected MAJOR\.MINOR\.PATCH such as 1\.2\.3, got '/,
    ]),
    [METADATA.replace('labels, psp ,', 'labels, ,'), /^Error: annotation "io.artifacthub.keywords" must be words/],
    [
      METADATA.replace('"Ann Bee <ann@example.org>', '"Ann Bee <ann>'),
      /author" must be a list .*: expected a mail address/,
    ],
    [METADATA.replace('https://example.com', 'example.com'), /policy\.url" must be a URL/],
    [METADATA.replace('https://github.com', '//github.com'), /policy\.source" must be a URL/],
    [METADATA.replace('mutating: true', 'mutating: yes'), /^Error: Error unmarshalling metadata .*: mutating: /],
  ];
  for (const [metadata, stderr] of cases) {
    t.match(await described(t, metadata), { code: 1, stdout: '', stderr }, String(stderr));
  }
  const home = t.testdir({ 'm.yml': METADATA, 'q.yml': '' });
  const questions = async (name: string): Promise<Outcome> =>
    scaffold(['artifacthub', '-m', join(home, 'm.yml'), '-q', join(home, name)], { home });
  t.match(await questions('q.yml'), { code: 1, stderr: 'Error: questions-ui content cannot be empty\n' });
  t.match(await questions('none'), {
    code: 1,
    stderr: /^Error: Error reading questions file: No such file or directory \(os error 2\)/,
  });
  t.match(await scaffold(['artifacthub', '-m', join(home, 'none')], { home }), {
    code: 1,
    stderr: /^Error: Error opening metadata file: .*No such file/,
  });
});

test('scaffold artifacthub: finds its files, and does without the old --version', async (t) => {
  const cwd = t.testdir({});
  t.same(await kwctl(['scaffold', 'artifacthub'], { cwd }), {
    code: 1,
    stdout: '',
    stderr: "Error: path to metadata file not provided, plus 'metadata.yml' not found\n",
  });
  writeFileSync(join(cwd, 'metadata.yaml'), METADATA);
  writeFileSync(join(cwd, 'questions.yaml'), 'last\n');
  const found = await kwctl(['scaffold', 'artifacthub', '-v', '9.9.9'], { cwd });
  t.match(found, { code: 0, stderr: /WARN kwctl::scaffold: the --version flag is deprecated and ignored/ });
  t.match(found.stdout, /^version: 1\.10\.0\n/m);
  t.match(found.stdout, /questions-ui: \|\n {4}last\n/);
  writeFileSync(join(cwd, 'metadata.yml'), METADATA.replace('1.10.0', '2.0.0'));
  writeFileSync(join(cwd, 'questions-ui.yml'), 'first\n');
  const preferred = await kwctl(['scaffold', 'artifacthub'], { cwd });
  t.match(preferred, { code: 0, stderr: '', stdout: /^version: 2\.0\.0$[^]*questions-ui: \|\n {4}first\n/m });
  t.match(preferred.stdout, /createdAt: 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z\n/);
});

test('mail addresses of authors: RFC 5322', (t) => {
  const cases: [string, [name: string, email: string][]][] = [
    ['a@b', [['a@b', 'a@b']]],
    [
      '  Ann  Bee <a.b+c@x.example> , c@d,',
      [
        ['Ann Bee', 'a.b+c@x.example'],
        ['c@d', 'c@d'],
      ],
    ],
    ['"Bee, Ann" <a@b>', [['Bee, Ann', 'a@b']]],
    ['"say \\"hi\\"" <a@b>', [['say "hi"', 'a@b']]],
    ['J. R. Bee <a@b>', [['J. R. Bee', 'a@b']]],
    ['Ann (of (the) team) <a@b> (x)', [['Ann', 'a@b']]],
    ['José Ñ <jose@münchen.example>', [['José Ñ', 'jose@münchen.example']]],
    ['"a b"@c.example', [['"a b"@c.example', '"a b"@c.example']]],
    ['a@[127.0.0.1]', [['a@[127.0.0.1]', 'a@[127.0.0.1]']]],
    [
      'Team: Ann <a@b>, c@d;, e@f',
      [
        ['Ann', 'a@b'],
        ['c@d', 'c@d'],
        ['e@f', 'e@f'],
      ],
    ],
    ['<a@b>', [['a@b', 'a@b']]],
  ];
  for (const [text, expected] of cases) {
    t.same(
      parseAddressList(text),
      expected.map(([name, email]) => ({ name, email })),
      text,
    );
  }
  const bad = [
    '',
    ',',
    'Ann',
    'Ann Bee',
    'a@',
    '@b',
    'a@@b',
    'a@b@c',
    'a b@c',
    '.a@b',
    'a..b@c',
    'a@-b',
    'a@b.',
    'a@b-',
  ];
  bad.push(
    'Ann <a@b',
    'Ann <a>',
    'Ann <a@b> x',
    'A <a@b> B <c@d>',
    '"Ann <a@b>',
    'Ann (a@b',
    'T: a@b',
    'a@b;',
    'a\u0000@b',
  );
  for (const text of bad) t.throws(() => parseAddressList(text), { name: 'SyntaxError' }, JSON.stringify(text));
  t.throws(() => parseAddressList('a@b,'.repeat(10_000)), /at most 16384 characters/);
  t.end();
});

test('damaged author lists are read or refused', (t) => {
  const random = randomFrom(5);
  const text = Buffer.from('Ann <a@b.example>, "B \\" C" <b@c>, T: d@e, (x (y)) f@[1];');
  const pieces = ['<', '>', ',', ';', '"', '(', ')', '\\', '@', 'é'].map((piece) => Buffer.from(piece));
  let read = 0;
  for (let round = 0; round < 5000; round++) {
    try {
      const list = parseAddressList(
        damage(text, random, pieces).reduce((all, byte) => all + String.fromCharCode(byte), ''),
      );
      if (list.every(({ name, email }) => name !== '' && email.includes('@'))) read++;
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
  t.ok(read > 300 && read < 4700, `${read} read`);
  t.end();
});
