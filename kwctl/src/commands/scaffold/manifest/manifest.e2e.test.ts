import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  createCosignKeys,
  missingTool,
  policyModule,
  pushPolicyModule,
  registryTools,
  signWithKey,
  startRegistry,
  type PolicyModuleOptions,
} from '@portcullis/testkit';
import { test, type Test } from 'tap';
import { kwctl, line, REVIEW, type Outcome } from '../../../test/kwctl-process.ts';
import { scaffold } from '../scaffold-run.ts';

const CLUSTER = ['manifest', '-t', 'ClusterAdmissionPolicy'];
const NAMESPACED = ['manifest', '-t', 'AdmissionPolicy'];

const METADATA = {
  rules: [{ operations: ['CREATE'], resources: ['pods', 'pods/*'], apiVersions: ['v1'], apiGroups: [''] }],
  mutating: true,
  backgroundAudit: false,
  contextAwareResources: [
    { kind: 'Pod', apiVersion: 'v1' },
    { kind: 'Namespace', apiVersion: 'v1' },
  ],
  annotations: {
    'io.kubewarden.policy.title': 'label-policy',
    'io.kubewarden.policy.severity': 'medium',
    'io.kubewarden.policy.category': 'Resource: validation',
    'io.kubewarden.policy.author': 'Ann',
  },
};

async function policyFile(t: Test, metadata: PolicyModuleOptions['metadata']): Promise<{ home: string; path: string }> {
  const home = t.testdir({});
  const path = join(home, 'policy.wasm');
  writeFileSync(path, await policyModule({ ...(metadata !== undefined && { metadata }) }));
  return { home, path };
}

function golden(kind: string, path: string, { settings = ' {}', resources = '' } = {}): string {
  return `apiVersion: policies.kubewarden.io/v1
kind: ${kind}
metadata:
  annotations:
    io.kubewarden.policy.category: 'Resource: validation'
    io.kubewarden.policy.severity: medium
  name: label-policy
spec:
  module: file://${path}
  settings:${settings}
  rules:
  - apiGroups:
    - ''
    apiVersions:
    - v1
    resources:
    - pods
    - pods/*
    operations:
    - CREATE
  mutating: true
  backgroundAudit: false
${resources}`;
}

const RESOURCES = `  contextAwareResources:
  - apiVersion: v1
    kind: Namespace
  - apiVersion: v1
    kind: Pod
`;

/** The messages of warnings, without time and target. */
function warnings(stderr: string): string[] {
  return stderr.split('\n').flatMap((text) => /^\S+ {2}WARN kwctl::scaffold: (.*)$/.exec(text)?.[1] ?? []);
}

test('scaffold manifest: every member, in order; access to the cluster only where it is granted', async (t) => {
  const { home, path } = await policyFile(t, METADATA);
  const denied = await scaffold([...CLUSTER, path], { home });
  t.match(denied, { code: 0, stdout: golden('ClusterAdmissionPolicy', path) });
  t.same(warnings(denied.stderr), [
    'Policy requires access to Kubernetes resources at evaluation time. For safety reasons, the `contextAwareResources` attribute has been left empty.',
    'Carefully review which types of Kubernetes resources the policy needs via the `inspect` command, then populate the `contextAwareResources` accordingly.',
    'Otherwise, invoke the `scaffold` command using the `--allow-context-aware` flag.',
  ]);
  const granted = await scaffold([...CLUSTER, path, '--allow-context-aware'], { home });
  t.match(granted, { code: 0, stdout: golden('ClusterAdmissionPolicy', path, { resources: RESOURCES }) });
  t.same(warnings(granted.stderr), [
    'Policy has been granted access to the Kubernetes resources mentioned by its metadata.',
    'Carefully review the contents of the `contextAwareResources` attribute for abuses.',
  ]);
  const namespaced = { code: 0, stdout: golden('AdmissionPolicy', path), stderr: '' };
  t.same(await scaffold([...NAMESPACED, path, '--allow-context-aware'], { home }), namespaced);
});

test('scaffold manifest: a policy without title or annotations, and titles given', async (t) => {
  const { home, path } = await policyFile(t, { rules: [] });
  const plain = await scaffold([...CLUSTER, `file://${path}`], { home });
  t.same(plain, {
    code: 0,
    stdout: `apiVersion: policies.kubewarden.io/v1
kind: ClusterAdmissionPolicy
metadata: {}
spec:
  module: file://${path}
  settings: {}
  rules: []
  mutating: false
`,
    stderr: '',
  });
  const titled = async (title: string): Promise<Outcome> => scaffold([...NAMESPACED, path, '--title', title], { home });
  for (const title of ['a', '0.b-c.d', 'a'.repeat(63), Array.from({ length: 126 }, () => 'a').join('.')]) {
    t.match(await titled(title), { code: 0, stdout: new RegExp(`^metadata:\n  name: '?${title}'?$`, 'm') });
  }
  for (const title of [
    '',
    'A',
    'a_b',
    '.a',
    'a.',
    'a..b',
    '-',
    'a-',
    'ü',
    'a b',
    'a'.repeat(64),
    'a.'.repeat(127) + 'b',
  ]) {
    t.same(await titled(title), {
      code: 1,
      stdout: '',
      stderr: `Error: Invalid title '${title}'. Must conform to RFC 1123: use lowercase alphanumeric chars, '-' or '.', and start/end with an alphanumeric character.\n`,
    });
  }
});

test('scaffold manifest: settings keep the order of their members and the text of their numbers', async (t) => {
  const { home, path } = await policyFile(t, METADATA);
  const write = (text: string): string => {
    writeFileSync(join(home, 'settings'), text);
    return join(home, 'settings');
  };
  const command = [...NAMESPACED, path];
  const settings = `
    z: 1.0
    a:
    - 12345678901234567890
    - 'true'
    "1": null
    t: |
      lines
      more`;
  const yaml = await scaffold([...command, '-s', write(settings.replaceAll('\n    ', '\n'))], { home });
  t.same(yaml, {
    code: 0,
    stdout: golden('AdmissionPolicy', path, { settings: settings.replaceAll('"', "'") }),
    stderr: '',
  });
  const json = '{"z":1.0,"a":[12345678901234567890,"true"],"1":null,"t":"lines\\nmore\\n"}';
  t.equal((await scaffold([...command, '--settings-json', json], { home })).stdout, yaml.stdout);
  for (const nothing of ['', 'null', '{}', '# only words\n']) {
    t.match(await scaffold([...command, '-s', write(nothing)], { home }), { stdout: '  settings: {}\n' });
  }
  const cases: [string, string | RegExp][] = [
    ['[1]', /^Error: invalid type: sequence, expected a YAML mapping \(settings file .*\)\n/],
    ['text', /^Error: invalid type: string "text", expected a YAML mapping /],
    ['1.0', /^Error: invalid type: floating point `1\.0`, expected a YAML mapping /],
    ['a: [', /^Error: Cannot parse settings file .*: .* line 1/],
    ['a: 1\n---\nb: 2', /more than one document/],
  ];
  for (const [text, stderr] of cases) {
    t.match(await scaffold([...command, '-s', write(text)], { home }), { code: 1, stdout: '', stderr }, text);
  }
  t.match(await scaffold([...command, '--settings-json', '[]'], { home }), {
    code: 1,
    stderr: 'Error: invalid type: sequence, expected a YAML mapping (settings JSON)\n',
  });
  t.match(await scaffold([...command, '-s', join(home, 'none')], { home }), {
    code: 1,
    stderr: `Error: Cannot open settings file ${home}/none: No such file or directory (os error 2)\n`,
  });
  t.match(await scaffold([...command, '-s', 'x', '--settings-json', '{}'], { home }), {
    code: 2,
    stderr: /^error: the argument '--settings-(?:path|json) <\w+>' cannot be used with '--settings-(?:path|json) </,
  });
});

test('scaffold manifest: metadata that is missing or not valid', async (t) => {
  const cases: [PolicyModuleOptions['metadata'], RegExp][] = [
    [null, /^Error: No Kubewarden metadata found inside of 'file:.*policy\.wasm'\.\nPolicies can be annotated with/],
    [
      { rules: [{ ...METADATA.rules[0], resources: ['*/*', 'pods'] }] },
      /^Error: rules\[0\]\.resources: if '\*\/\*' is present/,
    ],
    [{ protocolVersion: 'Unknown' }, /^Error: protocolVersion: must be specified for kubewarden-wapc policies/],
    [{ annotations: { 'io.kubewarden.policy.title': 'Not A Name' } }, /^Error: Invalid title 'Not A Name'\. /],
    [{ annotations: { 'io.kubewarden.policy.title': 'a\u001b[2Jb' } }, /^Error: Invalid title 'a\\u\{1b\}\[2Jb'\. /],
    [{ mutating: 1 }, /^Error: cannot deserialize custom section/],
  ];
  for (const [metadata, stderr] of cases) {
    const { home, path } = await policyFile(t, metadata);
    t.match(await scaffold([...CLUSTER, path], { home }), { code: 1, stdout: '', stderr });
  }
  const home = t.testdir({ 'no.wasm': 'no' });
  t.match(await scaffold([...CLUSTER, join(home, 'no.wasm')], { home }), { code: 1, stdout: '' });
  t.match(await scaffold([...CLUSTER, './missing.wasm'], { home }), {
    code: 1,
    stderr: /^Error: Cannot find policy with uri: \.\/missing\.wasm/,
  });
});

test('what scaffold manifest prints, kwctl run accepts', async (t) => {
  const cwd = t.testdir({ 'review.json': REVIEW });
  writeFileSync(join(cwd, 'policy.wasm'), await policyModule({ metadata: { ...METADATA, contextAwareResources: [] } }));
  for (const type of ['ClusterAdmissionPolicy', 'AdmissionPolicy']) {
    const args = ['scaffold', 'manifest', '-t', type, 'policy.wasm', '--settings-json', '{"a":{"b":[1.0]}}'];
    const { stdout } = await kwctl(args, { cwd });
    writeFileSync(join(cwd, 'policy.yaml'), stdout);
    t.same(await kwctl(['run', '-r', 'review.json', 'policy.yaml'], { cwd }), {
      code: 0,
      stdout: line(true),
      stderr: '',
    });
  }
});

const skip = await missingTool('cosign', ...registryTools({ referrers: true }));

test('scaffold manifest pulls what is not here, verified if asked to, and uses what is', { skip }, async (t) => {
  await using registry = await startRegistry({ referrers: true });
  const cwd = t.testdir({ 'sources.yml': JSON.stringify({ insecure_sources: [registry.host] }) });
  const keys = await createCosignKeys(cwd, { name: 'alice' });
  await createCosignKeys(cwd, { name: 'bob' });
  const bytes = await policyModule({ metadata: { annotations: { 'io.kubewarden.policy.title': 'from-registry' } } });
  const { repository, immutableReference: reference } = await pushPolicyModule(
    registry,
    'acme/policy',
    bytes,
    'latest',
  );
  await signWithKey({ reference, key: keys, format: 'bundle' });
  const manifest = async (...args: string[]): Promise<Outcome> =>
    kwctl(['scaffold', ...CLUSTER, '--sources-path', 'sources.yml', ...args], { cwd });
  const module = `  module: registry://${repository}:latest\n`;

  const wrong = await manifest(repository, '-k', 'bob.pub');
  t.match(wrong, {
    code: 1,
    stdout: '',
    stderr: `Error: Policy registry://${repository}:latest cannot be validated\n`,
  });
  const pulled = await manifest(repository, '-k', 'alice.pub');
  t.match(pulled, { code: 0, stdout: module });
  t.match(pulled.stdout, '  name: from-registry\n');
  t.match(
    pulled.stderr,
    ` INFO kwctl::scaffold: cannot find policy with uri: registry://${repository}:latest, trying to pull it from remote registry\n`,
  );
  const sha256 = createHash('sha256').update(bytes).digest('hex').slice(0, 12);
  t.match(await manifest(sha256), { code: 0, stdout: module, stderr: '' }, 'by the beginning of its digest');
  t.match(await manifest(repository, '-k', 'bob.pub'), { code: 1, stdout: '' }, 'stored, and asked for signatures');

  await registry[Symbol.asyncDispose]();
  t.match(await manifest(`registry://${repository}`), { code: 0, stdout: module, stderr: '' }, 'without a network');
  const other = await manifest(`${repository}:v2`);
  t.match(other, { code: 1, stdout: '', stderr: /INFO .*cannot find policy with uri: [^]*\nError: / });
  // What is in the store need not be a policy.
  const broken = join(cwd, 'cache/kubewarden/store/registry', `${repository}:v3`);
  mkdirSync(dirname(broken), { recursive: true });
  writeFileSync(broken, '<html>');
  t.match(await manifest(`${repository}:v3`), { code: 1, stdout: '' });
});
