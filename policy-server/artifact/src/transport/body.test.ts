import { createServer } from 'node:net';
import { test, type Test } from 'tap';
import { listen, pieces, serveRegistry } from './test/test-server.ts';
import { get, openTransport } from './test/test-transport.ts';

test('a body that stops, drips, breaks off or is too long ends with the reason', async (t) => {
  const registry = await serveRegistry(t);
  const raw = await rawServer(t, 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this');
  const limits = { idleTimeoutMs: 200, minBytesPerSecond: 1000, rateWindowMs: 300 };
  const { transport } = openTransport(t, { insecure: [registry.host, raw], limits });
  registry.route('GET', '/stall', { body: pieces([Buffer.from('a'), 5000]) });
  registry.route('GET', '/drip', { body: drip() });
  registry.route('GET', '/long', { body: Buffer.alloc(1000) });
  registry.route('GET', '/long-chunked', { body: pieces([Buffer.alloc(600), Buffer.alloc(600)]) });
  const read = async (url: string, maxBytes = 1_000_000): Promise<unknown> =>
    (await get(transport, url)).bytes(maxBytes);
  await t.rejects(read(`${registry.url}/stall`), { code: 'download-stalled', message: /nothing came for 200 ms/ });
  await t.rejects(read(`${registry.url}/drip`), { code: 'download-stalled', message: /less than 1000 bytes/ });
  await t.rejects(read(`http://${raw}/`), { code: 'download-stalled', message: /the connection broke/ });
  await t.rejects(read(`${registry.url}/long`, 999), { code: 'download-too-large', message: /longer than 999 bytes/ });
  await t.rejects(read(`${registry.url}/long-chunked`, 1199), { code: 'download-too-large' });
});

test('a slow reader is not a slow server', async (t) => {
  const registry = await serveRegistry(t);
  registry.route('GET', '/x', { body: Buffer.alloc(300_000, 1) });
  const limits = { idleTimeoutMs: 100, minBytesPerSecond: 1_000_000, rateWindowMs: 50 };
  const { transport } = openTransport(t, { insecure: [registry.host], limits });
  let length = 0;
  for await (const piece of (await get(transport, `${registry.url}/x`)).body) {
    length += piece.length;
    if (length < 200_000) await new Promise((resolve) => setTimeout(resolve, 120));
  }
  t.equal(length, 300_000);
});

test('a compressed answer is refused: nobody asked for it, and what it unpacks to has no bound', async (t) => {
  const registry = await serveRegistry(t);
  registry.route('GET', '/x', { headers: { 'content-encoding': 'gzip' }, body: Buffer.from('1f8b', 'hex') });
  const { transport } = openTransport(t, { insecure: [registry.host] });
  await t.rejects((await get(transport, `${registry.url}/x`)).bytes(100), {
    code: 'answer-invalid',
    message: /compressed/,
  });
  const { body } = await get(transport, `${registry.url}/x`);
  await t.rejects(body[Symbol.asyncIterator]().next(), { code: 'answer-invalid' });
  t.equal(registry.requests[0]?.headers['accept-encoding'], 'identity');
});

/** Answers the first bytes of every connection with these, and closes it. */
function rawServer(t: Test, answer: string): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(answer));
  });
  return listen(t, server);
}

async function* drip(): AsyncGenerator<Uint8Array> {
  for (let count = 0; count < 100; count++) yield* pieces([Buffer.from('a'), 50]);
}
