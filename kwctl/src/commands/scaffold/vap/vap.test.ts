import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { damage, policyModule, randomFrom } from '@portcullis/testkit';
import { test, type Test } from 'tap';
import { kwctl, REVIEW, type Outcome } from '../../../test/kwctl-process.ts';
import { scaffold } from '../scaffold-run.ts';
import { parseValidatingAdmissionPolicy } from './validating-admission-policy.ts';

const POLICY = `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: replicas
spec:
  failurePolicy: Fail
  paramKind: {kind: ConfigMap, apiVersion: v1}
  matchConstraints:
    matchPolicy: Exact
    objectSelector: {matchExpressions: [{values: [a], operator: In, key: k}]}
    resourceRules:
    - {scope: Namespaced, operations: [CREATE, UPDATE], resources: [deployments], apiVersions: [v1], apiGroups: [apps]}
    - {apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*/scale']}
  variables:
  - {name: replicas, expression: object.spec.replicas}
  validations:
  - {reason: Invalid, messageExpression: "'x: ' + string(variables.replicas)", message: too many, expression: variables.replicas <= 5}
  - {expression: '!has(object.spec.paused)'}
`;

const BINDING = `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: replicas-in-test
  labels: {team: a, app: "1"}
  annotations: {note: "2"}
spec:
  policyName: replicas
  validationActions: [Deny]
  paramRef: {parameterNotFoundAction: Deny, namespace: default, name: limits, selector: {matchLabels: {z: '1', a: '2'}}}
  matchResources:
    namespaceSelector: {matchLabels: {environment: test}}
`;

const GOLDEN = `apiVersion: policies.kubewarden.io/v1
kind: ClusterAdmissionPolicy
metadata:
  annotations:
    note: '2'
  labels:
    app: '1'
    team: a
  name: replicas-in-test
spec:
  module: registry://ghcr.io/kubewarden/policies/cel-policy:v1.0.0
  settings:
    failurePolicy: Fail
    variables:
    - expression: object.spec.replicas
      name: replicas
    paramKind:
      apiVersion: v1
      kind: ConfigMap
    paramRef:
      name: limits
      namespace: default
      parameterNotFoundAction: Deny
      selector:
        matchLabels:
          a: '2'
          z: '1'
    validations:
    - expression: variables.replicas <= 5
      message: too many
      messageExpression: '''x: '' + string(variables.replicas)'
      reason: Invalid
    - expression: '!has(object.spec.paused)'
  rules:
  - apiGroups:
    - apps
    apiVersions:
    - v1
    resources:
    - deployments
    operations:
    - CREATE
    - UPDATE
  - apiGroups:
    - '*'
    apiVersions:
    - '*'
    resources:
    - '*/scale'
    operations:
    - '*'
  mutating: false
  matchPolicy: Exact
  namespaceSelector:
    matchLabels:
      environment: test
  objectSelector:
    matchExpressions:
    - key: k
      operator: In
      values:
      - a
`;

const PINNED = 'registry://ghcr.io/kubewarden/policies/cel-policy:v1.0.0';

interface Files {
  policy?: string;
  binding?: string;
}

async function vap(t: Test, { policy = POLICY, binding = BINDING }: Files, ...args: string[]): Promise<Outcome> {
  const home = t.testdir({});
  writeFileSync(join(home, 'p.yaml'), policy);
  writeFileSync(join(home, 'b.yaml'), binding);
  return scaffold(['vap', '-p', join(home, 'p.yaml'), '-b', join(home, 'b.yaml'), ...args], { home });
}

test('scaffold vap: every member, in order; with a pinned module stderr is empty', async (t) => {
  t.same(await vap(t, {}, '--cel-policy', PINNED), { code: 0, stdout: GOLDEN, stderr: '' });
});

test('scaffold vap: only what must be there', async (t) => {
  const policy = `{"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
    "spec": {"variables": null, "matchConstraints": {"resourceRules": [{}]}}}`;
  const binding = 'apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding\nspec: {}\n';
  const { stdout } = await vap(t, { policy, binding });
  t.equal(
    stdout,
    `apiVersion: policies.kubewarden.io/v1
kind: ClusterAdmissionPolicy
metadata: {}
spec:
  module: ghcr.io/kubewarden/policies/cel-policy:latest
  settings: {}
  rules:
  - apiGroups: []
    apiVersions: []
    resources: []
    operations: []
  mutating: false
`,
  );
});

test('scaffold vap: warns of modules that may change, and of what cannot be converted', async (t) => {
  const latest = /WARN kwctl::scaffold::vap: Using the 'latest' version of the CEL policy/;
  t.match(await vap(t, {}), { code: 0, stderr: latest });
  for (const module of ['ghcr.io/x/cel', 'registry://ghcr.io/x/cel', 'registry://ghcr.io/x/cel:latest']) {
    t.match(await vap(t, {}, '--cel-policy', module), { code: 0, stderr: latest, stdout: `  module: ${module}\n` });
  }
  const digest = `ghcr.io/x/cel@sha256:${'0'.repeat(64)}`;
  for (const module of [digest, `registry://${digest}`, 'ghcr.io/x/cel:v1', 'registry://ghcr.io/x/cel:v1']) {
    t.match(await vap(t, {}, '--cel-policy', module), { code: 0, stderr: '' }, `FIX: ${module}`);
  }
  const noReference = /WARN .*: The CEL policy module specified is not a valid OCI reference\n$/;
  t.match(await vap(t, {}, '--cel-policy', 'ghcr.io/X Y'), { code: 0, stderr: noReference });

  const ignored = POLICY.replace(
    'spec:\n',
    'spec:\n  auditAnnotations: [{key: a, valueExpression: b}]\n  matchConditions: [{name: m, expression: "true"}]\n',
  );
  const warned = (await vap(t, { policy: ignored }, '--cel-policy', PINNED)).stderr;
  t.match(warned, "auditAnnotations are not supported by Kubewarden's CEL policy yet. They will be ignored.\n");
  t.match(warned, "matchConditions are not supported by Kubewarden's CEL policy yet. They will be ignored.\n");
  const wider = POLICY.replace('scope: Namespaced', 'resourceNames: [a]').replace(
    'matchPolicy: Exact',
    'excludeResourceRules: [{apiGroups: ["*"]}]',
  );
  const widened = (await vap(t, { policy: wider }, '--cel-policy', PINNED)).stderr;
  t.match(widened, /WARN .*: excludeResourceRules cannot be expressed.*\n.* WARN .*: resourceNames cannot be/);
});

test('scaffold vap: what is no policy, no binding, or makes no sense together', async (t) => {
  const policyProblem = 'Error: cannot convert given data into a ValidatingAdmissionPolicy: #';
  const bindingProblem = 'Error: cannot convert given data into a ValidatingAdmissionPolicyBinding: #';
  const cases: [Files, string | RegExp][] = [
    [
      { policy: BINDING },
      `${policyProblem}invalid value: "ValidatingAdmissionPolicyBinding", expected ValidatingAdmissionPolicy\n`,
    ],
    [
      { binding: POLICY },
      `${bindingProblem}invalid value: "ValidatingAdmissionPolicy", expected ValidatingAdmissionPolicyBinding\n`,
    ],
    [
      { policy: POLICY.replace('io/v1', 'io/v1beta1') },
      /Policy: #invalid value: "admissionregistration.k8s.io\/v1beta1", expected/,
    ],
    [{ policy: '' }, `${policyProblem}expected an object of kind ValidatingAdmissionPolicy\n`],
    [{ policy: 'a: b' }, `${policyProblem}missing field \`apiVersion\`\n`],
    [{ policy: '{' }, /ValidatingAdmissionPolicy: #.* at line 1/],
    [{ policy: `${POLICY}---\n${BINDING}` }, /#deserializing from YAML containing more than one document/],
    [{ policy: POLICY.slice(0, POLICY.indexOf('spec:')) }, `${policyProblem}missing field \`spec\`\n`],
    [{ policy: POLICY.replace('name: replicas, ', '') }, /#spec\.variables\[0\]: missing field `name`/],
    [
      { policy: POLICY.replace('[deployments]', 'deployments') },
      /#spec\.matchConstraints\.resourceRules\[0\]\.resources: invalid type: string/,
    ],
    [
      { policy: POLICY.replace('UPDATE', 'PATCH') },
      "Error: unknown operation 'PATCH', expected one of CREATE, UPDATE, DELETE, CONNECT, *\n",
    ],
    [
      { policy: POLICY.replace(/ {2}paramKind.*\n/, '') },
      'Error: Both paramKind and paramRef must be present together, or both absent\n',
    ],
    [
      { binding: BINDING.replace(/ {2}paramRef.*\n/, '') },
      'Error: Both paramKind and paramRef must be present together, or both absent\n',
    ],
    [
      { policy: POLICY.replace(/ {4}resourceRules:\n.*\n.*\n/, '') },
      /^Error: .* a policy without rules is never asked/,
    ],
  ];
  for (const [files, stderr] of cases) {
    t.match(await vap(t, files, '--cel-policy', PINNED), { code: 1, stdout: '', stderr }, String(stderr));
  }
  const home = t.testdir({});
  t.same(await scaffold(['vap', '-p', join(home, 'none'), '-b', 'x'], { home }), {
    code: 1,
    stdout: '',
    stderr: `Error: cannot open ${home}/none: #No such file or directory (os error 2)\n`,
  });
  t.match(await scaffold(['vap', '-p', 'x'], { home }), {
    code: 2,
    stderr: /the following required arguments were not provided:\n {2}--binding </,
  });
});

test('what scaffold vap prints, kwctl run accepts', async (t) => {
  const { stdout } = await vap(t, {}, '--cel-policy', `file://${t.testdirName}/policy.wasm`);
  const cwd = t.testdir({ 'review.json': REVIEW, 'policy.yaml': stdout });
  writeFileSync(join(cwd, 'policy.wasm'), await policyModule({ rejectWith: 'no' }));
  t.match(await kwctl(['run', '-r', 'review.json', 'policy.yaml'], { cwd }), {
    code: 0,
    stdout: '"allowed":false',
    stderr: '',
  });
});

test('damaged policies are read or refused', (t) => {
  const random = randomFrom(3);
  const pieces = ['{', '[', ': ', '- ', 'null', '"', '\n', '*'].map((piece) => Buffer.from(piece));
  let refused = 0;
  for (let round = 0; round < 300; round++) {
    try {
      parseValidatingAdmissionPolicy(Buffer.from(damage(Buffer.from(POLICY), random, pieces)).toString());
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      refused++;
    }
  }
  t.ok(refused > 20 && refused < 280, `${refused} refused`);
  t.end();
});
