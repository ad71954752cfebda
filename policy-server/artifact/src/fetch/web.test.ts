import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ProgrammableRegistry } from '@portcullis/testkit';
import { test } from 'tap';
import { parseModuleLocation } from '../location.ts';
import { moduleOf, openTestFetcher } from './test/test-fetcher.ts';

const V1 = moduleOf(1);

test('modules of web servers: status, size and content are looked at, and passwords stay out of sight', async (t) => {
  await using server = await ProgrammableRegistry.start();
  const folder = t.testdir();
  await using given = openTestFetcher(folder, [server.host]);
  const page = '<!DOCTYPE html><html><body>Not what you look for</body></html>';
  server.route('GET', '/gone.wasm', { status: 404, headers: { 'content-type': 'text/html' }, body: page });
  server.route('GET', '/page.wasm', { headers: { 'content-type': 'text/html' }, body: `\n  ${page}` });
  server.route('GET', '/text.wasm', { body: 'hello' });
  server.route('GET', '/large.wasm', { headers: { 'content-length': '2000000' }, body: new Uint8Array(2_000_000) });
  server.route('GET', '/broken.wasm', { drop: true });
  for (const [name, code, message] of [
    ['gone', 'not-found', /^cannot fetch http:\/\/.*\/gone\.wasm: .*code: 404.*web page/],
    ['page', 'answer-invalid', /^expected a WebAssembly module from http:.*got a web page/],
    ['text', 'module-invalid', /^invalid wasm file: http:.* got 68 65 6c 6c$/],
    ['large', 'download-too-large', /has 2000000 bytes, more than the 1048576 a policy may have/],
    ['broken', 'registry-unreachable', /error sending request for url/],
  ] as const) {
    const location = parseModuleLocation(`http://user:secret@${server.host}/${name}.wasm?key=abc`);
    const error = await given.fetcher.fetch(location).then(
      () => undefined,
      (problem: unknown) => problem,
    );
    t.match(error, { code, message, stage: 'download' }, name);
    t.notMatch(error instanceof Error ? error.message : '', /secret|abc/, name);
    t.notOk(existsSync(given.store.root), 'no empty folders');
  }
  server.route('GET', '/p.wasm', ({ headers }) => ({
    status: headers.authorization === undefined ? 401 : 200,
    body: V1,
  }));
  const location = parseModuleLocation(`http://us%40er:se%3Acret@${server.host}/p.wasm?key=abc`);
  const fetched = await given.fetcher.fetch(location);
  t.equal(server.requests.at(-1)?.headers.authorization, `Basic ${Buffer.from('us@er:se:cret').toString('base64')}`);
  t.equal(fetched.path, join(folder, 'store', 'http', server.host, 'p.wasm'));
  server.requests.length = 0;
  t.equal((await given.fetcher.fetch(location)).origin, 'stored');
  t.equal(server.count(), 0);
});
