import { createServer } from 'node:http';
import { connect } from 'node:net';
import { test } from 'tap';
import { createAdmissionHandler } from './admission.ts';
import { createApp } from './app.ts';
import { drain } from './shutdown.ts';

const REVIEW = JSON.stringify({
  request: {
    uid: 'u',
    kind: { group: '', version: 'v1', kind: 'Pod' },
    resource: { group: '', version: 'v1', resource: 'pods' },
    operation: 'CREATE',
    userInfo: {},
  },
});
const MAX_BODY_BYTES = 100_000;
const HEAD = 'POST /validate/p HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
const ACCEPTED = '"response":{"uid":"u","allowed":true,';

interface Started extends AsyncDisposable {
  readonly port: number;
  readonly faults: unknown[];
  /** The policies that were asked. */
  readonly ids: string[];
}

async function start({ draining = false, requestTimeout = 10_000 } = {}): Promise<Started> {
  const faults: unknown[] = [];
  const ids: string[] = [];
  const handler = createAdmissionHandler({
    evaluate: async (id, _origin, input) => ({
      response: {
        uid: input.kind === 'kubernetes' ? input.request.uid : '',
        allowed: true,
        auditAnnotations: null,
        warnings: null,
      },
      vanilla: { accepted: true, mutated: false },
      mode: 'protect',
      allowedToMutate: false,
      initialised: ids.push(id) > 0,
    }),
    log: { write() {}, isEnabled: () => false },
    nowMs: () => 0,
  });
  const app = createApp({
    handler,
    maxBodyBytes: MAX_BODY_BYTES,
    createServer: (listener) => createServer({ requestTimeout, connectionsCheckingInterval: 50 }, listener),
    isDraining: () => draining,
    onFault: (error) => void faults.push(error),
  });
  await app.ready();
  const { server } = app;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('expected a port');
  return {
    port: address.port,
    faults,
    ids,
    async [Symbol.asyncDispose]() {
      await drain(server, 0);
      await app.close();
    },
  };
}

interface Exchange {
  /** Everything the server sent, without the Date headers. */
  readonly answer: string;
  /** What went wrong with the connection, such as ECONNRESET. */
  readonly problem: string | undefined;
}

/** Sends pieces, each once the answer so far contains what it waits for, and reads until the server closes. */
function exchange(
  port: number,
  pieces: readonly (string | { readonly after: string; readonly text: string })[],
): Promise<Exchange> {
  return new Promise((resolve) => {
    const waiting = [...pieces];
    let answer = '';
    let problem: string | undefined;
    const sendWhatMayGo = (): void => {
      for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
        if (typeof next !== 'string' && !answer.includes(next.after)) return;
        waiting.shift();
        socket.write(typeof next === 'string' ? next : next.text);
      }
    };
    const socket = connect(port, '127.0.0.1', sendWhatMayGo);
    socket.on('data', (chunk) => {
      answer += chunk.toString();
      sendWhatMayGo();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => (problem = error.code));
    socket.on('close', () => resolve({ answer: answer.replace(/Date: .*\r\n/g, ''), problem }));
  });
}

const sized = (body: string, headers = ''): string => `${HEAD}${headers}Content-Length: ${body.length}\r\n\r\n${body}`;

test('three paths are served, in origin and absolute form, each with one segment for the id', async (t) => {
  await using server = await start();
  const statusOf = async (target: string): Promise<string | undefined> => {
    const request = `POST ${target} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nConnection: close\r\n`;
    const body = target.includes('validate_raw') ? '{"request":1}' : REVIEW;
    const { answer } = await exchange(server.port, [`${request}Content-Length: ${body.length}\r\n\r\n${body}`]);
    return answer.split(' ')[1];
  };
  for (const [target, id] of [
    ['/validate/p', 'p'],
    ['/audit/g%2Fm?timeout=1s', 'g/m'],
    ['http://host:1/validate_raw/%zz?a=/b', '%zz'],
    ['/validate/constructor', 'constructor'],
  ] as const) {
    t.equal(await statusOf(target), '200', target);
    t.equal(server.ids.at(-1), id, target);
  }
  const asked = server.ids.length;
  const elsewhere =
    '/ * /validate /validate/ /validate/?x /validate/p/q /validate/p/ //validate/p ' +
    '/Validate/p /validate_rawx/p /constructor/p /validate?x=/validate/p ftp://h/validate/p';
  for (const target of elsewhere.split(' ')) {
    t.equal(await statusOf(target), '404', target);
  }
  t.equal(server.ids.length, asked);
});

test('what is no HTTP is refused in HTTP, without a body', async (t) => {
  await using server = await start();
  const badRequest = 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n';
  for (const text of [
    'nonsense\r\n\r\n',
    `${HEAD}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    `${HEAD}Content-Length: -5\r\n\r\n`,
    `${HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
  ]) {
    t.same(await exchange(server.port, [text]), { answer: badRequest, problem: undefined }, text);
  }
  const { answer } = await exchange(server.port, [`${HEAD}X: ${'x'.repeat(70_000)}\r\n\r\n`]);
  t.equal(answer, badRequest.replace('400 Bad Request', '431 Request Header Fields Too Large'));
});

test('a request that takes too long to arrive is 408', async (t) => {
  await using server = await start({ requestTimeout: 200 });
  for (const text of ['', 'POST /val', `${HEAD}Content-Length: 100\r\n\r\n{"re`]) {
    const { answer } = await exchange(server.port, [text]);
    t.equal(answer, 'HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n', text);
  }
});

test('every method but POST is 405, every other path 404, also in absolute form', async (t) => {
  await using server = await start();
  const statusOf = async (line: string): Promise<string> =>
    (await exchange(server.port, [`${line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`])).answer;
  for (const method of ['GET', 'TRACE', 'QUERY', 'PROPFIND']) {
    for (const target of ['/validate/p', '/audit/g%2Fm?timeout=1s', 'http://x/validate_raw/p']) {
      const answer = await statusOf(`${method} ${target}`);
      t.equal(
        answer,
        'HTTP/1.1 405 Method Not Allowed\r\nallow: POST\r\ncontent-length: 0\r\nConnection: close\r\n\r\n',
        `${method} ${target}`,
      );
    }
    t.equal(
      await statusOf(`${method} /validate/p/q`),
      'HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nConnection: close\r\n\r\n',
    );
  }
  t.same(server.faults, []);
});

test('pipelined requests are answered in their order, refused ones do not end the connection', async (t) => {
  await using server = await start();
  const last = sized(REVIEW, 'Connection: close\r\n');
  const tooLarge = sized(REVIEW.padEnd(MAX_BODY_BYTES + 1));
  const { answer } = await exchange(server.port, [
    sized(REVIEW) + sized('{}') + tooLarge + sized(REVIEW).replace('application/json', 'text/plain') + last,
  ]);
  t.same(
    Array.from(answer.matchAll(/HTTP\/1.1 (\d+) /g), ([, status]) => status),
    ['200', '422', '413', '415', '200'],
  );
});

test('an answer reaches the client although its body is not wanted and the connection is to be closed', async (t) => {
  for (const draining of [false, true]) {
    await using server = await start({ draining });
    const headers = draining ? '' : 'Connection: close\r\n';
    const body = REVIEW.padEnd(20_000_000);
    for (const [request, status] of [
      [sized(body, headers), 413],
      [sized(body, headers).replace('application/json', 'text/plain'), 415],
      [sized(body, headers).replace('/validate/p', '/nothing'), 404],
      [sized(body, headers).replace('POST', 'PUT'), 405],
    ] as const) {
      const { answer, problem } = await exchange(server.port, [request]);
      t.match(answer, new RegExp(`^HTTP/1.1 ${status} `));
      t.match(answer, /connection: close\r\n/i);
      t.equal(problem, undefined, `${status}: the connection is closed, not reset`);
    }
  }
});

test('a client that asks whether it may send its body is told so, or refused before it sends', async (t) => {
  await using server = await start();
  const asking = `${HEAD}Expect: 100-continue\r\nConnection: close\r\n`;
  const { answer } = await exchange(server.port, [
    `${asking}Content-Length: ${REVIEW.length}\r\n\r\n`,
    { after: 'HTTP/1.1 100 Continue\r\n\r\n', text: REVIEW },
  ]);
  t.match(answer, /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK\r\n/);
  t.match(answer, ACCEPTED);
  for (const [request, status] of [
    [`${asking}Content-Length: 99999999\r\n\r\n`, 413],
    [`${asking}Content-Length: 10\r\n\r\n`.replace('application/json', 'text/plain'), 415],
    [`${asking}Content-Length: 10\r\n\r\n`.replace('/validate/p', '/nothing'), 404],
  ] as const) {
    const text = request.replace('Connection: close\r\n', '');
    const refused = await exchange(server.port, [text]);
    t.match(refused.answer, new RegExp(`^HTTP/1.1 ${status} `), 'nothing is asked for');
    t.match(refused.answer, /connection: close\r\n/i, 'whether the body still comes cannot be known');
  }
});

test('HTTP/1.0 is answered, and its connection closed unless it asks otherwise', async (t) => {
  await using server = await start();
  const { answer } = await exchange(server.port, [sized(REVIEW).replace('HTTP/1.1', 'HTTP/1.0')]);
  t.match(answer, /^HTTP\/1.1 200 OK\r\n/);
  t.match(answer, 'Connection: close\r\n');
  t.match(answer, ACCEPTED);
});
