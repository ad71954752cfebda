import { createServer, type Socket } from 'node:net';
import { test } from 'tap';
import type { ArtifactError } from '../errors.ts';
import { readDamaged } from '../test/damaged-text.ts';
import { retryAfterMs } from './retry-after.ts';
import { authority, tls } from './test/test-authority.ts';
import { listen, pieces, serveRegistry } from './test/test-server.ts';
import { get, getText, openTransport } from './test/test-transport.ts';

test('a host is spoken to over checked HTTPS, with its own authority and nobody else’s', async (t) => {
  const registry = await serveRegistry(t, { tls });
  registry.route('GET', '/x', { body: 'hello' });
  const url = `https://${registry.host}/x?key=secret`;
  const trusting = openTransport(t, { authorities: { [registry.host]: authority.cert } });
  const response = await get(trusting.transport, url);
  t.match(response, { status: 200, security: 'verified' });
  t.equal(Buffer.from(await response.bytes(5)).toString(), 'hello');

  const port = registry.host.split(':')[1];
  const others = openTransport(t, {
    authorities: { '127.0.0.1': authority.cert, [`localhost:${port}`]: authority.cert },
  });
  const refusal = await t.rejects(get(others.transport, url, { operation: 'digest' }), {
    code: 'registry-unreachable',
  });
  const { message, cause } = refusal as unknown as ArtifactError;
  t.match(message, `error sending request for url (https://${registry.host}/x) – `);
  t.match(message, /invalid peer certificate: UnknownIssuer; .*source_authorities/);
  t.notMatch(message, /secret/, 'the query stays out');
  t.ok(cause instanceof Error, 'what went wrong is kept');
  t.same(others.records, [], 'a host that is not insecure has one step, and no step is logged');
  t.equal(registry.count(), 1, 'without a checked certificate nothing is sent');
});

test('an authority of the system counts for every host', async (t) => {
  const registry = await serveRegistry(t, { tls });
  const { transport } = openTransport(t, { systemAuthorities: [authority.cert] });
  t.match(await get(transport, `${registry.url}/v2/`), { status: 200, security: 'verified' });
});

test('headers that drip or never end are given up', async (t) => {
  const respond = (write: (socket: Socket) => void): Promise<string> =>
    listen(
      t,
      createServer((socket) => {
        socket.on('error', () => undefined);
        socket.once('data', (data) => (data.toString().startsWith('GET') ? write(socket) : socket.destroy()));
      }),
    );
  const repeat = (socket: Socket, text: string): void => {
    const timer = setInterval(() => socket.write(text), 40);
    socket.on('close', () => clearInterval(timer));
  };
  const drips = await respond((socket) => {
    socket.write('HTTP/1.1 200 OK\r\n');
    repeat(socket, 'x: y\r\n');
  });
  const hints = await respond((socket) => repeat(socket, 'HTTP/1.1 103 Early Hints\r\nx: y\r\n\r\n'));
  const { transport } = openTransport(t, {
    insecure: [drips, hints],
    limits: { headersTimeoutMs: 400, connectTimeoutMs: 100 },
  });
  for (const host of [drips, hints]) {
    await t.rejects(get(transport, `http://${host}/`), { code: 'download-stalled', message: /does not answer/ });
  }
});

test('connections that are closed are not opened again', async (t) => {
  const { transport } = openTransport(t);
  await transport[Symbol.asyncDispose]();
  await t.rejects(get(transport, 'https://registry.test/'), { code: 'aborted' });
});

test('a server that asks to wait is asked again, a few times, and within the bound', async (t) => {
  const registry = await serveRegistry(t);
  const waits: number[] = [];
  const { transport, records } = openTransport(t, {
    insecure: [registry.host],
    sleep: (ms) => Promise.resolve(void waits.push(ms)),
  });
  const limited = (retryAfter: string, status = 429) => ({ status, headers: { 'retry-after': retryAfter } });
  registry.route('GET', '/soon', (_request, calls) => (calls < 2 ? limited('3') : { body: 'there' }));
  t.equal(await getText(transport, `${registry.url}/soon`), 'there');
  t.same(waits.splice(0), [3000, 3000]);
  t.match(records[0], { level: 'info', message: 'the server asks to wait', fields: { wait_ms: '3000' } });

  const date = new Date(Date.now() + 10_000).toUTCString();
  registry.route('GET', '/date', (_request, calls) => (calls === 0 ? limited(date, 503) : { body: 'there' }));
  t.equal(await getText(transport, `${registry.url}/date`), 'there');
  t.ok((waits[0] ?? 0) > 7000 && (waits[0] ?? 0) <= 10_000, `an HTTP date, ${waits.splice(0).join()}`);

  registry.route('GET', '/never', limited('1'));
  t.equal((await get(transport, `${registry.url}/never`)).status, 429, 'not for ever');
  t.same(waits.splice(0), [1000, 1000]);
  registry.route('GET', '/tomorrow', limited('86400'));
  t.equal((await get(transport, `${registry.url}/tomorrow`)).status, 429);
  registry.route('GET', '/silent', { status: 429 });
  t.equal((await get(transport, `${registry.url}/silent`)).status, 429);
  t.same(waits, [], 'neither for a day nor without being told how long');
});

test('Retry-After: seconds, or a date by the server’s own clock', (t) => {
  const date = 'Wed, 21 Oct 2015 07:28:00 GMT';
  const cases: readonly [string | null, string | null, number | undefined][] = [
    [null, null, undefined],
    ['0', null, 0],
    [' 120 ', null, 120_000],
    ['9999999999', null, 9_999_999_999_000],
    ['99999999999', null, undefined],
    ['-1', null, undefined],
    ['1.5', null, undefined],
    ['1e3', null, undefined],
    [date, 'Wed, 21 Oct 2015 07:27:30 GMT', 30_000],
    [date, 'Wed, 21 Oct 2015 07:29:00 GMT', 0],
    [date, null, undefined],
    ['tomorrow', date, undefined],
    ['2015-10-21', date, undefined],
  ];
  for (const [value, now, expected] of cases) t.equal(retryAfterMs(value, now), expected, `${value} at ${now}`);
  readDamaged(t, [date, '120'], (text) => {
    const waitMs = retryAfterMs(text, date);
    if (waitMs !== undefined && !(waitMs >= 0 && Number.isFinite(waitMs))) t.fail(text);
  });
  t.end();
});

test('whoever gives up is let go at once: connecting, waiting, reading', async (t) => {
  const registry = await serveRegistry(t);
  registry.route('GET', '/hang', { drop: 'hang' });
  registry.route('GET', '/limited', { status: 429, headers: { 'retry-after': '20' } });
  registry.route('GET', '/endless', { body: endless() });
  const { transport } = openTransport(t, { insecure: [registry.host] });
  const url = (path: string): string => `${registry.url}${path}`;
  await t.rejects(get(transport, url('/hang'), { signal: AbortSignal.abort() }), { code: 'aborted' });
  for (const path of ['/hang', '/limited']) {
    await t.rejects(get(transport, url(path), { signal: AbortSignal.timeout(100) }), { code: 'aborted' }, path);
  }
  const response = await get(transport, url('/endless'), { signal: AbortSignal.timeout(150) });
  await t.rejects(response.bytes(Number.MAX_SAFE_INTEGER), { code: 'aborted' });
});

async function* endless(): AsyncGenerator<Uint8Array> {
  for (;;) yield* pieces([Buffer.alloc(1000), 5]);
}
