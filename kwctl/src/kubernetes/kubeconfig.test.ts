import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { damage, randomFrom } from '@portcullis/testkit';
import { test, type Test } from 'tap';
import { KwctlError } from '../errors.ts';
import type { ClusterAccess } from './cluster-access.ts';
import { inferAccess } from './inferred-access.ts';
import { accessFromKubeconfig } from './kubeconfig.ts';
import { parseKubeconfig } from './kubeconfig-file.ts';
import { base64, environment, kubeconfig, PEM } from './test-cluster.ts';

async function accessWith(t: Test, text: string, files: Record<string, string> = {}): Promise<ClusterAccess> {
  const home = t.testdir({});
  for (const [name, content] of Object.entries(files)) writeFileSync(join(home, name), content, { mode: 0o755 });
  mkdirSync(join(home, '.kube'));
  writeFileSync(join(home, '.kube', 'config'), text);
  return accessFromKubeconfig(environment(home));
}

test('a kubeconfig says where the cluster is and who asks', async (t) => {
  const asks = async (user: string): Promise<ClusterAccess> =>
    accessWith(t, kubeconfig({ user }), { 'a.pem': PEM, 'a.key': 'key', 'a.token': 'from file\n' });
  t.same((await asks('token: 0123')).headers, { authorization: 'Bearer 0123' }, 'digits are a text');
  t.same((await asks('token: t, tokenFile: ../a.token')).headers, { authorization: 'Bearer from file' });
  t.same((await asks('username: u, password: "p:1"')).headers, { authorization: `Basic ${base64('u:p:1')}` });
  t.same((await asks('token: t, as: ann, as-uid: 7, as-groups: [a, "b,c"]')).headers, {
    authorization: 'Bearer t',
    'impersonate-user': 'ann',
    'impersonate-uid': '7',
    'impersonate-group': ['a', 'b,c'],
  });
  t.match((await asks('client-certificate: ../a.pem, client-key: ../a.key')).tls, { cert: PEM, key: 'key' });
  const both = `client-certificate: /nowhere, client-certificate-data: ${base64(PEM)}, client-key-data: ${base64(PEM)}`;
  t.match((await asks(both)).tls, { cert: PEM, key: PEM }, 'data wins over files');

  const at = async (cluster: string): Promise<ClusterAccess> => accessWith(t, kubeconfig({ cluster }));
  t.match(await at('server: "https://h/k8s/clusters/c-1/"'), {
    server: { href: 'https://h/k8s/clusters/c-1/' },
    tls: { rejectUnauthorized: true },
  });
  t.same((await at('server: "https://[::1]:6443", insecure-skip-tls-verify: true, tls-server-name: k')).tls, {
    servername: 'k',
    rejectUnauthorized: false,
  });
  t.match(await at(`server: https://h, certificate-authority-data: ${base64(PEM)}, proxy-url: http://p:1`), {
    tls: { ca: PEM },
    proxyUrl: 'http://p:1',
  });
  const anonymous = 'current-context: x\nclusters: [{name: x, cluster: {server: http://h}}]\n';
  t.same((await accessWith(t, `${anonymous}contexts: [{name: x, context: {cluster: x}}]\n`)).headers, {});
});

test('a list of kubeconfigs: the first of a name counts, missing files do not', async (t) => {
  const home = t.testdir({ 'a.token': 'beside the file' });
  const write = (name: string, text: string): string => {
    writeFileSync(join(home, name), text);
    return join(home, name);
  };
  const first = write('first', 'users: [{name: x, user: {tokenFile: a.token}}]\n');
  const second = write('second', kubeconfig({ cluster: 'server: https://second' }));
  const third = write('third', kubeconfig({ cluster: 'server: https://third' }).replace('current-context: x', ''));
  const infer = async (...paths: string[]): Promise<ClusterAccess> =>
    accessFromKubeconfig(environment(home, { KUBECONFIG: paths.join(':') }));
  t.match(await infer(first, join(home, 'missing'), '', second, third), {
    server: { hostname: 'second' },
    headers: { authorization: 'Bearer beside the file' },
  });
  t.match((await infer(third, second)).server.hostname, 'third');
  await t.rejects(infer(join(home, 'missing')), { message: `there is no kubeconfig at '${home}/missing'` });
});

test('what is wrong with a kubeconfig is said, secrets are not', async (t) => {
  const cases: [string, string | RegExp][] = [
    ['', 'there is no current-context in the kubeconfig'],
    ['{', /cannot parse kubeconfig '.*config': .* line 1/],
    ['- 1', /cannot parse kubeconfig '.*': .*invalid type: sequence, expected struct Kubeconfig/],
    ['a: &a [*a, *a]\ncurrent-context: x', /cannot parse kubeconfig/],
    ['current-context: x', "the kubeconfig has no context 'x', which is its current one"],
    ['current-context: x\ncontexts: [{name: x, context: {cluster: y}}]', "the kubeconfig has no cluster 'y'"],
    [kubeconfig({}).replace('users: [{name: x', 'users: [{name: y'), "the kubeconfig has no user 'x'"],
    [kubeconfig({ cluster: '' }), "the kubeconfig has no usable server URL: got ''"],
    [kubeconfig({ cluster: 'server: "file:///etc"' }), /no usable server URL/],
    [
      kubeconfig({ cluster: 'server: https://c, certificate-authority: ../none' }),
      /cannot read certificate-authority '.*none': No such file or directory \(os error 2\)/,
    ],
    [
      kubeconfig({ cluster: 'server: https://c, certificate-authority-data: "%%"' }),
      'certificate-authority-data of the kubeconfig is not a PEM text in base64',
    ],
    [kubeconfig({ cluster: 'server: https://c, insecure-skip-tls-verify: maybe' }), /expected a boolean/],
    [kubeconfig({ user: `client-certificate-data: ${base64(PEM)}` }), /a client-certificate, and no key to it/],
    [kubeconfig({ user: 'auth-provider: {name: gcp}' }), /auth-provider of the kubeconfig is not supported/],
    [kubeconfig({ user: 'exec: {command: x}' }), /credential plugin 'x': expected apiVersion client\.auth/],
    [kubeconfig({ user: `exec: {apiVersion: ${EXEC_V1}}` }), 'exec of the kubeconfig has no command'],
    [kubeconfig({ user: `exec: {apiVersion: ${EXEC_V1}, command: x, interactiveMode: Always}` }), /wants a terminal/],
    [
      kubeconfig({
        user: `exec: {apiVersion: ${EXEC_V1}, command: no-such-plugin, args: [s3cret], installHint: get it}`,
      }),
      "credential plugin 'no-such-plugin' failed: No such file or directory (os error 2) – get it",
    ],
  ];
  for (const [text, message] of cases) {
    await t.rejects(accessWith(t, text), { name: 'KwctlError', code: 'cluster-unusable', message }, String(message));
  }
});

const EXEC_V1 = 'client.authentication.k8s.io/v1';

test('credential plugins are asked as client-go asks them', async (t) => {
  const user = (more = ''): string =>
    `exec: {apiVersion: ${EXEC_V1}, command: ../plugin, args: [a b, "$HOME"], env: [{name: REGION, value: eu}]${more}}`;
  const plugin = async (script: string, more = ''): Promise<ClusterAccess> =>
    accessWith(t, kubeconfig({ user: user(more) }), { plugin: `#!/bin/sh\n${script}\n` });
  const answer = (status: string): string => `{"apiVersion":"${EXEC_V1}","kind":"ExecCredential","status":${status}}`;
  const asked = await plugin(
    `test "$1/$2/$REGION" = 'a b/$HOME/eu' && test ! -t 0 && echo '${answer('{"token":"x1"}')}'`,
  );
  t.same(asked.headers, { authorization: 'Bearer x1' });
  const informed = await plugin(
    `printf '${answer('{"token":"%s"}')}' "$(printf %s "$KUBERNETES_EXEC_INFO" | base64 -w0)"`,
    ', provideClusterInfo: true',
  );
  const info = String(informed.headers['authorization']).slice('Bearer '.length);
  t.same(JSON.parse(Buffer.from(info, 'base64').toString()), {
    apiVersion: EXEC_V1,
    kind: 'ExecCredential',
    spec: { interactive: false, cluster: { server: 'https://c:6443' } },
  });
  t.match(await plugin(`echo '${answer('{"clientCertificateData":"C","clientKeyData":"K"}')}'`), {
    tls: { cert: 'C', key: 'K' },
    headers: {},
  });
  const failures: [string, RegExp][] = [
    ['echo "log in first\u001b[2J" >&2; exit 3', /plugin' failed: log in first\\u\{1b\}\[2J$/],
    ['exit 3', /plugin' failed: it ended with exit code 3$/],
    ['echo no', /did not answer with an ExecCredential: expected ident/],
    [`echo '${answer('{}')}'`, /answered with neither a token nor a certificate/],
    [`echo '${answer('{"token":"t"}').replace('/v1', '/v1beta1')}'`, /expected an ExecCredential of client.auth/],
    ['head -c 2000000 /dev/zero', /failed: stdout maxBuffer length exceeded/],
  ];
  for (const [script, message] of failures) await t.rejects(plugin(script), { message }, script);
});

test('in a pod, the service account is used; outside of both, both reasons are given', async (t) => {
  const home = t.testdir({ account: { token: 'pod\n', 'ca.crt': PEM } });
  const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' };
  t.match(await inferAccess(environment(home, env), join(home, 'account')), {
    server: { href: 'https://[fd00::1]/' },
    tls: { ca: PEM, rejectUnauthorized: true },
    headers: { authorization: 'Bearer pod' },
  });
  await t.rejects(inferAccess(environment(home), join(home, 'account')), {
    message: `failed to infer config: in-cluster: (KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set), kubeconfig: (there is no kubeconfig at '${home}/.kube/config')`,
  });
  await t.rejects(inferAccess(environment(home, env), home), {
    message: /in-cluster: \(cannot read '.*token': No such file/,
  });
});

test('damaged kubeconfigs are understood or refused in words', (t) => {
  const text = Buffer.from(
    kubeconfig({ user: `exec: {apiVersion: ${EXEC_V1}, command: c, args: [a], env: [{name: n, value: v}]}` }),
  );
  const pieces = ['{', '}', '[', '- ', ': ', '&a ', '*a', '!!x ', '"', '\n', '\t', 'null', '\u0000'].map((piece) =>
    Buffer.from(piece),
  );
  const random = randomFrom(8);
  let refused = 0;
  for (let round = 0; round < 400; round++) {
    try {
      parseKubeconfig(Buffer.from(damage(text, random, pieces)).toString(), { path: 'f', folder: '/' });
    } catch (error) {
      refused++;
      if (!(error instanceof KwctlError) || !error.message.startsWith("cannot parse kubeconfig 'f': ")) throw error;
    }
  }
  t.ok(refused > 25 && refused < 375, `${refused} refused`);
  t.end();
});
