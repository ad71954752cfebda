import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringifyJson } from '@portcullis/protocol';
import { randomFrom } from '@portcullis/testkit';
import { test } from 'tap';
import { ServerError } from '../../errors.ts';
import type { GroupEntry, PolicyEntry } from './entry.ts';
import { loadPolicies } from './load.ts';
import { parsePolicies } from './policies.ts';

function problems(text: string): string[] {
  return parsePolicies(text).problems.map(({ position: { line, column }, message }) => `${line}:${column} ${message}`);
}

function policy(text: string): PolicyEntry {
  const { entries, problems } = parsePolicies(text);
  const [entry] = entries;
  if (problems.length > 0 || entry?.kind !== 'policy') throw new Error(JSON.stringify({ problems, entry }));
  return entry;
}

function group(text: string): GroupEntry {
  const { entries, problems } = parsePolicies(text);
  const [entry] = entries;
  if (problems.length > 0 || entry?.kind !== 'group') throw new Error(JSON.stringify({ problems, entry }));
  return entry;
}

function settings(text: string): string {
  return stringifyJson(policy(`p: {module: m, settings: {s: ${text}}}`).source.settings).slice(5, -1);
}

test('a policy is read with all its keys and their defaults', async (t) => {
  const bare = policy('p: {module: "file:///p.wasm"}');
  t.match(bare, { id: 'p', mode: 'protect', allowedToMutate: false, message: undefined });
  t.match(bare.source, { id: 'p', module: 'file:///p.wasm', timeoutMs: undefined, contextAwareResources: [] });
  t.equal(bare.source.settings.size, 0);
  t.equal(bare.source.allowList.allows('oci/v2/verify'), false, 'no hostCapabilities = deny all');
  const full = policy(`
clusterwide-no-priv:
  module: registry://ghcr.io/acme/no-priv:v1.0.0
  policyMode: monitor
  allowedToMutate: true
  message: ask SRE
  namespacedName: {Namespace: "", Name: no-priv}
  hostCapabilities: ["kubernetes/*", "oci/v2/verify"]
  contextAwareResources: [{apiVersion: v1, kind: Namespace}, {apiVersion: v1, kind: Namespace}, {apiVersion: v1, kind: Pod}]
  settings: {exempt: [db]}
  timeoutEvalSeconds: 5
`);
  t.match(full, { id: 'clusterwide-no-priv', mode: 'monitor', allowedToMutate: true, message: 'ask SRE' });
  t.equal(full.source.timeoutMs, 5000);
  t.equal(full.source.allowList.allows('oci/v2/verify'), true);
  t.equal(full.source.allowList.allows('oci/v1/verify'), false);
  t.same(full.source.contextAwareResources, [
    { apiVersion: 'v1', kind: 'Namespace' },
    { apiVersion: 'v1', kind: 'Pod' },
  ]);
  t.equal(stringifyJson(full.source.settings), '{"exempt":["db"]}');
});

test('a group is read with its members in their order', async (t) => {
  const read = group(`
images:
  expression: "signed() || (internal() && !latest())"
  message: "image is not acceptable"
  policyMode: monitor
  settings: {ignored: true}
  policies:
    signed:   {module: "ghcr.io/acme/signed:v2", hostCapabilities: ["oci/*"], settings: {keys: []}}
    internal: {module: "ghcr.io/acme/trusted-repos:v1", timeoutEvalSeconds: 3}
    latest:   {module: "ghcr.io/acme/trusted-repos:v1", settings: {tags: ["latest"]}}
`);
  t.match(read, { id: 'images', mode: 'monitor', message: 'image is not acceptable' });
  t.same([...read.members.keys()], ['signed', 'internal', 'latest']);
  t.match(read.members.get('internal'), { id: 'images/internal', timeoutMs: 3000 });
});

test('a map with both shapes is a policy', async (t) => {
  t.equal(policy('p: {module: m, policies: {a: {module: x}}, expression: "a()", message: "no"}').kind, 'policy');
});

test('JSON as the controller writes it is read like YAML', async (t) => {
  const text = JSON.stringify({
    'clusterwide-p': {
      namespacedName: { Namespace: '', Name: 'p' },
      module: 'file:///p.wasm',
      policyMode: 'protect',
      allowedToMutate: null,
      settings: { 'a/b': '\u{1f600}\t"\\', n: 9_007_199_254_740_991, deep: [[[{}]]] },
      contextAwareResources: [],
      hostCapabilities: ['*'],
      timeoutEvalSeconds: null,
    },
  });
  const read = policy(text.replace('9007199254740991', '9007199254740993'));
  t.equal(read.source.allowList.allows('net/v1/dns_lookup_host'), true);
  t.equal(stringifyJson(read.source.settings), '{"a/b":"\u{1f600}\\t\\"\\\\","deep":[[[{}]]],"n":9007199254740993}');
  t.match(policy('{\n\t"p": {\n\t\t"module": "m"\n\t}\n}'), { id: 'p' }, 'tabs as indentation');
});

test('an empty file serves nothing', async (t) => {
  for (const text of ['', '{}', '# only a comment\n', '\ufeff'])
    t.same(parsePolicies(text), { entries: [], problems: [], expressionProblems: [], warnings: [] });
});

test('null stands for absent where the controller writes it, and nowhere else', async (t) => {
  const read = policy('p: {module: m, settings: null, allowedToMutate: null, timeoutEvalSeconds: null, message: null}');
  t.equal(read.source.settings.size, 0);
  t.equal(read.message, undefined);
  t.same(problems('p: {module: m, policyMode: null}'), [
    "1:28 policy 'p': key 'policyMode': expected protect or monitor, got null",
  ]);
  t.match(problems('p: {module: m, contextAwareResources: null}'), [
    /expected a list of \{apiVersion, kind\}, got null/,
  ]);
  t.match(problems('p: {module: m, hostCapabilities: null}'), [/'hostCapabilities': expected a list, got null/]);
  t.match(problems('g: {policies: {}, expression: "true", message: null}'), [
    /key 'message': expected a text, got null/,
  ]);
});

test('FIX: every problem of the file is reported at once, with line, column, entry and key', async (t) => {
  t.same(
    problems(`
no/slash: {module: m}
mode: {module: m, policyMode: Protect}
nothing: {settings: {}}
old: {url: m}
types:
  module: 5
  allowedToMutate: yes
  settings: [1]
  timeoutEvalSeconds: 1.5
  message: 7
  contextAwareResources: [{apiVersion: v1}, x]
group:
  expression: "a()"
  policies:
    a: {module: m, policyMode: monitor, messsage: x, settings: 1}
    b/c: {module: m}
text: hello
`),
    [
      "2:1 policy name 'no/slash' contains a '/' character",
      `3:31 policy 'mode': key 'policyMode': expected protect or monitor, got "Protect"`,
      "4:1 policy 'nothing': expected a policy (key 'module') or a policy group (keys 'policies', 'expression', 'message')",
      "5:1 policy 'old': expected a policy (key 'module') or a policy group (keys 'policies', 'expression', 'message') – 'url' is no longer read, write 'module'",
      "7:11 policy 'types': key 'module': expected a text, got the number 5",
      "9:13 policy 'types': key 'settings': expected a map, got a list",
      "12:27 policy 'types': key 'contextAwareResources[0]': missing key 'kind'",
      `12:45 policy 'types': key 'contextAwareResources[1]': expected {apiVersion, kind}, got "x"`,
      "10:23 policy 'types': key 'timeoutEvalSeconds': expected a whole number of seconds, at least 1, got the number 1.5",
      `8:20 policy 'types': key 'allowedToMutate': expected true or false, got "yes"`,
      "11:12 policy 'types': key 'message': expected a text, got the number 7",
      `15:3 policy group 'group' contains policies with invalid names: ["b/c"]`,
      "16:20 policy group 'group', member 'a': unknown field 'policyMode', expected one of module, settings, contextAwareResources, timeoutEvalSeconds, hostCapabilities",
      "16:41 policy group 'group', member 'a': unknown field 'messsage', expected one of module, settings, contextAwareResources, timeoutEvalSeconds, hostCapabilities",
      "16:64 policy group 'group', member 'a': key 'settings': expected a map, got the number 1",
      "14:3 policy group 'group': missing key 'message'",
      '18:7 policy \'text\': expected a policy or a policy group, got string "hello"',
    ],
  );
});

test('what is no map is refused in the words scripts know', async (t) => {
  t.same(problems('[]'), ['1:1 invalid type: sequence, expected a map']);
  t.same(problems('null'), ['1:1 invalid type: unit value, expected a map']);
  t.same(problems('hello'), ['1:1 invalid type: string "hello", expected a map']);
  t.same(problems('17'), ['1:1 invalid type: integer `17`, expected a map']);
  t.match(problems('"": {module: m}'), [/Not a valid Policy ID: /]);
});

test('duplicate keys and numeric names pass, the last one wins', async (t) => {
  t.equal(policy('1: {module: a}\n1: {module: b}').source.module, 'b');
  t.equal(policy('1: {module: a}').id, '1');
  t.equal(policy('true: {module: a}').id, 'true');
  t.equal(policy('p: {module: a, module: b}').source.module, 'b');
});

test('a slip of the pen in a key is a warning', async (t) => {
  const { warnings, problems } = parsePolicies(
    'p: {module: m, allowedtomutate: true, comment: x}\nq: {module: m, polcyMode: monitor}',
  );
  t.same(problems, []);
  t.match(
    warnings.map(({ message }) => message),
    [
      "policy 'p': unknown key 'allowedtomutate' is ignored – did you mean 'allowedToMutate'?",
      "policy 'q': unknown key 'polcyMode' is ignored – did you mean 'policyMode'?",
    ],
  );
});

test('settings keep the exact spelling of numbers', async (t) => {
  const cases: [string, string][] = [
    ['9007199254740993', '9007199254740993'],
    ['18446744073709551615', '18446744073709551615'],
    ['-9223372036854775808', '-9223372036854775808'],
    ['1.0', '1.0'],
    ['1e3', '1000.0'],
    ['-0.0', '-0.0'],
    ['1.10', '1.1'],
    ['0x1f', '31'],
    ['0o17', '15'],
    ['0644', '"0644"'],
    ['-012', '"-012"'],
    ['1_000', '"1_000"'],
    ['"7"', '"7"'],
    ['yes', '"yes"'],
    ['True', 'true'],
    ['~', 'null'],
    ['2026-11-21', '"2026-11-21"'],
    ['18446744073709551616', '1.8446744073709552e+19'],
  ];
  for (const [yaml, json] of cases) t.equal(settings(yaml), json, yaml);
  t.match(problems('p: {module: m, settings: {s: .nan}}'), [/expected a value JSON can hold, got NaN/]);
});

test('settings have text keys only', async (t) => {
  t.match(problems('p: {module: m, settings: {a: [{1: x}], true: y}}'), [
    /key 'settings': expected a text as key, got true – quote it/,
    /key 'settings.a\[0\]': expected a text as key, got 1 – quote it/,
  ]);
  t.match(problems('p: {module: m, settings: {? [a] : x}}'), [/expected a text as key, got a list or a map/]);
  const hostile = policy('p: {module: m, settings: {__proto__: {x: 1}, constructor: 2}}');
  t.equal(stringifyJson(hostile.source.settings), '{"__proto__":{"x":1},"constructor":2}');
});

test('what could mean something else than it seems is refused', async (t) => {
  t.match(problems('p: {module: m}\n---\nq: {module: m}\n'), [/expected one YAML document, got several/]);
  t.match(problems('p: !policy {module: m}'), [/1:\d+ YAML tags are not supported, got "!policy"/]);
  t.match(problems('p: {module: !!binary aGk=}'), [/YAML tags are not supported/]);
  t.match(problems('a: &a {module: m}\nb:\n  <<: *a\n'), [/3:3 merge keys \(<<\) are not supported/]);
  t.match(problems('p: {module: m'), [/1:\d+ /]);
  t.match(problems('p: *nowhere'), ['1:4 alias without an anchor before it']);
});

test('aliases may repeat values but not multiply them without bound', async (t) => {
  const { entries, problems: none } = parsePolicies('a: &a {module: m, settings: {x: 1}}\nb: *a\n');
  t.same(none, []);
  t.same(
    entries.map(({ id }) => id),
    ['a', 'b'],
  );
  const bomb = ['x0: &x0 [1,1,1,1,1,1,1,1,1,1]'];
  for (let i = 1; i < 12; i++)
    bomb.push(
      `x${i}: &x${i} [${Array(10)
        .fill(`*x${i - 1}`)
        .join(',')}]`,
    );
  const start = performance.now();
  t.match(problems(bomb.join('\n')), [/aliases expand to more than 100000 values/]);
  t.match(problems('a: &a [*a]'), [/nested deeper than 127 levels/]);
  t.ok(performance.now() - start < 2000);
});

test('depth is bounded', async (t) => {
  for (const depth of [200, 5000, 20_000]) {
    const found = problems(`p: ${'['.repeat(depth)}${']'.repeat(depth)}`);
    t.match(found.at(-1), /nested/, String(depth));
  }
});

test('capability patterns are checked, and name the policy', async (t) => {
  t.match(problems('p:\n  module: m\n  hostCapabilities: [oci*]\n'), [
    /^3:21 bootstrap failure: invalid hostCapabilities pattern for policy p: invalid pattern "oci\*": /,
  ]);
  t.match(problems('g: {expression: "m()", message: x, policies: {m: {module: m, hostCapabilities: [""]}}}'), [
    /invalid hostCapabilities pattern for policy g\/m: invalid pattern: pattern must not be empty/,
  ]);
  t.match(problems('p: {module: m, hostCapabilities: [5]}'), [/key 'hostCapabilities\[0\]': expected a text/]);
});

test('the expression of a group is checked against its members', async (t) => {
  const wrong = (text: string): string[] =>
    parsePolicies(text).expressionProblems.map(
      ({ position, message }) => `${position.line}:${position.column} ${message}`,
    );
  const members = 'message: x, policies: {a: {module: m}}';
  t.same(wrong(`g: {expression: "a() ||", ${members}}`), [
    "1:17 policy group 'g': key 'expression': Syntax error: Script is incomplete (line 1, position 7)",
  ]);
  t.match(
    wrong(
      `ok: {module: m}\ng:\n  expression: >-\n    a() &&\n    nope()\n  message: x\n  policies: {a: {module: m}}\n`,
    ),
    [/^3:15 policy group 'g': key 'expression': Function not found: nope \(\) \(line 1, position 8\)$/],
  );
  t.match(wrong(`g: {expression: "1 + 1", ${members}}`), [/expecting bool/]);
  t.same(wrong(`g: {expression: "!a() || true", ${members}}`), []);
  for (const incomplete of ['g: {expression: "a()"}', `g: {expression: 5, ${members}}`, `g: {${members}}`]) {
    t.same(wrong(incomplete), [], 'no second problem about what is missing');
    t.not(problems(incomplete).length, 0);
  }
  t.same(wrong('g: {expression: "a()", message: x, policies: {a: 5}}'), [], 'the member is there, if wrong');
});

test('a report is one line, or one line per problem before the summary', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'policies-'));
  const path = join(folder, 'policies.yml');
  const load = async (text: string | Uint8Array, options = { continueOnErrors: false }) => {
    await writeFile(path, text);
    return loadPolicies(path, options);
  };
  const failure = async (promise: Promise<unknown>): Promise<ServerError> => {
    const error: unknown = await promise.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (error instanceof ServerError) return error;
    throw new Error('expected a ServerError');
  };
  t.equal(
    (await failure(load('[]'))).message,
    `error while loading policies from "${path}": ${path}:1:1: invalid type: sequence, expected a map`,
  );
  const two = await failure(load('b: 1\na/b: {module: x}'));
  t.equal(two.message, `error while loading policies from "${path}": 2 problems, listed above`);
  t.match(two.details, [/:1:4: policy 'b'/, /:2:1: policy name 'a\/b'/]);
  const group = 'g: {expression: "a() || b()", message: x, policies: {a: {module: m}}}';
  for (const continueOnErrors of [false, true]) {
    const both = await failure(load(`${group}\nb: 1\n`, { continueOnErrors }));
    t.match(both.details, [/:1:17: policy group 'g': key 'expression': Function not found: b /, /:2:4: policy 'b'/]);
  }
  t.match((await failure(load(group))).message, /:1:17: policy group 'g': key 'expression': Function not found: b /);
  const { entries, warnings } = await load(group, { continueOnErrors: true });
  t.equal(entries.length, 1);
  t.match(warnings, [/:1:17: policy group 'g': key 'expression': Function not found: b /]);
  const missing = await failure(loadPolicies(join(folder, 'none.yml'), { continueOnErrors: true }));
  t.equal(
    missing.message,
    `error while loading policies from "${join(folder, 'none.yml')}": No such file or directory (os error 2)`,
  );
  t.match((await failure(load(new Uint8Array([0xff, 0xfe])))).message, /expected UTF-8 text/);
});

test('fuzz: no text makes the reader throw or hang', async (t) => {
  const seed = `
p: &a {module: "file:///p.wasm", policyMode: monitor, settings: {a: [1, 2.5, "x"], b: ~}, hostCapabilities: ["oci/*"]}
g:
  expression: "a() && !b()"
  message: |
    no
  policies:
    a: {module: m, timeoutEvalSeconds: 5, contextAwareResources: [{apiVersion: v1, kind: Pod}]}
    b: *a
`;
  const pieces = [
    '{',
    '}',
    '[',
    ']',
    ':',
    ',',
    '&a',
    '*a',
    '!t',
    '<<: ',
    '---\n',
    '\n',
    ' ',
    '\t',
    '"',
    "'",
    '|',
    '>',
    '#',
    '? ',
    '- ',
    '%',
    '\u0000',
    '\ud800',
    '0x',
    '1e999',
    '.nan',
  ];
  const random = randomFrom(0x5eed);
  const untilMs = performance.now() + 1500;
  let runs = 0;
  for (; runs < 3000 && performance.now() < untilMs; runs++) {
    let text = seed;
    for (let edits = 1 + random(6); edits > 0; edits--) {
      const at = random(text.length);
      text = text.slice(0, at) + (pieces[random(pieces.length)] ?? '') + text.slice(at + random(4));
    }
    const { problems, entries } = parsePolicies(text);
    for (const { position, message } of problems) {
      if (!(position.line >= 1 && position.column >= 1 && message.length > 0))
        t.fail(JSON.stringify({ text, position, message }));
    }
    if (problems.length === 0 && entries.length > 12) t.fail(`too many entries: ${text}`);
  }
  t.ok(runs > 100, `${runs} runs`);
});
