import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { createServer as createNetServer } from 'node:net';
import { test } from 'tap';
import { authority, tls } from './test/test-authority.ts';
import { closedPort, listen, serveRegistry } from './test/test-server.ts';
import { get, getText, openTransport } from './test/test-transport.ts';
import type { Transport } from './transport.ts';

test('the ladder of an insecure host: checked HTTPS, unchecked HTTPS, plain HTTP', async (t) => {
  const secure = await serveRegistry(t, { tls });
  const plain = await serveRegistry(t);
  const { transport, records } = openTransport(t, { insecure: [secure.host, plain.host] });
  const silent = await get(transport, `https://${secure.host}/v2/`);
  t.match(silent, { status: 200, security: 'unverified' });
  t.same(records, [], 'a pull is silent');

  t.match(await get(transport, `https://${plain.host}/v2/`, { operation: 'digest' }), {
    status: 200,
    security: 'plain',
  });
  const steps = records.map(({ level, target, message, fields }) => ({
    line: `${level} ${target}: ${message}`,
    protocol: fields?.['client_protocol'],
    insecure: fields?.['insecure_source'],
  }));
  const line = 'info policy_fetcher::registry: operation failed';
  t.same(steps, [
    { line, protocol: 'HTTPS(SystemCa)', insecure: 'true' },
    { line, protocol: 'HTTPS(NoTlsVerification)', insecure: 'true' },
  ]);
  t.equal(
    records[0]?.fields?.['err'],
    `error sending request for url (https://${plain.host}/v2/): received corrupt message of type InvalidContentType: the host does not speak TLS on this port`,
  );

  await get(transport, `https://${plain.host}/v2/`, { operation: 'digest' });
  t.equal(records.length, 2, 'the way that worked is remembered');
});

test('the last step’s error is the final one', async (t) => {
  const host = `127.0.0.1:${await closedPort()}`;
  const { transport, records } = openTransport(t, { insecure: [host] });
  await t.rejects(get(transport, `https://${host}/v2/`, { operation: 'push' }), {
    code: 'registry-unreachable',
    message: /^error sending request for url \(http:\/\/.*\) – connect ECONNREFUSED .*; check host, port and network$/,
  });
  t.equal(records.length, 2);
});

test('an answer of the host is its own word, not a reason to try with less protection', async (t) => {
  const registry = await serveRegistry(t, { tls });
  registry.route('GET', '/x', { status: 500 });
  registry.route('GET', '/hang', { drop: 'hang' });
  const { transport } = openTransport(t, {
    insecure: [registry.host],
    authorities: { [registry.host]: authority.cert },
    limits: { headersTimeoutMs: 300 },
  });
  t.match(await get(transport, `${registry.url}/x`), { status: 500, security: 'verified' });
  await t.rejects(get(transport, `${registry.url}/hang`), { code: 'download-stalled', message: /does not answer/ });
  t.equal(registry.count(), 2);
});

test('what was reached with a checked certificate once is never spoken to otherwise', async (t) => {
  const registry = await serveRegistry(t, { tls });
  const { transport, records } = openTransport(t, {
    insecure: [registry.host],
    authorities: { [registry.host]: authority.cert },
  });
  await (await get(transport, `${registry.url}/v2/`)).discard();
  const port = Number(registry.host.split(':')[1]);
  await registry[Symbol.asyncDispose]();
  const impostor = createHttpServer((_request, response) => response.end('plain'));
  await new Promise<void>((resolve) => impostor.listen(port, '127.0.0.1', resolve));
  t.teardown(() => impostor.close());
  await t.rejects(get(transport, `https://127.0.0.1:${port}/v2/`, { operation: 'x' }), {
    code: 'registry-unreachable',
  });
  t.same(records, []);
});

test('a host that moved up from plain HTTP is found again', async (t) => {
  const plain = await serveRegistry(t);
  const port = Number(plain.host.split(':')[1]);
  const { transport } = openTransport(t, { insecure: [plain.host], authorities: { [plain.host]: authority.cert } });
  await (await get(transport, `https://${plain.host}/v2/`)).discard();
  await plain[Symbol.asyncDispose]();
  const secure = createHttpsServer({ cert: tls.cert, key: tls.key }, (_request, response) => response.end('tls'));
  await new Promise<void>((resolve) => secure.listen(port, '127.0.0.1', resolve));
  t.teardown(() => secure.close());
  const ask = (): ReturnType<Transport['request']> => get(transport, `https://127.0.0.1:${port}/v2/`);
  // The server's words to who speaks plain HTTP with it are no answer.
  await ask()
    .then((response) => response.discard())
    .catch(() => undefined);
  t.match(await ask(), { status: 200, security: 'verified' });
});

test('a 400 to plain HTTP makes the next request look for TLS again', async (t) => {
  const registry = await serveRegistry(t);
  registry.route('GET', '/x', { status: 400 });
  const { transport, records } = openTransport(t, { insecure: [registry.host] });
  for (const expected of [2, 4]) {
    await (await get(transport, `https://${registry.host}/x`, { operation: 'x' })).discard();
    t.equal(records.length, expected);
  }
});

test('http:// is refused unless the host is insecure', async (t) => {
  const registry = await serveRegistry(t);
  const { transport } = openTransport(t, { insecure: ['127.0.0.1'] });
  await t.rejects(get(transport, `${registry.url}/policy.wasm`), {
    code: 'registry-unreachable',
    message: `failed to create the http client: builder error for url (${registry.url}/policy.wasm) – plain HTTP is spoken only with hosts in insecure_sources of the sources file`,
  });
  t.equal(registry.count(), 0, 'an entry without a port speaks for no other port');
  const open2 = openTransport(t, { insecure: [registry.host] });
  t.match(await get(open2.transport, `${registry.url}/v2/`), { status: 200, security: 'plain' });
});

test('reading survives a server that closes idle connections', async (t) => {
  let closed = 0;
  const answer = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
  const host = await listen(
    t,
    createNetServer((socket) => {
      let requests = 0;
      socket.on('error', () => undefined);
      socket.on('data', (data) => {
        if (!data.toString().startsWith('GET') && !data.toString().startsWith('POST')) return void socket.destroy();
        requests += 1;
        if (requests === 1) return void socket.write(answer);
        closed += 1;
        return void socket.destroy();
      });
    }),
  );
  const { transport } = openTransport(t, { insecure: [host] });
  for (let round = 0; round < 4; round++) t.equal(await getText(transport, `https://${host}/`), 'ok');
  t.ok(closed > 0, 'connections were closed under requests');
  await (await get(transport, `https://${host}/`)).bytes(10);
  const post = transport.request({ url: new URL(`https://${host}/`), method: 'POST', body: Buffer.from('x') });
  await t.rejects(post, { code: 'registry-unreachable' }, 'what may have arrived is not sent twice');
});
