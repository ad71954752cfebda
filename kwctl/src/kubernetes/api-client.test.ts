import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { createServer as createTcpServer, connect, type AddressInfo } from 'node:net';
import { createAuthority, createClientCertificate, createServerCertificate } from '@portcullis/testkit';
import { test } from 'tap';
import { createApiClient } from './api-client.ts';
import type { ClusterAccess } from './cluster-access.ts';
import { listening, PEM, served } from './test-cluster.ts';

test('answers of an API server have bounds, and what fails is said', async (t) => {
  const answers: Record<string, RequestListener> = {
    '/status': (_, response) => {
      response.writeHead(403).end('{"kind":"Status","message":"no\\u001b[31m rights"}');
    },
    '/html': (_, response) => void response.writeHead(502).end('<html>gateway</html>'),
    '/moved': (_, response) => void response.writeHead(302, { location: '/json' }).end(),
    '/text': (_, response) => void response.end('ok'),
    '/cut': (_, response) => {
      response.writeHead(200, { 'content-length': '50' }).write('{');
      setTimeout(() => response.destroy(), 10);
    },
    '/large': (_, response) => void response.end(`"${'x'.repeat(3000)}"`),
    '/silent': () => {},
    '/slow': (_, response) => void response.writeHead(200).write('{'),
    '/prefix/json': (request, response) => void response.end(JSON.stringify(request.headers)),
  };
  const access = await served(t, (request, response) => answers[request.url ?? '']?.(request, response));
  const limits = { connectTimeoutMs: 400, answerTimeoutMs: 300, maxAnswerBytes: 2000 };
  const client = createApiClient(access, { env: {}, limits });
  t.teardown(() => client[Symbol.dispose]());
  const place = (path: string): string => `the API server at ${access.server.origin}${path} cannot be used: `;
  for (const [path, reason] of [
    ['/status', 'it answered with status 403: no\\u{1b}[31m rights'],
    ['/html', 'it answered with status 502'],
    ['/moved', 'it answered with status 302'],
    ['/text', 'its answer is not JSON: expected value at line 1 column 1'],
    ['/large', 'its answer: it is larger than the limit of 2000 bytes'],
    ['/silent', 'no answer within 300 ms'],
    ['/slow', 'no answer within 300 ms'],
  ] as const) {
    await t.rejects(client.get(path), { code: 'cluster-unusable', message: place(path) + reason }, path);
  }
  await t.rejects(client.get('/cut'), { code: 'cluster-unusable', message: /cannot be used: \S/ });
  const prefixed = createApiClient(
    {
      ...access,
      server: new URL('/prefix/', access.server),
      headers: { authorization: 'Bearer t', 'x-g': ['a', 'b'] },
    },
    { env: {}, limits },
  );
  t.teardown(() => prefixed[Symbol.dispose]());
  const seen = await prefixed.get('/json');
  t.match(
    seen,
    new Map([
      ['authorization', 'Bearer t'],
      ['accept', 'application/json'],
      ['x-g', 'a, b'],
    ]),
  );
});

test('connections: refused, without an answer of the proxy, with a bad proxy or header', async (t) => {
  const access = await served(t, (_, response) => void response.end('{"through":true}'));
  const silent = createTcpServer((socket) => socket.on('error', () => {}).resume());
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  // Ends only when nobody is connected any more: nothing may keep the program from ending.
  t.teardown(() => new Promise((resolve) => silent.close(resolve)));
  const silentPort = (silent.address() as AddressInfo).port;
  const get = async (change: Partial<ClusterAccess>, env: Record<string, string> = {}): Promise<unknown> => {
    const limits = { connectTimeoutMs: 200, answerTimeoutMs: 400 };
    const client = createApiClient({ ...access, ...change }, { env, limits });
    try {
      return await client.get('/api/v1');
    } finally {
      client[Symbol.dispose]();
    }
  };
  const closed = new URL('http://127.0.0.1:1');
  await t.rejects(get({ server: closed }), { code: 'cluster-unusable', message: /ECONNREFUSED/ });
  await t.rejects(get({ headers: { authorization: 'Bearer a\nb' } }), { message: /Invalid character in header/ });
  const bad = async (): Promise<unknown> => get({ proxyUrl: 'socks5://ann:pw@p' });
  await t.rejects(bad, { code: 'cluster-unusable', message: /expected a proxy-url .*, got 'socks5:\/\/p'$/ });
  const far = new URL('https://api.example:6443');
  await t.rejects(get({ server: far, proxyUrl: `http://127.0.0.1:${silentPort}` }), {
    message: /no connection within 200 ms|proxy/i,
  });
  await t.rejects(get({ server: new URL(`https://127.0.0.1:${silentPort}`) }), { message: /no answer within 400 ms/ });
  const reached = { server: new URL('http://api.example') };
  t.same(await get({ ...reached, proxyUrl: access.server.href }), new Map([['through', true]]));
  t.same(await get(reached, { HTTP_PROXY: access.server.href }), new Map([['through', true]]), 'of the environment');
});

test('TLS: own authorities, client certificates, other names, tunnels of a proxy', async (t) => {
  const authority = await createAuthority('own');
  const identity = await createServerCertificate(authority);
  const listener: RequestListener = (request, response) => {
    const socket = request.socket as unknown as { getPeerCertificate(): { subject?: { CN?: string } } };
    response.end(JSON.stringify(socket.getPeerCertificate().subject?.CN ?? 'nobody'));
  };
  const secure = createHttpsServer(
    { ...identity, ca: authority.cert, requestCert: true, rejectUnauthorized: false },
    listener,
  );
  const { port } = await listening(t, secure as unknown as Server);
  const proxy = createHttpServer();
  proxy.on('connect', (_request, client) => {
    const upstream = connect(Number(port), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      upstream.pipe(client).pipe(upstream);
    });
    upstream.on('error', () => client.destroy());
    client.on('error', () => upstream.destroy());
  });
  const proxyUrl = (await listening(t, proxy)).href;
  const server = new URL(`https://127.0.0.1:${port}`);
  const ask = async (tls: Partial<ClusterAccess['tls']>, more: Partial<ClusterAccess> = {}): Promise<unknown> => {
    const access = { server, tls: { rejectUnauthorized: true, ...tls }, headers: {}, proxyUrl: undefined, ...more };
    const client = createApiClient(access, { env: {} });
    try {
      return await client.get('/');
    } finally {
      client[Symbol.dispose]();
    }
  };
  const ca = authority.cert;
  t.equal(await ask({ ca }), 'nobody');
  t.equal(await ask({ rejectUnauthorized: false }), 'nobody');
  t.equal(await ask({ ca, ...(await createClientCertificate(authority, 'ann')) }), 'ann');
  t.equal(await ask({ ca, servername: 'kubernetes.default.svc' }), 'nobody');
  await t.rejects(ask({}), { message: /unable to (?:get|verify)|self.signed/ });
  await t.rejects(ask({ ca, servername: 'other.example' }), { message: /other\.example/ });
  await t.rejects(ask({ ca: PEM }), { code: 'cluster-unusable' });
  await t.rejects(ask({ ca, cert: 'x', key: 'y' }), { code: 'cluster-unusable' });
  t.equal(await ask({ ca, servername: 'localhost' }, { server: new URL(`https://far.example`), proxyUrl }), 'nobody');
});
