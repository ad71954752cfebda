import { createServer as createNetServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createHttpServer, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import {
  createAuthority,
  createServerCertificate,
  ProgrammableRegistry,
  type ProgrammableRegistryOptions,
} from '@portcullis/testkit';
import { test, type Test } from 'tap';
import type { ArtifactError } from '../errors.ts';
import type { ArtifactLogRecord } from '../log.ts';
import type { Proxies, Sources } from '../sources/sources.ts';
import { createTransport } from './create-transport.ts';
import { type Transport, type TransportLimits, type TransportOptions } from './transport.ts';

const NO_PROXIES: Proxies = { httpProxy: undefined, httpsProxy: undefined, noProxy: undefined };
const authority = await createAuthority('transport-ca');
const tls = await createServerCertificate(authority);

interface Given extends Partial<Omit<TransportOptions, 'sources' | 'limits'>> {
  readonly insecure?: readonly string[];
  readonly authorities?: Readonly<Record<string, string>>;
  readonly fileProxies?: Proxies;
  readonly limits?: Partial<TransportLimits>;
}

function open(t: Test, given: Given = {}): { transport: Transport; records: ArtifactLogRecord[] } {
  const { insecure = [], authorities = {}, fileProxies, ...rest } = given;
  const sources: Sources = {
    insecure: new Set(insecure),
    authorities: new Map(Object.entries(authorities).map(([host, pem]) => [host, [pem]])),
    proxies: fileProxies,
  };
  const records: ArtifactLogRecord[] = [];
  const transport = createTransport({
    proxies: NO_PROXIES,
    log: (record) => void records.push(record),
    systemAuthorities: [],
    ...rest,
    sources,
  });
  t.teardown(() => transport[Symbol.asyncDispose]());
  return { transport, records };
}

async function serve(t: Test, options?: ProgrammableRegistryOptions): Promise<ProgrammableRegistry> {
  const registry = await ProgrammableRegistry.start(options);
  t.teardown(() => registry[Symbol.asyncDispose]());
  return registry;
}

const get = (transport: Transport, url: string, more: object = {}): ReturnType<Transport['request']> =>
  transport.request({ url: new URL(url), method: 'GET', ...more });

async function text(transport: Transport, url: string, more: object = {}): Promise<string> {
  return Buffer.from(await (await get(transport, url, more)).bytes(1_000_000)).toString();
}

test('a host is spoken to over checked HTTPS, with its own authority and nobody else’s', async (t) => {
  const registry = await serve(t, { tls });
  registry.route('GET', '/x', { body: 'hello' });
  const url = `https://${registry.host}/x?key=secret`;
  const trusting = open(t, { authorities: { [registry.host]: authority.cert } });
  const response = await get(trusting.transport, url);
  t.match(response, { status: 200, security: 'verified' });
  t.equal(Buffer.from(await response.bytes(5)).toString(), 'hello');

  const port = registry.host.split(':')[1];
  const others = open(t, { authorities: { '127.0.0.1': authority.cert, [`localhost:${port}`]: authority.cert } });
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
  const registry = await serve(t, { tls });
  const { transport } = open(t, { systemAuthorities: [authority.cert] });
  t.match(await get(transport, `${registry.url}/v2/`), { status: 200, security: 'verified' });
});

test('the ladder of an insecure host: checked HTTPS, unchecked HTTPS, plain HTTP', async (t) => {
  const secure = await serve(t, { tls });
  const plain = await serve(t);
  const { transport, records } = open(t, { insecure: [secure.host, plain.host] });
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
  const { transport, records } = open(t, { insecure: [host] });
  await t.rejects(get(transport, `https://${host}/v2/`, { operation: 'push' }), {
    code: 'registry-unreachable',
    message: /^error sending request for url \(http:\/\/.*\) – connect ECONNREFUSED .*; check host, port and network$/,
  });
  t.equal(records.length, 2);
});

test('an answer of the host is its own word, not a reason to try with less protection', async (t) => {
  const registry = await serve(t, { tls });
  registry.route('GET', '/x', { status: 500 });
  registry.route('GET', '/hang', { drop: 'hang' });
  const { transport } = open(t, {
    insecure: [registry.host],
    authorities: { [registry.host]: authority.cert },
    limits: { headersTimeoutMs: 300 },
  });
  t.match(await get(transport, `${registry.url}/x`), { status: 500, security: 'verified' });
  await t.rejects(get(transport, `${registry.url}/hang`), { code: 'download-stalled', message: /does not answer/ });
  t.equal(registry.count(), 2);
});

test('what was reached with a checked certificate once is never spoken to otherwise', async (t) => {
  const registry = await serve(t, { tls });
  const { transport, records } = open(t, {
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
  const plain = await serve(t);
  const port = Number(plain.host.split(':')[1]);
  const { transport } = open(t, { insecure: [plain.host], authorities: { [plain.host]: authority.cert } });
  await (await get(transport, `https://${plain.host}/v2/`)).discard();
  await plain[Symbol.asyncDispose]();
  const { createServer } = await import('node:https');
  const secure = createServer({ cert: tls.cert, key: tls.key }, (_request, response) => response.end('tls'));
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
  const registry = await serve(t);
  registry.route('GET', '/x', { status: 400 });
  const { transport, records } = open(t, { insecure: [registry.host] });
  for (const expected of [2, 4]) {
    await (await get(transport, `https://${registry.host}/x`, { operation: 'x' })).discard();
    t.equal(records.length, expected);
  }
});

test('headers that drip or never end are given up', async (t) => {
  const respond = (write: (socket: Socket) => void): Promise<string> =>
    listen(
      t,
      createNetServer((socket) => {
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
  const { transport } = open(t, { insecure: [drips, hints], limits: { headersTimeoutMs: 400, connectTimeoutMs: 100 } });
  for (const host of [drips, hints]) {
    await t.rejects(get(transport, `http://${host}/`), { code: 'download-stalled', message: /does not answer/ });
  }
});

test('connections that are closed are not opened again', async (t) => {
  const { transport } = open(t);
  await transport[Symbol.asyncDispose]();
  await t.rejects(get(transport, 'https://registry.test/'), { code: 'aborted' });
});

test('http:// is refused unless the host is insecure', async (t) => {
  const registry = await serve(t);
  const { transport } = open(t, { insecure: ['127.0.0.1'] });
  await t.rejects(get(transport, `${registry.url}/policy.wasm`), {
    code: 'registry-unreachable',
    message: `failed to create the http client: builder error for url (${registry.url}/policy.wasm) – plain HTTP is spoken only with hosts in insecure_sources of the sources file`,
  });
  t.equal(registry.count(), 0, 'an entry without a port speaks for no other port');
  const open2 = open(t, { insecure: [registry.host] });
  t.match(await get(open2.transport, `${registry.url}/v2/`), { status: 200, security: 'plain' });
});

test('redirects to another host leave credentials behind, for good', async (t) => {
  const registry = await serve(t);
  const storage = await serve(t);
  registry.route('GET', '/blob', { status: 307, headers: { location: `${storage.url}/data?signature=abc` } });
  storage.route('GET', '/data', { status: 302, headers: { location: `${registry.url}/end` } });
  registry.route('GET', '/end', { body: 'bytes' });
  registry.route('GET', '/own', { status: 301, headers: { location: '/end' } });
  const { transport } = open(t, { insecure: [registry.host, storage.host] });
  const headers = { authorization: 'Basic c2VjcmV0', Cookie: 'a=b', range: 'bytes=1-' };
  t.equal(await text(transport, `${registry.url}/blob`, { headers }), 'bytes');
  t.equal(registry.requests[0]?.headers.authorization, 'Basic c2VjcmV0');
  t.match(storage.requests[0]?.headers, { authorization: undefined, cookie: undefined, range: 'bytes=1-' });
  t.equal(storage.requests[0]?.query.get('signature'), 'abc');
  t.match(registry.requests[1]?.headers, { authorization: undefined, cookie: undefined }, 'nor on the way back');
  await text(transport, `${registry.url}/own`, { headers });
  t.equal(registry.requests.at(-1)?.headers.authorization, 'Basic c2VjcmV0', 'the same host may see them again');
});

test('another port is another host, and a scheme or a loss of TLS is not followed', async (t) => {
  const registry = await serve(t, { tls });
  const plain = await serve(t);
  registry.route('GET', '/plain', { status: 302, headers: { location: `${plain.url}/x` } });
  registry.route('GET', '/file', { status: 302, headers: { location: 'file:///etc/passwd' } });
  registry.route('GET', '/nonsense', { status: 302, headers: { location: 'http://[' } });
  registry.route('GET', '/loop', { status: 302, headers: { location: '/loop' } });
  registry.route('GET', '/nowhere', { status: 302 });
  const { transport } = open(t, { authorities: { [registry.host]: authority.cert } });
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
  const registry = await serve(t);
  const other = await serve(t);
  registry.route('POST', '/away', { status: 307, headers: { location: `${other.url}/x` } });
  registry.route('POST', '/seen', { status: 303, headers: { location: '/x' } });
  registry.route('PUT', '/here', { status: 308, headers: { location: '/x' } });
  registry.route('PUT', '/x', { status: 201 });
  const { transport } = open(t, { insecure: [registry.host, other.host] });
  const send = (method: 'POST' | 'PUT', path: string): ReturnType<Transport['request']> =>
    transport.request({ url: new URL(path, registry.url), method, body: Buffer.from('password') });
  t.equal((await send('POST', '/away')).status, 307);
  t.equal((await send('POST', '/seen')).status, 303);
  t.equal((await send('PUT', '/here')).status, 201);
  t.equal(other.count(), 0);
  t.equal(registry.requests.at(-1)?.body.toString(), 'password');
});

test('a server that asks to wait is asked again, a few times, and within the bound', async (t) => {
  const registry = await serve(t);
  const waits: number[] = [];
  const { transport, records } = open(t, {
    insecure: [registry.host],
    sleep: (ms) => Promise.resolve(void waits.push(ms)),
  });
  const limited = (retryAfter: string, status = 429) => ({ status, headers: { 'retry-after': retryAfter } });
  registry.route('GET', '/soon', (_request, calls) => (calls < 2 ? limited('3') : { body: 'there' }));
  t.equal(await text(transport, `${registry.url}/soon`), 'there');
  t.same(waits.splice(0), [3000, 3000]);
  t.match(records[0], { level: 'info', message: 'the server asks to wait', fields: { wait_ms: '3000' } });

  const date = new Date(Date.now() + 10_000).toUTCString();
  registry.route('GET', '/date', (_request, calls) => (calls === 0 ? limited(date, 503) : { body: 'there' }));
  t.equal(await text(transport, `${registry.url}/date`), 'there');
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

test('whoever gives up is let go at once: connecting, waiting, reading', async (t) => {
  const registry = await serve(t);
  registry.route('GET', '/hang', { drop: 'hang' });
  registry.route('GET', '/limited', { status: 429, headers: { 'retry-after': '20' } });
  registry.route('GET', '/endless', { body: endless() });
  const { transport } = open(t, { insecure: [registry.host] });
  const url = (path: string): string => `${registry.url}${path}`;
  await t.rejects(get(transport, url('/hang'), { signal: AbortSignal.abort() }), { code: 'aborted' });
  for (const path of ['/hang', '/limited']) {
    await t.rejects(get(transport, url(path), { signal: AbortSignal.timeout(100) }), { code: 'aborted' }, path);
  }
  const response = await get(transport, url('/endless'), { signal: AbortSignal.timeout(150) });
  await t.rejects(response.bytes(Number.MAX_SAFE_INTEGER), { code: 'aborted' });
});

test('a body that stops, drips, breaks off or is too long ends with the reason', async (t) => {
  const registry = await serve(t);
  const raw = await rawServer(t, 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this');
  const limits = { idleTimeoutMs: 200, minBytesPerSecond: 1000, rateWindowMs: 300 };
  const { transport } = open(t, { insecure: [registry.host, raw], limits });
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
  const registry = await serve(t);
  registry.route('GET', '/x', { body: Buffer.alloc(300_000, 1) });
  const limits = { idleTimeoutMs: 100, minBytesPerSecond: 1_000_000, rateWindowMs: 50 };
  const { transport } = open(t, { insecure: [registry.host], limits });
  let length = 0;
  for await (const piece of (await get(transport, `${registry.url}/x`)).body) {
    length += piece.length;
    if (length < 200_000) await new Promise((resolve) => setTimeout(resolve, 120));
  }
  t.equal(length, 300_000);
});

test('a compressed answer is refused: nobody asked for it, and what it unpacks to has no bound', async (t) => {
  const registry = await serve(t);
  registry.route('GET', '/x', { headers: { 'content-encoding': 'gzip' }, body: Buffer.from('1f8b', 'hex') });
  const { transport } = open(t, { insecure: [registry.host] });
  await t.rejects((await get(transport, `${registry.url}/x`)).bytes(100), {
    code: 'answer-invalid',
    message: /compressed/,
  });
  const { body } = await get(transport, `${registry.url}/x`);
  await t.rejects(body[Symbol.asyncIterator]().next(), { code: 'answer-invalid' });
  t.equal(registry.requests[0]?.headers['accept-encoding'], 'identity');
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
  const { transport } = open(t, { insecure: [host] });
  for (let round = 0; round < 4; round++) t.equal(await text(transport, `https://${host}/`), 'ok');
  t.ok(closed > 0, 'connections were closed under requests');
  await (await get(transport, `https://${host}/`)).bytes(10);
  const post = transport.request({ url: new URL(`https://${host}/`), method: 'POST', body: Buffer.from('x') });
  await t.rejects(post, { code: 'registry-unreachable' }, 'what may have arrived is not sent twice');
});

test('proxies: of the file before those of the environment, tunnels for HTTPS, forwarding for plain HTTP', async (t) => {
  const secure = await serve(t, { tls });
  const plain = await serve(t);
  const proxy = await startProxy(t);
  const url = `http://user:p%40ss@${proxy.host}`;
  const proxies = { httpProxy: url, httpsProxy: url, noProxy: undefined };
  const given = { insecure: [plain.host], authorities: { [secure.host]: authority.cert } };
  const { transport } = open(t, { ...given, proxies });
  t.match(await get(transport, `${secure.url}/v2/`), { status: 200, security: 'verified' });
  await (await get(transport, `${plain.url}/v2/`, { headers: { authorization: 'Basic x' } })).discard();
  const authorization = `Basic ${Buffer.from('user:p@ss').toString('base64')}`;
  t.same(proxy.seen, [
    { line: `CONNECT ${secure.host}`, authorization },
    { line: `GET ${plain.url}/v2/`, authorization },
  ]);
  t.equal(plain.requests[0]?.headers.authorization, 'Basic x');

  const unused = open(t, { ...given, proxies, fileProxies: { ...NO_PROXIES, httpsProxy: url, noProxy: '127.0.0.1' } });
  t.match(await get(unused.transport, `${secure.url}/v2/`), { status: 200 });
  t.equal(proxy.seen.length, 2, 'no_proxy of the file');

  const dead = `http://user:hush@127.0.0.1:${await closedPort()}`;
  const broken = open(t, { ...given, proxies: { ...NO_PROXIES, httpsProxy: dead } });
  await t.rejects(get(broken.transport, `${secure.url}/v2/`), {
    code: 'registry-unreachable',
    message: /^(?!.*hush)/s,
  });
});

test('a proxy that says no to a tunnel is named as the reason', async (t) => {
  const proxy = await serve(t);
  const { transport } = open(t, { proxies: { ...NO_PROXIES, httpsProxy: `jane:secret@${proxy.host}` } });
  await t.rejects(get(transport, 'https://registry.test/v2/'), {
    code: 'registry-unreachable',
    message: new RegExp(`Proxy Connection failed; check the proxy http://${proxy.host}, which is asked for it$`),
  });
  const port = await closedPort();
  const { transport: cutOff } = open(t, { proxies: { ...NO_PROXIES, httpsProxy: `http://127.0.0.1:${port}` } });
  await t.rejects(get(cutOff, 'https://registry.test/v2/'), {
    message: `error sending request for url (https://registry.test/v2/) – connect ECONNREFUSED 127.0.0.1:${port}; check the proxy http://127.0.0.1:${port}, which is asked for it`,
  });
});

async function closedPort(): Promise<number> {
  const server = createNetServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function listen(t: Test, server: Server): Promise<string> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Answers the first bytes of every connection with these, and closes it. */
function rawServer(t: Test, answer: string): Promise<string> {
  const server = createNetServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(answer));
  });
  return listen(t, server);
}

async function startProxy(
  t: Test,
): Promise<{ host: string; seen: { line: string; authorization: string | undefined }[] }> {
  const seen: { line: string; authorization: string | undefined }[] = [];
  const server = createHttpServer((incoming, response) => {
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

async function* pieces(parts: readonly (Uint8Array | number)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (typeof part === 'number') await new Promise((resolve) => setTimeout(resolve, part).unref());
    else yield part;
  }
}

async function* drip(): AsyncGenerator<Uint8Array> {
  for (let count = 0; count < 100; count++) yield* pieces([Buffer.from('a'), 50]);
}

async function* endless(): AsyncGenerator<Uint8Array> {
  for (;;) yield* pieces([Buffer.alloc(1000), 5]);
}
