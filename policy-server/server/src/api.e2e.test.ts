import { request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { test } from 'tap';
import { review, rust, start } from './test/test-server.ts';

/** Sends bytes as they are and returns everything that comes back until the server closes. */
function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(Buffer.from(text, 'latin1')));
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
  });
}

test('every route, status, header and text of the API', async (t) => {
  await using started = await start({ p: { module: rust } }, ['--max-body-bytes=2000']);
  const { server, url } = started;
  const call = (method: string, path: string, headers: Record<string, string> = {}, body?: string) =>
    fetch(url + path, { method, headers, ...(body !== undefined && { body }) });
  const json = { 'content-type': 'application/json' };

  await t.test('what does not route is 404 without a body', async (t) => {
    const paths = [
      '/',
      '/validate',
      '/validate/',
      '/validate//p',
      '/validate/p/',
      '/validate/p/q',
      '/metrics',
      '/readiness',
      '/VALIDATE/p',
      '/%76alidate/p',
      '/debug/pprof/cpu',
    ];
    for (const path of paths) {
      const answer = await call('POST', path, json, review());
      t.equal(answer.status, 404, path);
      t.equal(await answer.text(), '', path);
      t.equal(answer.headers.get('content-type'), null);
    }
  });

  await t.test('another method is 405 with allow: POST', async (t) => {
    for (const route of ['validate', 'audit', 'validate_raw']) {
      for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'PATCH']) {
        const answer = await call(method, `/${route}/p?timeout=1s`);
        t.equal(answer.status, 405, `${method} ${route}`);
        t.equal(answer.headers.get('allow'), 'POST');
        t.equal(await answer.text(), '');
      }
    }
  });

  await t.test('verdicts are 200 and application/json', async (t) => {
    const answer = await call(
      'POST',
      '/validate/p?timeout=10s',
      { 'content-type': 'Application/JSON; charset=utf-16' },
      review(),
    );
    t.equal(answer.status, 200);
    t.equal(answer.headers.get('content-type'), 'application/json');
    t.equal(
      await answer.text(),
      '{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":"u-1","allowed":true,"auditAnnotations":null,"warnings":null}}',
    );
    const rawAnswer = await call('POST', '/validate_raw/p', json, '{"request":{"a":7}}');
    t.equal(await rawAnswer.text(), '{"response":{"uid":"","allowed":true,"auditAnnotations":null,"warnings":null}}');
  });

  await t.test('ids', async (t) => {
    t.match(
      await (await call('POST', '/validate/nope', json, review())).text(),
      '{"message":"unknown policy: nope","status":404}',
    );
    t.match(
      await (await call('POST', '/audit/a%zz', json, review())).text(),
      '{"message":"unknown policy: a%zz","status":404}',
    );
    t.match(
      await (await call('POST', '/audit/a%2Fb%2Fc', json, review())).text(),
      '{"message":"Something went wrong","status":500}',
    );
    const invalid = await call('POST', '/validate/%ff', {}, '');
    t.equal(invalid.status, 400);
    t.equal(await invalid.text(), 'Invalid URL: Invalid UTF-8 in `policy_id`');
    const long = 'x'.repeat(5000);
    t.match(await (await call('POST', `/validate/${long}`, json, review())).text(), `unknown policy: ${long}`);
  });

  await t.test('content types', async (t) => {
    for (const type of ['text/json', 'nonsense', 'multipart/form-data; boundary=x', '']) {
      const answer = await raw(
        server.apiAddress.port,
        `POST /validate/p HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${type === '' ? '' : `Content-Type: ${type}\r\n`}Content-Length: 2\r\n\r\n{}`,
      );
      t.match(answer, /^HTTP\/1.1 415 /, type);
      t.match(answer, '{"message":"Expected request with `Content-Type: application/json`","status":415}');
    }
    t.equal((await call('POST', '/validate/p')).status, 415, 'no body and no content type');
    t.equal((await call('POST', '/validate/p', json)).status, 400, 'an empty body');
  });

  await t.test('the body may have exactly as many bytes as the limit says', async (t) => {
    const body = review();
    const exact = body + ' '.repeat(2000 - body.length);
    t.equal((await call('POST', '/validate/p', json, exact)).status, 200);
    const over = await call('POST', '/validate/p', json, `${exact} `);
    t.equal(over.status, 413);
    t.equal(await over.text(), '{"message":"Failed to buffer the request body: length limit exceeded","status":413}');
    const text = await call('POST', '/audit/p', json, `${exact} `);
    t.equal(text.headers.get('content-type'), 'text/plain; charset=utf-8');
    t.equal(await text.text(), 'Failed to buffer the request body: length limit exceeded');
    const chunk = `${(900).toString(16)}\r\n${' '.repeat(900)}\r\n`;
    const chunked = `POST /validate/p HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(4)}0\r\n\r\n`;
    t.match(await raw(server.apiAddress.port, chunked), /^HTTP\/1.1 413 /, 'without a content-length');
    t.equal((await call('POST', '/validate/p', { ...json, 'content-encoding': 'gzip' }, 'xx')).status, 400);
  });

  await t.test('raw bytes in the target', async (t) => {
    const send = (target: string): Promise<string> =>
      raw(
        server.apiAddress.port,
        `POST ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n`,
      );
    t.match(await send('http://other/validate/p'), /^HTTP\/1.1 400 /, 'absolute form is routed');
    t.match(await send('*'), /^HTTP\/1.1 40[04] /);
  });
});

function header(message: IncomingMessage, name: string): string | undefined {
  const value = message.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

test('keep-alive connections are reused', async (t) => {
  await using started = await start({ p: { module: rust } });
  const { port } = started.server.apiAddress;
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const call = request(
      {
        host: '127.0.0.1',
        port,
        path: '/validate/p',
        method: 'POST',
        headers: { 'content-type': 'application/json', connection: 'keep-alive' },
      },
      resolve,
    );
    call.on('error', reject);
    call.end(review());
  });
  answer.resume();
  t.equal(header(answer, 'connection'), 'keep-alive');
  t.equal(header(answer, 'keep-alive'), 'timeout=120', 'longer than the 90 s an API server keeps idle connections');
});
