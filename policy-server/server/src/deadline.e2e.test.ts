import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { review, rust, start } from './test/test-server.ts';

test('a policy that loops is stopped at its limit, global or its own', async (t) => {
  await using started = await start(
    {
      global: { module: rust, settings: { behaviour: 'loop' } },
      own: { module: rust, settings: { behaviour: 'loop' }, timeoutEvalSeconds: 2 },
    },
    ['--policy-timeout=1'],
  );
  const message = 'Policy execution interrupted because it exceeded the allowed execution time';
  for (const [name, minimumMs] of [
    ['global', 900],
    ['own', 1900],
  ] as const) {
    const startMs = performance.now();
    t.match(await started.verdict(`/validate/${name}`), { allowed: false, status: { message, code: 500 } });
    const tookMs = performance.now() - startMs;
    t.ok(tookMs > minimumMs && tookMs < minimumMs + 1500, `${name}: ${tookMs} ms`);
  }
});

test('BUG: clients that go away leave the queue; a guest that still runs is stopped at its limit', async (t) => {
  await using started = await start(
    { loop: { module: rust, settings: { behaviour: 'loop' }, timeoutEvalSeconds: 2 }, good: { module: rust } },
    ['--workers=1'],
  );
  const { port } = started.server.apiAddress;
  const headers = { 'content-type': 'application/json' };
  const calls = Array.from({ length: 5 }, () => {
    const call = request({ host: '127.0.0.1', port, path: '/validate/loop', method: 'POST', headers, agent: false });
    call.on('error', () => {});
    call.end(review());
    return call;
  });
  await sleep(300);
  const startMs = performance.now();
  const waiting = started.verdict('/validate/good');
  await sleep(100);
  for (const call of calls) call.destroy();
  t.match(await waiting, { allowed: true });
  t.ok(performance.now() - startMs < 4000, 'one limit at most, not five');
  t.equal(started.log.entries.filter(({ fields }) => fields['status'] === 499).length, 5);
});

test('FIX: overload is answered 429 before the client stops waiting', async (t) => {
  await using started = await start(
    { loop: { module: rust, settings: { behaviour: 'loop' }, timeoutEvalSeconds: 4 } },
    ['--workers=1', '--shutdown-grace=0'],
  );
  const loops = Array.from({ length: 4 }, () => started.post('/validate/loop').catch(() => 'cut'));
  await sleep(300);
  const startMs = performance.now();
  const refused = await started.post('/validate/loop?timeout=3s');
  t.ok(performance.now() - startMs < 3000, `${performance.now() - startMs} ms`);
  t.equal(refused.status, 429);
  t.match(JSON.parse(refused.text), { status: 429, message: /^Too many requests: / });
  t.equal(refused.headers.get('retry-after'), '1');
  await started.server.close();
  await Promise.all(loops);
});

test("FIX: the client's own ?timeout= is kept: 504 and a reason instead of silence", async (t) => {
  await using started = await start({ loop: { module: rust, settings: { behaviour: 'loop' }, timeoutEvalSeconds: 6 } });
  const startMs = performance.now();
  const late = await started.post('/validate/loop?timeout=3s');
  t.ok(performance.now() - startMs < 3000, `${performance.now() - startMs} ms`);
  t.equal(late.status, 504);
  t.match(JSON.parse(late.text), { status: 504, message: /before the timeout the client had set/ });
});
