import { stringifyJson } from '@portcullis/protocol';
import { test } from 'tap';
import { parsePolicies } from './policies.ts';
import { group, policy, problems } from './test-policies.ts';

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
    ['0b11', '3'],
  ];
  for (const [yaml, json] of cases) t.equal(settings(yaml), json, yaml);
  t.match(problems('p: {module: m, settings: {s: .nan}}'), [/expected a value JSON can hold, got NaN/]);
  t.match(problems('p: {module: m, settings: {s: 18446744073709551616}}'), [/^1:30 JSON number out of range/]);
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
