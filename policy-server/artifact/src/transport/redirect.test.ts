import { test } from 'tap';
import { authority, tls } from './test/test-authority.ts';
import { serveRegistry } from './test/test-server.ts';
import { get, getText, openTransport } from './test/test-transport.ts';
import type { Transport } from './transport.ts';

test('redirects to another host leave credentials behind, for good', async (t) => {
  const registry = await serveRegistry(t);
  const storage = await serveRegistry(t);
  registry.route('GET', '/blob', { status: 307, headers: { location: `${storage.url}/data?signature=abc` } });
  storage.route('GET', '/data', { status: 302, headers: { location: `${registry.url}/end` } });
  registry.route('GET', '/end', { body: 'bytes' });
  registry.route('GET', '/own', { status: 301, headers: { location: '/end' } });
  const { transport } = openTransport(t, { insecure: [registry.host, storage.host] });
  const headers = { authorization: 'Basic c2VjcmV0', Cookie: 'a=b', range: 'bytes=1-' };
  t.equal(await getText(transport, `${registry.url}/blob`, { headers }), 'bytes');
  t.equal(registry.requests[0]?.headers.authorization, 'Basic c2VjcmV0');
  t.match(storage.requests[0]?.headers, { authorization: undefined, cookie: undefined, range: 'bytes=1-' });
  t.equal(storage.requests[0]?.query.get('signature'), 'abc');
  t.match(registry.requests[1]?.headers, { authorization: undefined, cookie: undefined }, 'nor on the way back');
  await getText(transport, `${registry.url}/own`, { headers });
  t.equal(registry.requests.at(-1)?.headers.authorization, 'Basic c2VjcmV0', 'the same host may see them again');
});

test('another port is another host, and a scheme or a loss of TLS is not followed', async (t) => {
  const registry = await serveRegistry(t, { tls });
  const plain = await serveRegistry(t);
  registry.route('GET', '/plain', { status: 302, headers: { location: `${plain.url}/x` } });
  registry.route('GET', '/file', { status: 302, headers: { location: 'file:///etc/passwd' } });
  registry.route('GET', '/nonsense', { status: 302, headers: { location: 'http://[' } });
  registry.route('GET', '/loop', { status: 302, headers: { location: '/loop' } });
  registry.route('GET', '/nowhere', { status: 302 });
  const { transport } = openTransport(t, { authorities: { [registry.host]: authority.cert } });
  await t.rejects(get(transport, `${registry.url}/plain`), {
    code: 'registry-refused',
    message: `${registry.url}/plain redirects to ${plain.url}/x, which is plain HTTP and not in insecure_sources`,
  });
  await t.rejects(get(transport, `${registry.url}/file`), { code: 'registry-refused', message: /no https:\/\/ URL/ });
  await t.rejects(get(transport, `${registry.url}/nonsense`), { code: 'registry-refused' });
  await t.rejects(get(transport, `${registry.url}/loop`), { message: /redirects more than 5 times in a row/ });
  t.match(await get(transport, `${registry.url}/nowhere`), { status: 302 });
  t.equal(plain.count(), 0);
});

test('a redirected body goes nowhere but to the same host', async (t) => {
  const registry = await serveRegistry(t);
  const other = await serveRegistry(t);
  registry.route('POST', '/away', { status: 307, headers: { location: `${other.url}/x` } });
  registry.route('POST', '/seen', { status: 303, headers: { location: '/x' } });
  registry.route('PUT', '/here', { status: 308, headers: { location: '/x' } });
  registry.route('PUT', '/x', { status: 201 });
  const { transport } = openTransport(t, { insecure: [registry.host, other.host] });
  const send = (method: 'POST' | 'PUT', path: string): ReturnType<Transport['request']> =>
    transport.request({ url: new URL(path, registry.url), method, body: Buffer.from('password') });
  t.equal((await send('POST', '/away')).status, 307);
  t.equal((await send('POST', '/seen')).status, 303);
  t.equal((await send('PUT', '/here')).status, 201);
  t.equal(other.count(), 0);
  t.equal(registry.requests.at(-1)?.body.toString(), 'password');
});
