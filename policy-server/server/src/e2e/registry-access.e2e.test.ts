import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, request, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import {
  createAuthority,
  createCredentialHelper,
  createServerCertificate,
  missingTool,
  policyModule,
  ProgrammableRegistry,
  pushPolicyModule,
  registryTools,
  startRegistry,
} from '@portcullis/testkit';
import { test, type Test } from 'tap';
import { servePolicy } from '../test/served-policy.ts';
import { documentFile, startProcess } from '../test/server-process.ts';
import { folder, review, start, startFailure } from '../test/test-server.ts';

let stores = 0;

interface Access {
  readonly sources?: object;
  /** Content of Docker's config.json. */
  readonly docker?: object;
}

async function flagsFor({ sources = {}, docker = {} }: Access): Promise<string[]> {
  const store = join(folder, `access-${stores++}`);
  await mkdir(join(store, 'docker'), { recursive: true });
  await writeFile(join(store, 'docker', 'config.json'), JSON.stringify(docker));
  return [
    `--sources-path=${await documentFile(sources)}`,
    `--docker-config-json-path=${join(store, 'docker')}`,
    `--policies-download-dir=${join(store, 'policies')}`,
    '--log-level=trace',
  ];
}

const basic = (user: string, password: string): object => ({
  auth: Buffer.from(`${user}:${password}`).toString('base64'),
});

const PLAIN = { referrers: false, program: 'distribution' } as const;
const SWITCHES = { referrers: false, basicAuth: { user: 'u', password: 'p' } } as const;

test(
  'TLS: an authority counts for the host it is given for, and for no other',
  { skip: await missingTool(...registryTools(PLAIN)) },
  async (t) => {
    const authority = await createAuthority('own');
    const stranger = await createAuthority('stranger');
    const tls = await createServerCertificate(authority);
    await using registry = await startRegistry({ ...PLAIN, tls, authority: authority.cert });
    await pushPolicyModule(registry, 'a/p', await policyModule({ rejectWith: 'over TLS' }));
    const policies = { p: { module: `registry://${registry.host}/a/p:v1` } };
    const path = join(folder, 'own.pem');
    await writeFile(path, authority.cert);
    for (const trusted of [
      { type: 'Path', path },
      { type: 'Data', data: authority.cert },
    ]) {
      const sources = { source_authorities: { [registry.host]: [trusted] } };
      await using server = await start(policies, await flagsFor({ sources }));
      t.match(await server.verdict('/validate/p'), { status: { message: /^over TLS$/ } }, trusted.type);
    }
    const own = { type: 'Data', data: authority.cert };
    for (const [name, sources] of Object.entries({
      'no authority': {},
      'the wrong one': { source_authorities: { [registry.host]: [{ type: 'Data', data: stranger.cert }] } },
      "another host's": { source_authorities: { '127.0.0.1': [own], 'localhost:443': [own] } },
      'an insecure host of the same name': { insecure_sources: ['127.0.0.1', 'localhost'] },
    })) {
      const { message } = await startFailure(policies, await flagsFor({ sources }));
      const begin = `Error while downloading policy 'p' from registry://${registry.host}/a/p:v1: Fail to interact with OCI registry: error sending request for url (https://${registry.host}/v2/) – invalid peer certificate: UnknownIssuer`;
      t.match(message, begin, name);
      t.match(message, 'name that in source_authorities of the sources file', name);
    }
    const insecure = await flagsFor({ sources: { insecure_sources: [registry.host] } });
    await (await start(policies, insecure))[Symbol.asyncDispose]();
    const trusting = await flagsFor({ sources: { source_authorities: { [registry.host]: [own] } } });
    const absent = { q: { module: `${registry.host}/a/none:v1` }, r: { module: 'http://127.0.0.1:1/p.wasm' } };
    const { details } = await startFailure(absent, trusting);
    const url = `https://${registry.host}/v2/a/none/manifests/v1`;
    t.match(details, [
      `Error while downloading policy 'q' from ${registry.host}/a/none:v1: Fail to interact with OCI registry: Registry error: url ${url}, envelope: OCI API errors: [OCI API error: manifest unknown]`,
      "Error while downloading policy 'r' from http://127.0.0.1:1/p.wasm: failed to create the http client: builder error for url (http://127.0.0.1:1/p.wasm)",
    ]);
  },
);

test(
  'credentials: docker config, credential helper, bearer and identity tokens, each to its own host',
  { skip: await missingTool(...registryTools(SWITCHES)) },
  async (t) => {
    const secrets = { basic: 'b4sic-pw', helper: 'h3lper-pw', bearer: 'b3arer-pw', identity: '1dentity-t0ken' };
    await using byConfig = await startRegistry({ referrers: false, basicAuth: { user: 'u', password: secrets.basic } });
    await using byHelper = await startRegistry({ referrers: true, basicAuth: { user: 'h', password: secrets.helper } });
    await using bearer = await ProgrammableRegistry.start({
      tokens: { basicAuth: { user: 'b', password: secrets.bearer }, expiresInSeconds: 11 },
    });
    await using identity = await ProgrammableRegistry.start({ tokens: { identityToken: secrets.identity } });
    await using open = await ProgrammableRegistry.start();
    await pushPolicyModule(byConfig, 'p', await policyModule({ rejectWith: 'byConfig' }));
    await pushPolicyModule(byHelper, 'p', await policyModule({ rejectWith: 'byHelper' }));
    servePolicy(bearer, 'p', await policyModule({ rejectWith: 'bearer' }));
    servePolicy(identity, 'p', await policyModule({ rejectWith: 'identity' }));
    servePolicy(open, 'p', await policyModule({ rejectWith: 'open' }));
    const registries = { byConfig, byHelper, bearer, identity, open };
    const hosts = Object.values(registries).map(({ host }) => host);
    const helper = await createCredentialHelper(join(folder, 'helpers'), 'test', {
      credentials: { [byHelper.host]: { user: 'h', secret: secrets.helper } },
    });
    const docker = {
      auths: {
        [byConfig.host]: basic('u', secrets.basic),
        [`http://${bearer.host}/v2/`]: basic('b', secrets.bearer),
        [identity.host]: { identitytoken: secrets.identity },
      },
      credHelpers: { [byHelper.host]: 'test' },
    };
    const policies = Object.fromEntries(
      Object.entries(registries).map(([name, { host }]) => [name, { module: `${host}/p:v1` }]),
    );
    const flags = await flagsFor({ sources: { insecure_sources: hosts }, docker });
    const env = { PATH: `${helper.folder}:${process.env['PATH']}` };
    await using server = startProcess({ flags: [...flags, `--policies=${await documentFile(policies)}`], env });
    const url = await server.ready();
    for (const name of Object.keys(registries)) {
      const headers = { 'content-type': 'application/json' };
      const answer = await fetch(`${url}/validate/${name}`, { method: 'POST', headers, body: review() });
      t.match(await answer.text(), `"message":"${name}"`, name);
    }
    t.same(await helper.calls(), [`get ${byHelper.host}`], 'the helper is asked once');
    t.ok(open.requests.every(({ headers }) => headers.authorization === undefined));
    const shown = bearer.requests.map(({ path, headers }) => [path, headers.authorization?.split(' ')[0]]);
    t.same(
      new Set(shown.filter(([, scheme]) => scheme === 'Basic').map(([path]) => path)),
      new Set(['/token']),
      'a password goes to the token service only',
    );
    t.equal(
      identity.tokens?.requests.every(({ method }) => method === 'POST'),
      true,
      'in a body, not in a URL',
    );
    assertSecret(t, server.output.stdout + server.output.stderr, Object.values(secrets));

    const nobody = await flagsFor({
      sources: { insecure_sources: hosts },
      docker: { auths: { 'x.test': basic('u', 'p') } },
    });
    const { details } = await startFailure(policies, nobody);
    t.equal(details.length, 4, 'the open one needs nothing');
    for (const detail of details) t.match(detail, /: Not authorized: url http:.* – .*log in, or check the credentials/);
    const wrong = { auths: Object.fromEntries(hosts.map((host) => [host, basic('u', 'wr0ng')])) };
    const refused = await startFailure(
      policies,
      await flagsFor({ sources: { insecure_sources: hosts }, docker: wrong }),
    );
    t.equal(refused.details.length, 4);
    assertSecret(t, JSON.stringify(refused.details), ['wr0ng', 'dTp3cjBuZw']);
  },
);

function assertSecret(t: Test, text: string, secrets: readonly string[]): void {
  for (const secret of secrets) {
    t.notOk(text.includes(secret), 'no password');
    t.notOk(text.includes(Buffer.from(secret).toString('base64').slice(2, -4)), 'nor its base64');
  }
  t.notMatch(text, /Bearer [\w-]{10}|Basic [\w+/]{4}|authorization/i);
}

test('a credential helper that hangs does not keep the server from being stopped', async (t) => {
  await using registry = await ProgrammableRegistry.start({ basicAuth: { user: 'u', password: 'p' } });
  const helper = await createCredentialHelper(join(folder, 'slow-helpers'), 'slow', { delaySeconds: 20 });
  const docker = { credsStore: 'slow' };
  const flags = await flagsFor({ sources: { insecure_sources: [registry.host] }, docker });
  const policies = await documentFile({ p: { module: `${registry.host}/p:v1` } });
  const env = { PATH: `${helper.folder}:${process.env['PATH']}` };
  await using server = startProcess({ flags: [...flags, `--policies=${policies}`], env });
  await server.until(async () => (await helper.calls()).length > 0, 'call of the helper');
  const since = performance.now();
  server.kill('SIGTERM');
  t.equal((await server.ended).code, 0);
  t.ok(performance.now() - since < 10_000, `ended after ${Math.round(performance.now() - since)} ms`);
});

test('a broken Docker config means nobody is asked with credentials, and a line in the log says so', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  servePolicy(registry, 'p', await policyModule());
  const flags = await flagsFor({ sources: { insecure_sources: [registry.host] } });
  await writeFile(join(folder, `access-${stores - 1}`, 'docker', 'config.json'), '{"auths": {"x": {"auth": "s3cr3t"');
  registry.route('GET', '/v2/', { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } });
  await using server = await start({ p: { module: `${registry.host}/p:v1` } }, flags);
  const text = JSON.stringify(server.log.entries);
  t.match(text, 'the Docker config file is not valid JSON; registries are asked anonymously');
  t.notMatch(text, 's3cr3t');
});

interface TestProxy extends AsyncDisposable {
  readonly host: string;
  readonly seen: string[];
}

/** A forward proxy that knows one host, which `target` is. */
async function startProxy(known: string, target: string): Promise<TestProxy> {
  const seen: string[] = [];
  const [hostname, port] = target.split(':');
  const server: Server = createServer((incoming, response) => {
    seen.push(`${incoming.method} ${incoming.url} ${incoming.headers['proxy-authorization'] ?? ''}`);
    const url = new URL(incoming.url ?? '');
    const { 'proxy-authorization': _own, ...headers } = incoming.headers;
    const onward = request({ hostname, port, path: url.pathname + url.search, method: incoming.method, headers });
    onward.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    incoming.pipe(onward);
  });
  server.on('connect', ({ url }, socket) => {
    seen.push(`CONNECT ${url}`);
    if (url !== known) return void socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
    const onward = connect(Number(port), hostname, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      onward.pipe(socket).pipe(onward);
    });
    for (const end of [socket, onward]) end.on('error', () => onward.destroy());
    socket.on('close', () => onward.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test('FIX: proxies of the sources file win over those of the environment, also over TLS', async (t) => {
  const authority = await createAuthority('own');
  await using plain = await ProgrammableRegistry.start();
  await using secure = await ProgrammableRegistry.start({ tls: await createServerCertificate(authority) });
  servePolicy(plain, 'p', await policyModule({ rejectWith: 'proxied' }));
  servePolicy(secure, 'p', await policyModule({ rejectWith: 'tunnelled' }));
  await using forward = await startProxy('registry.test:5000', plain.host);
  await using tunnel = await startProxy('localhost:5443', secure.host);
  const policies = { p: { module: 'registry.test:5000/p:v1' }, s: { module: 'localhost:5443/p:v1' } };
  const sources = {
    insecure_sources: ['registry.test:5000'],
    source_authorities: { 'localhost:5443': [{ type: 'Data', data: authority.cert }] },
    proxies: {
      http_proxy: `http://me:pr0xy-pw@${forward.host}`,
      https_proxy: `http://${tunnel.host}`,
      no_proxy: 'x.test',
    },
  };
  const env = { HTTP_PROXY: 'http://127.0.0.1:1', HTTPS_PROXY: 'http://127.0.0.1:1', NO_PROXY: '*' };
  await using server = await start(policies, await flagsFor({ sources }), { env });
  t.match(await server.verdict('/validate/p'), { status: { message: /^proxied$/ } });
  t.match(await server.verdict('/validate/s'), { status: { message: /^tunnelled$/ } });
  const credentials = Buffer.from('me:pr0xy-pw').toString('base64');
  t.ok(forward.seen.includes(`GET http://registry.test:5000/v2/p/manifests/v1 Basic ${credentials}`));
  t.ok(tunnel.seen.includes('CONNECT localhost:5443'));
  t.ok(plain.requests.every(({ headers }) => headers['proxy-authorization'] === undefined));
  assertSecret(t, JSON.stringify(server.log.entries), ['pr0xy-pw']);
  await using other = await start(
    { p: policies.p },
    await flagsFor({ sources: { insecure_sources: sources.insecure_sources } }),
    { env: { http_proxy: 'http://127.0.0.1:1', HTTP_PROXY: `http://${forward.host}` } },
  );
  t.match(await other.verdict('/validate/p'), { status: { message: /^proxied$/ } }, 'upper case wins');
  const dead = {
    ...sources,
    proxies: { https_proxy: 'http://u:pr0xy-pw@127.0.0.1:1', http_proxy: 'http://127.0.0.1:1' },
  };
  const { details } = await startFailure(policies, await flagsFor({ sources: dead }));
  t.equal(details.length, 2);
  assertSecret(t, JSON.stringify(details), ['pr0xy-pw']);
});
