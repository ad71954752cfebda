import { inspectModule, type LoadedModule } from '@portcullis/artifact';
import { watModule } from '@portcullis/testkit';
import { encodeUtf8, METADATA_SECTION, parseJson, replaceCustomSection, stringifyJson } from '@portcullis/protocol';
import { test } from 'tap';
import { KwctlError } from '../../errors.ts';
import { evaluationInput } from './admission-input.ts';
import { parseCustomResources } from './custom-resource.ts';
import { resolveExecutionMode } from './execution-mode.ts';
import { modulesOf } from './planned-policy.ts';
import { readSettings, settingsObject } from './settings.ts';
import { join } from 'node:path';

const MODULES = {
  wapc: '(module (memory (export "memory") 1) (func (export "__guest_call") (param i32 i32) (result i32) i32.const 1))',
  wasi: '(module (memory (export "memory") 1) (func (export "_start")))',
  rego: '(module (memory (export "memory") 1) (func (export "opa_eval") (param i32) (result i32) local.get 0))',
  gatekeeper:
    '(module (memory (export "memory") 1) (data (i32.const 9) "policy/violation\\00") (func (export "opa_eval") (param i32)))',
};

async function loaded(kind: keyof typeof MODULES | 'component', executionMode?: string): Promise<LoadedModule> {
  const bytes =
    kind === 'component' ? Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0) : await watModule(MODULES[kind]);
  if (executionMode === undefined) return inspectModule('file:///p.wasm', bytes);
  const metadata = encodeUtf8(JSON.stringify({ rules: [], mutating: false, executionMode }));
  return inspectModule('file:///p.wasm', replaceCustomSection(bytes, METADATA_SECTION, metadata));
}

test('execution mode: metadata and module agree, or the policy is not run', async (t) => {
  const cases: [Parameters<typeof loaded>, string | undefined, string | RegExp][] = [
    [['wapc'], undefined, 'kubewarden-wapc'],
    [['wapc'], 'kubewarden', 'kubewarden-wapc'],
    [['wapc'], 'kubewarden-wapc', 'kubewarden-wapc'],
    [['wasi'], 'wasi', 'wasi'],
    [['rego'], 'opa', 'opa'],
    [['gatekeeper'], 'gatekeeper', 'gatekeeper'],
    [['rego'], 'gatekeeper', /^The policy has no entrypoint named violation, .* an OPA policy is run with -e opa$/],
    [['component'], undefined, 'component'],
    [['component'], 'component', 'component'],
    [['wasi', 'wasi'], undefined, 'wasi'],
    [['rego', 'gatekeeper'], undefined, 'gatekeeper'],
    [['rego', 'opa'], 'opa', 'opa'],
    [['rego'], undefined, /^The policy has been created with Rego, please specify which Opa runtime has to be used$/],
    [['wasi'], undefined, /__guest_call\) not exported by wasm module.*-e wasi$/],
    [
      ['rego', 'kubewarden-wapc'],
      undefined,
      /^The policy has been created with Rego, the policy execution mode is wrong$/,
    ],
    [['wapc', 'opa'], undefined, /^The policy has not been created with Rego, the policy execution mode is wrong$/],
    [
      ['rego'],
      'wasi',
      /^The policy has been created with Rego, the policy execution mode specified via CLI flag is wrong$/,
    ],
    [
      ['wapc'],
      'gatekeeper',
      /^The policy has not been created with Rego, the policy execution mode specified via CLI flag/,
    ],
    [['wapc'], 'component', /^The policy is not a WebAssembly component/],
    [['component'], 'opa', /^The policy has not been created with Rego/],
    [['component'], 'kubewarden', /^The policy is a WebAssembly component/],
    [['wapc'], 'wasi', /^The policy is a waPC policy/],
    [['wasi'], 'kubewarden', /^The policy is a WASI policy/],
  ];
  for (const [module, flag, expected] of cases) {
    const label = `${module.join(' as ')}, -e ${flag}`;
    const policy = await loaded(...module);
    if (typeof expected === 'string') t.equal(resolveExecutionMode(policy, flag), expected, label);
    else
      t.throws(() => resolveExecutionMode(policy, flag), { code: 'execution-mode-invalid', message: expected }, label);
  }
});

test('a wrong -e cannot turn a rejection into an acceptance: -e gatekeeper on an OPA policy is refused', async (t) => {
  const policy = await loaded('rego', 'opa');
  t.throws(() => resolveExecutionMode(policy, 'gatekeeper'), {
    message:
      'The policy execution mode specified via CLI flag is wrong: the policy\'s metadata says "opa", the flag says "gatekeeper"',
  });
});

const CLUSTER_POLICY = `apiVersion: policies.kubewarden.io/v1
kind: ClusterAdmissionPolicy
metadata:
  name: one
spec:
  policyServer: default
  module: file:///p.wasm
  mode: monitor
  mutating: true
  message: custom
  settings: {n: 9007199254740993}
  timeoutEvalSeconds: 3
  contextAwareResources:
  - {apiVersion: v1, kind: Namespace}
  rules: []
  matchConditions: null
`;

const GROUP = `apiVersion: policies.kubewarden.io/v1
kind: AdmissionPolicyGroup
spec:
  expression: a() && b()
  message: both
  policies:
    a: {module: "file:///a.wasm", settings: null}
    b: {module: ghcr.io/x/y:v1}
`;

test('custom resources: policies and groups, one or more documents', async (t) => {
  const [policy, group] = parseCustomResources(`${CLUSTER_POLICY}---\n${GROUP}`, 'f.yaml');
  t.match(policy, { kind: 'policy', id: 'one', mode: 'monitor', allowedToMutate: true, message: 'custom' });
  const [, module] =
    modulesOf(
      policy ?? { kind: 'group', id: '', mode: 'protect', members: new Map(), expression: '', message: '' },
    )[0] ?? [];
  t.match(module, { timeoutMs: 3000, contextAwareResources: [{ apiVersion: 'v1', kind: 'Namespace' }] });
  t.equal(stringifyJson(module?.settings ?? null), '{"n":9007199254740993}');
  t.match(group, { kind: 'group', id: 'crd-without-name', mode: 'protect', expression: 'a() && b()', message: 'both' });
  t.same(group?.kind === 'group' && [...group.members.keys()], ['a', 'b']);
});

test('custom resources: errors name file, document and key', async (t) => {
  const head = (kind: string): string => `apiVersion: policies.kubewarden.io/v1\nkind: ${kind}\nspec:\n`;
  const cases: [string, RegExp][] = [
    ['', /^invalid apiVersion None \(f\.yaml\)$/],
    ['apiVersion: v1\nkind: Pod', /^invalid apiVersion Some\("v1"\) \(f\.yaml\)$/],
    [
      'apiVersion: policies.kubewarden.io/v1\nkind: Pod',
      /^unknown kind Some\("Pod"\), not a Kubewarden policy \(f\.yaml\)$/,
    ],
    [`${CLUSTER_POLICY}---\n`, /^invalid apiVersion None \(f\.yaml, document 2\)$/],
    [
      `${head('AdmissionPolicy')}  module: p\n  contextAwareResources: []`,
      /^cannot parse value into AdmissionPolicy: unknown field `contextAwareResources`, expected one of `mode`, `module`, .* \(f\.yaml\)$/,
    ],
    [
      `${head('ClusterAdmissionPolicy')}  settings: {}`,
      /^cannot parse value into ClusterAdmissionPolicy: missing field `module`/,
    ],
    [
      `${head('ClusterAdmissionPolicy')}  module: p\n  mode: loud`,
      /mode: unknown variant `loud`, expected `protect` or `monitor`/,
    ],
    [
      `${head('ClusterAdmissionPolicy')}  module: p\n  mutating: "yes"`,
      /mutating: invalid type: string "yes", expected a boolean/,
    ],
    [
      `${head('ClusterAdmissionPolicy')}  module: p\n  settings: [1]`,
      /^Invalid settings in CRD, not an object \(spec\.settings of crd-without-name\)/,
    ],
    [`${head('AdmissionPolicyGroup')}  expression: a()`, /missing field `policies`/],
    [
      `${head('AdmissionPolicyGroup')}  expression: a()\n  policies: {a: {module: p, contextAwareResources: []}}`,
      /^cannot parse value into AdmissionPolicyGroup: policies\.a: unknown field `contextAwareResources`, expected one of `module`, `settings`, `timeoutEvalSeconds`/,
    ],
    [`${head('AdmissionPolicy')}  module: ./p.wasm`, /^Invalid OCI image reference/],
    [
      `${head('AdmissionPolicy')}  module: a\n  module: b`,
      /^Cannot parse YAML file "f\.yaml": spec: duplicate field `module` at line 5/,
    ],
    ['a: [', /^Cannot parse YAML file "f\.yaml": .*at line/],
  ];
  for (const [text, message] of cases) {
    t.throws(
      () => parseCustomResources(text, 'f.yaml'),
      { name: 'KwctlError', code: 'custom-resource-invalid', message },
      text,
    );
  }
});

test('settings: files win, integers keep their digits, nothing is an empty object', async (t) => {
  const dir = t.testdir({
    's.yml': 'n: 9007199254740993\n1: a\nd: 1\nd: 2\nf: 1e3\nnan: .nan\ndate: 2020-01-01\nnull:\n',
    'big.yml': 'k: 18446744073709551616',
    'two.yml': 'a: 1\n---\nb: 2',
    'empty.yml': '',
    'list.yml': '- 1',
  });
  const file = async (name: string): Promise<string> =>
    stringifyJson(await readSettings(join(dir, name), '{"not":"used"}'));
  t.equal(
    await file('s.yml'),
    '{"1":"a","d":2,"date":"2020-01-01","f":1000.0,"n":9007199254740993,"nan":null,"null":null}',
  );
  t.equal(await file('empty.yml'), '{}');
  t.equal(
    stringifyJson(await readSettings(undefined, '{"b":1.0,"a":18446744073709551615}')),
    '{"a":18446744073709551615,"b":1.0}',
  );
  t.equal(stringifyJson(await readSettings(undefined, 'null')), '{}');
  t.equal(stringifyJson(await readSettings(undefined, undefined)), '{}');
  await t.rejects(file('big.yml'), {
    message: /^Cannot parse settings file .*big\.yml: k: JSON number out of range at line 1/,
  });
  await t.rejects(file('two.yml'), {
    message: /deserializing from YAML containing more than one document is not supported$/,
  });
  await t.rejects(file('list.yml'), {
    message: /^Invalid settings in CRD, not an object \(settings file .*list\.yml\)$/,
  });
  await t.rejects(file('none.yml'), { message: /^Cannot open settings file .*none\.yml: .*No such file or directory/ });
  await t.rejects(readSettings(undefined, '{'), {
    message: /^Cannot parse settings JSON: EOF while parsing an object at line 1 column 1$/,
  });
  t.throws(() => settingsObject('text', ''), KwctlError);
});

test('requests: a bare request, an AdmissionReview, or anything when raw', async (t) => {
  const names = '{"group":"","version":"v1","kind":"Pod"}';
  const bare = `{"uid":"u","kind":${names},"resource":{"group":"","version":"v1","resource":"pods"},"operation":"CREATE","userInfo":{},"x":1}`;
  for (const text of [bare, `{"kind":"AdmissionReview","request":${bare}}`]) {
    t.match(evaluationInput(parseJson(text), false, 'r.json'), {
      kind: 'kubernetes',
      request: { uid: 'u', operation: 'CREATE' },
    });
  }
  t.match(evaluationInput(parseJson('[1]'), true, 'r.json'), { kind: 'raw' });
  for (const [text, message] of [
    ['{}', /^cannot build AdmissionRequest object from given input: missing field `uid` \(request file r\.json\)$/],
    [bare.replace(names, '"Pod"'), /invalid type: string "Pod", expected struct GroupVersionKind/],
    ['{"kind":"AdmissionReview"}', /^invalid AdmissionReview object/],
    ['[]', /^Invalid request object/],
  ] as const) {
    t.throws(() => evaluationInput(parseJson(text), false, 'r.json'), { code: 'request-invalid', message }, text);
  }
});
