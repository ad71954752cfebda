import { createServer as createHttpServer, type Server } from 'node:http';
import { createServer, type Server as NetServer } from 'node:net';
import { test } from 'tap';
import { runLoad, startLoad } from './load.ts';
import type { LoadPlan, LoadRequest } from './plan.ts';
import { saturate } from './saturation.ts';

const BODY = Buffer.from('{"request":{}}');
const ALLOWED = '{"response":{"allowed":true}}';

async function portOf(server: Server | NetServer): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Answers whatever comes with these bytes, in pieces of `pieceBytes`. */
function rawServer(answer: string, pieceBytes: number): NetServer {
  return createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => {
      for (let at = 0; at < answer.length; at += pieceBytes) socket.write(answer.slice(at, at + pieceBytes));
    });
  });
}

function plan(port: number, rest: Partial<LoadPlan> = {}): LoadPlan {
  const requests: LoadRequest[] = [{ path: '/validate/x', body: BODY, expect: 'allowed' }];
  const pace = { kind: 'closed', connections: 2 } as const;
  return { host: '127.0.0.1', port, requests, pace, warmUpMs: 0, durationMs: 10_000, ...rest };
}

test('a closed loop sends request after request, in turn, and counts statuses and wrong verdicts', async (t) => {
  const seen: string[] = [];
  const server = createHttpServer((request, response) => {
    seen.push(request.url ?? '');
    request.resume();
    request.once('end', () => {
      response.writeHead(request.url === '/busy' ? 429 : 200);
      response.end(request.url === '/deny' ? '{"response":{"allowed":false}}' : ALLOWED);
    });
  });
  t.teardown(() => server.close());
  const port = await portOf(server);
  const requests = ['/allow', '/deny', '/busy'].map((path) => ({ path, body: BODY, expect: 'allowed' as const }));
  const result = await runLoad(plan(port, { requests, pace: { kind: 'closed', connections: 1 }, maxRequests: 9 }));
  t.match(result, { answers: 9, wrong: 3, statuses: { 200: 6, 429: 3 }, failures: {}, unsent: 0 });
  t.same(seen.slice(0, 6), ['/allow', '/deny', '/busy', '/allow', '/deny', '/busy']);
});

test('an answer is understood however it is cut: byte by byte, in chunks, with a length', async (t) => {
  const answers = [
    `HTTP/1.1 200 OK\r\nContent-Length: ${ALLOWED.length}\r\n\r\n${ALLOWED}`,
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n${ALLOWED.slice(0, 5)}\r\n${(ALLOWED.length - 5).toString(16)}\r\n${ALLOWED.slice(5)}\r\n0\r\n\r\n`,
  ];
  for (const answer of answers) {
    for (const pieceBytes of [1, 7, 10_000]) {
      const server = rawServer(answer, pieceBytes);
      const { answers: count, statuses, failures } = await runLoad(plan(await portOf(server), { maxRequests: 20 }));
      server.close();
      t.match({ count, statuses, failures }, { count: 20, statuses: { 200: 20 }, failures: {} });
    }
  }
});

test('connections that fail are counted by reason and replaced', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end());
  });
  t.teardown(() => server.close());
  const result = await runLoad(plan(await portOf(server), { durationMs: 300 }));
  t.equal(result.answers, 0);
  t.ok((result.failures['closed by the server'] ?? 0) > 2);
});

test('an open loop charges a server that stalls for everybody who would have waited', async (t) => {
  const waiting: (() => void)[] = [];
  let isStalled = true;
  const server = createHttpServer((request, response) => {
    request.resume();
    const answer = (): void => void response.end(ALLOWED);
    if (!isStalled) return answer();
    waiting.push(answer);
    // The stall lasts from the first request on, however long the driver took to start.
    if (waiting.length > 1) return;
    setTimeout(() => {
      isStalled = false;
      waiting.forEach((late) => late());
    }, 1000);
  });
  t.teardown(() => server.close());
  // One connection: a closed loop would have sent one request while the server stalled.
  const pace = { kind: 'open', perSecond: 100, connections: 1 } as const;
  const result = await runLoad(plan(await portOf(server), { pace, durationMs: 1200 }));
  t.ok(result.answers >= 119, `${result.answers} answers`);
  t.match(result, { wrong: 0, unsent: 0, statuses: { 200: result.answers } });
  t.ok(result.p50Ms > 100, `half waited longer than ${result.p50Ms} ms`);
});

test('a load ends when it is told to, with what was seen until then', async (t) => {
  const asked = Promise.withResolvers<void>();
  let requests = 0;
  const server = createHttpServer((request, response) => {
    request.resume();
    response.end(ALLOWED);
    if (++requests === 100) asked.resolve();
  });
  t.teardown(() => server.close());
  const load = startLoad(plan(await portOf(server)));
  await asked.promise;
  load.stop();
  t.ok((await load.result).answers > 0);
});

test('both clients drive a server to its limit and report the same figures', async (t) => {
  const server = createHttpServer((request, response) => {
    request.resume();
    request.once('end', () => response.writeHead(request.url === '/fail' ? 500 : 200).end(ALLOWED));
  });
  t.teardown(() => server.close());
  const port = await portOf(server);
  const { wrkPresent } = await import('./wrk.ts');
  for (const client of wrkPresent() ? (['own', 'wrk'] as const) : (['own'] as const)) {
    const shared = { host: '127.0.0.1', port, connections: 2, seconds: 1 };
    const good = await saturate(client, { ...shared, requests: [{ path: '/', body: BODY }] });
    t.ok(good.answers > 100 && good.perSecond > 100, `${client}: ${good.answers}`);
    t.match(good, { failed: 0 });
    t.ok(good.p50Ms > 0 && good.p50Ms <= good.p99Ms);
    const bad = await saturate(client, { ...shared, requests: [{ path: '/fail', body: BODY }] });
    t.ok(bad.failed > 0 && bad.failed >= bad.answers, `${client}: ${bad.failed} of ${bad.answers} failed`);
  }
});
