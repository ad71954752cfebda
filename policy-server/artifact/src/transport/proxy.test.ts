import { createServer, request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { test, type Test } from 'tap';
import { bypassesProxy, proxyFor } from './proxy.ts';
import { authority, tls } from './test/test-authority.ts';
import { closedPort, listen, serveRegistry } from './test/test-server.ts';
import { get, NO_PROXIES, openTransport } from './test/test-transport.ts';

test('which hosts go around a proxy', (t) => {
  const cases: readonly [string, string, boolean][] = [
    ['https://ghcr.io/', '', false],
    ['https://ghcr.io/', 'ghcr.io', true],
    ['https://GHCR.io/', ' other.io , Ghcr.IO ', true],
    ['https://a.ghcr.io/', 'ghcr.io', true],
    ['https://a.ghcr.io/', '.ghcr.io', true],
    ['https://a.ghcr.io/', '*.ghcr.io', true],
    ['https://ghcr.io/', '.ghcr.io', true],
    ['https://notghcr.io/', 'ghcr.io', false],
    ['https://ghcr.io.evil.io/', 'ghcr.io', false],
    ['https://anything/', '*', true],
    ['https://ghcr.io:5000/', 'ghcr.io:5000', true],
    ['https://ghcr.io:5000/', 'ghcr.io:5001', false],
    ['https://ghcr.io/', 'ghcr.io:443', true],
    ['http://ghcr.io/', 'ghcr.io:443', false],
    ['https://10.1.2.3/', '10.0.0.0/8', true],
    ['https://11.1.2.3/', '10.0.0.0/8', false],
    ['https://10.1.2.3/', '10.1.2.3', true],
    ['https://10.1.2.3:80/', '10.1.2.3:80', true],
    ['https://10.1.2.3/', '2.3', false],
    ['https://10.1.2.3/', '10.0.0.0/99', false],
    ['https://10.1.2.3/', '10.0.0.0/x', false],
    ['https://[::1]/', '::1', true],
    ['https://[fd00::5]:8080/', 'fd00::/8', true],
    ['https://[fd00::5]:8080/', '[fd00::5]:8080', true],
    ['https://[fd00::5]:8080/', '[fd00::5]:80', false],
    ['https://[fe80::1]/', 'fd00::/8', false],
    ['https://ghcr.io/', ',,.,', false],
  ];
  for (const [url, noProxy, expected] of cases) {
    t.equal(bypassesProxy(new URL(url), noProxy), expected, `${url} with ${noProxy}`);
  }
  const proxies = { httpProxy: 'proxy:3128', httpsProxy: 'http://user:hush@secure:3129', noProxy: 'a.test' };
  t.equal(proxyFor(new URL('http://b.test/'), proxies), 'http://proxy:3128');
  t.equal(proxyFor(new URL('https://b.test/'), proxies), 'http://user:hush@secure:3129');
  t.equal(proxyFor(new URL('https://a.test/'), proxies), undefined);
  t.equal(proxyFor(new URL('http://b.test/'), { ...proxies, httpProxy: ' ' }), undefined);
  for (const bad of [
    'http://user:hush@',
    'ftp://hush',
    'socks5://hush',
    'http://user:hush@host:99999',
    'http://user:100%hush@host',
  ]) {
    t.throws(
      () => proxyFor(new URL('http://b.test/'), { ...proxies, httpProxy: bad }),
      { code: 'sources-invalid', message: /^(?!.*hush)/s },
      bad,
    );
  }
  t.end();
});

test('proxies: of the file before those of the environment, tunnels for HTTPS, forwarding for plain HTTP', async (t) => {
  const secure = await serveRegistry(t, { tls });
  const plain = await serveRegistry(t);
  const proxy = await startProxy(t);
  const url = `http://user:p%40ss@${proxy.host}`;
  const proxies = { httpProxy: url, httpsProxy: url, noProxy: undefined };
  const given = { insecure: [plain.host], authorities: { [secure.host]: authority.cert } };
  const { transport } = openTransport(t, { ...given, proxies });
  t.match(await get(transport, `${secure.url}/v2/`), { status: 200, security: 'verified' });
  await (await get(transport, `${plain.url}/v2/`, { headers: { authorization: 'Basic x' } })).discard();
  const authorization = `Basic ${Buffer.from('user:p@ss').toString('base64')}`;
  t.same(proxy.seen, [
    { line: `CONNECT ${secure.host}`, authorization },
    { line: `GET ${plain.url}/v2/`, authorization },
  ]);
  t.equal(plain.requests[0]?.headers.authorization, 'Basic x');

  const unused = openTransport(t, {
    ...given,
    proxies,
    fileProxies: { ...NO_PROXIES, httpsProxy: url, noProxy: '127.0.0.1' },
  });
  t.match(await get(unused.transport, `${secure.url}/v2/`), { status: 200 });
  t.equal(proxy.seen.length, 2, 'no_proxy of the file');

  const dead = `http://user:hush@127.0.0.1:${await closedPort()}`;
  const broken = openTransport(t, { ...given, proxies: { ...NO_PROXIES, httpsProxy: dead } });
  await t.rejects(get(broken.transport, `${secure.url}/v2/`), {
    code: 'registry-unreachable',
    message: /^(?!.*hush)/s,
  });
});

test('a proxy that says no to a tunnel is named as the reason', async (t) => {
  const proxy = await serveRegistry(t);
  const { transport } = openTransport(t, { proxies: { ...NO_PROXIES, httpsProxy: `jane:secret@${proxy.host}` } });
  await t.rejects(get(transport, 'https://registry.test/v2/'), {
    code: 'registry-unreachable',
    message: new RegExp(`Proxy Connection failed; check the proxy http://${proxy.host}, which is asked for it$`),
  });
  const port = await closedPort();
  const { transport: cutOff } = openTransport(t, {
    proxies: { ...NO_PROXIES, httpsProxy: `http://127.0.0.1:${port}` },
  });
  await t.rejects(get(cutOff, 'https://registry.test/v2/'), {
    message: `error sending request for url (https://registry.test/v2/) – connect ECONNREFUSED 127.0.0.1:${port}; check the proxy http://127.0.0.1:${port}, which is asked for it`,
  });
});

async function startProxy(
  t: Test,
): Promise<{ host: string; seen: { line: string; authorization: string | undefined }[] }> {
  const seen: { line: string; authorization: string | undefined }[] = [];
  const server = createServer((incoming, response) => {
    const { method, url = '', headers } = incoming;
    const { 'proxy-authorization': authorization, ...passed } = headers;
    seen.push({ line: `${method} ${url}`, authorization });
    httpRequest(url, { method, headers: passed }, (answer) => answer.pipe(response)).end();
  });
  server.on('connect', (incoming, socket: Socket) => {
    seen.push({ line: `CONNECT ${incoming.url}`, authorization: incoming.headers['proxy-authorization'] });
    const [host, port] = (incoming.url ?? '').split(':');
    const onward = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      onward.pipe(socket).pipe(onward);
    });
    for (const each of [onward, socket]) each.on('error', () => undefined);
  });
  return { host: await listen(t, server), seen };
}
