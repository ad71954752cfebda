import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { missingTool, policyModule, startApiServer } from '@portcullis/testkit';
import { test, type Test } from 'tap';
import { base64 } from '../../../kubernetes/test-cluster.ts';
import { kwctl, type Outcome } from '../../../test/kwctl-process.ts';
import { scaffold } from '../scaffold-run.ts';

const PLACEHOLDER =
  'this-is-the-plural-name-of-the-resource-this-information-is-not-used-by-policies-and-requires-a-connection-to-an-api-server-to-be-obtained';

const POD = `kind: Pod
apiVersion: v1
metadata:
  name: web
  labels: {b: "1", a: "2"}
spec:
  priority: 18446744073709551615
  share: 1.0
  containers: []
  extra: {}
`;

function golden(kind: string, resource: string, place: string): string {
  return `{
  "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
  "kind": ${kind},
  "resource": ${resource},
  "requestKind": ${kind},
  "requestResource": ${resource},
  ${place}
  "operation": "CREATE",
  "userInfo": {
    "groups": [
      "system:masters"
    ],
    "username": "test-user"
  },
  "object": `;
}

function named(group: string, version: string, [member, value]: [string, string]): string {
  return `{\n    "group": "${group}",\n    "version": "${version}",\n    "${member}": "${value}"\n  }`;
}

const POD_OBJECT = `{
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
      "labels": {
        "a": "2",
        "b": "1"
      },
      "name": "web"
    },
    "spec": {
      "containers": [],
      "extra": {},
      "priority": 18446744073709551615,
      "share": 1.0
    }
  }
}
`;

async function create(t: Test, text: string, ...args: string[]): Promise<Outcome & { path: string; home: string }> {
  const home = t.testdir({});
  const path = join(home, 'object.yaml');
  writeFileSync(path, text);
  const outcome = await scaffold(['admission-request', '-o', 'CREATE', '--object', path, ...args], { home });
  return { ...outcome, path, home };
}

test('scaffold admission-request works without a cluster, and leaves the file as it is', async (t) => {
  const { code, stdout, stderr, path, home } = await create(t, POD);
  const pod = named('', 'v1', ['kind', 'Pod']);
  t.equal(stdout, golden(pod, named('', 'v1', ['resource', PLACEHOLDER]), '"name": "web",') + POD_OBJECT);
  t.match(stderr, /^\S+ {2}WARN kwctl::scaffold::admission_request: The plural name of v1\/Pod is not known/);
  t.match(stderr, /failed to infer config: in-cluster: \(.*\), kubeconfig: \(.*\)\n$/);
  t.equal(stderr.split('\n').length, 2, 'one warning');
  t.equal(code, 0);
  t.equal(readFileSync(path, 'utf8'), POD);
  const file = join(home, '.cache/kubewarden/kwctl/resource_catalog.json');
  t.throws(() => readFileSync(file), { code: 'ENOENT' }, 'FIX: no empty catalog is kept');
});

test('scaffold admission-request: names and namespaces of the object', async (t) => {
  const namespaced = await create(t, 'apiVersion: apps/v1\nkind: D\nmetadata: {namespace: n, generateName: g-}\n');
  t.match(namespaced.stdout, /^ {2}"namespace": "n",\n {2}"operation": "CREATE",$/m);
  t.match(namespaced.stdout, named('apps', 'v1', ['kind', 'D']));
  t.notMatch(namespaced.stdout, /^ {2}"name"/m);
  t.match(
    (await create(t, '{"apiVersion":"v1","kind":"X"}')).stdout,
    /"object": \{\n.*\n.*\n {4}"metadata": \{\}\n {2}\}/,
  );
});

test('scaffold admission-request: what cannot be a request', async (t) => {
  const missing = (path: string): string => `Error: object defined inside of ${path} is missing types\n`;
  for (const text of ['{}', 'kind: Pod', 'apiVersion: v1', 'apiVersion: 1\nkind: Pod']) {
    const { path, ...outcome } = await create(t, text);
    t.match(outcome, { code: 1, stdout: '', stderr: missing(path) }, text);
  }
  const cases: [string, RegExp][] = [
    ['', /^Error: failed to parse object file .*object\.yaml: expected a Kubernetes object\n/],
    ['[]', /expected a Kubernetes object/],
    ['a: [', /failed to parse object file .* line 1/],
    [`${POD}---\n${POD}`, /more than one document/],
    ['a: 1\na: 2', /duplicate field `a`/],
    ['{apiVersion: a/b/c, kind: P}', /expected an apiVersion such as v1 or apps\/v1 and a kind, got 'a\/b\/c' and 'P'/],
    ['{apiVersion: v1, kind: P, metadata: []}', /metadata: expected an object/],
    ['{apiVersion: v1, kind: P, metadata: {name: 1}}', /metadata\.name: expected a string/],
  ];
  for (const [text, stderr] of cases) t.match(await create(t, text), { code: 1, stdout: '', stderr }, text);

  const home = t.testdir({ 'o.yaml': POD });
  const command = async (...args: string[]): Promise<Outcome> => scaffold(['admission-request', ...args], { home });
  const path = join(home, 'o.yaml');
  t.match(await command('-o', 'CREATE'), { code: 1, stderr: 'Error: CREATE operation requires an object\n' });
  t.match(await command('-o', 'CREATE', '--object', path, '--old-object', path), {
    code: 1,
    stderr: 'Error: CREATE operation does not require an old_object\n',
  });
  t.match(await command('-o', 'CREATE', '--object', join(home, 'none')), {
    code: 1,
    stderr: `Error: failed to open object file ${home}/none: No such file or directory (os error 2)\n`,
  });
  for (const operation of ['UPDATE', 'DELETE', 'create']) {
    t.match(await command('-o', operation, '--object', path), {
      code: 2,
      stderr: /invalid value '\w+' for '--operation/,
    });
  }
});

test(
  'scaffold admission-request asks a real API server, once, and what it prints can be run',
  { skip: await missingTool('etcd', 'kube-apiserver') },
  async (t) => {
    const api = await startApiServer();
    t.teardown(() => api.close());
    const cwd = t.testdir({});
    mkdirSync(join(cwd, '.kube'));
    const { authority, admin } = api;
    writeFileSync(
      join(cwd, '.kube/config'),
      `current-context: x
clusters: [{name: x, cluster: {server: "${api.url}", certificate-authority-data: ${base64(authority.cert)}}}]
contexts: [{name: x, context: {cluster: x, user: x}}]
users: [{name: x, user: {client-certificate-data: ${base64(admin.cert)}, client-key-data: ${base64(admin.key)}}}]
`,
    );
    const request = async (text: string): Promise<Outcome> => {
      writeFileSync(join(cwd, 'object.yaml'), text);
      return kwctl(['scaffold', 'admission-request', '-o', 'CREATE', '--object', 'object.yaml'], { cwd });
    };
    const pod = await request(POD);
    const expected = golden(
      named('', 'v1', ['kind', 'Pod']),
      named('', 'v1', ['resource', 'pods']),
      '"name": "web",\n  "namespace": "default",',
    );
    t.same(pod, { code: 0, stdout: expected + POD_OBJECT, stderr: '' });

    const catalog = JSON.parse(readFileSync(join(cwd, 'cache/kubewarden/kwctl/resource_catalog.json'), 'utf8'));
    t.match(catalog.resources, {
      '|v1|Pod': { name: 'pods', singularName: 'pod', namespaced: true, kind: 'Pod', shortNames: ['po'] },
      'apps|v1|Deployment': { name: 'deployments' },
      '|v1|Node': { namespaced: false },
    });
    t.notOk(Object.values(catalog.resources).some((each) => /\//.test(String((each as { name: string }).name))));

    const group = 'apiVersion: policies.example.org/v1\nkind: Rule\nmetadata: {name: r}\n';
    t.match(await request(group), {
      code: 0,
      stdout: PLACEHOLDER,
      stderr: /v1\/Rule .*: the cluster does not serve it/,
    });
    const definition = {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: 'rules.policies.example.org' },
      spec: {
        group: 'policies.example.org',
        scope: 'Cluster',
        names: { plural: 'rules', singular: 'rule', kind: 'Rule', listKind: 'RuleList' },
        versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
      },
    };
    const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
    t.match(await api.call('POST', definitions, JSON.stringify(definition)), { status: 201 });
    const served = async (): Promise<boolean> =>
      (await api.call('GET', '/apis/policies.example.org/v1')).body.includes('"rules"');
    while (!(await served())) await new Promise((resolve) => setTimeout(resolve, 50));
    const rule = await request(group);
    t.match(rule, { code: 0, stdout: '"resource": "rules"', stderr: '' }, 'a miss asks again');
    t.notMatch(rule.stdout, /"namespace"/, 'of the whole cluster');

    await api.close();
    t.same(await request(POD), pod, 'offline, from what was kept');

    writeFileSync(join(cwd, 'request.json'), pod.stdout);
    writeFileSync(join(cwd, 'policy.wasm'), await policyModule({ rejectWith: 'no pods' }));
    t.match(await kwctl(['run', '-r', 'request.json', 'policy.wasm'], { cwd }), {
      code: 0,
      stdout: /^\{"uid":"705ab4f5-6393-11e8-b7cc-42010a800002","allowed":false,.*"message":"no pods"/,
    });
  },
);
