import { setTimeout as sleep } from 'node:timers/promises';
import { encodedRawRequest, encodeUtf8 } from '@portcullis/protocol';
import { test } from 'tap';
import type { Evaluator } from './index.ts';
import { ask, listen, obedient, policyOf, start, TIMEOUT } from './test-evaluator.ts';

/** Waits until all threads are there to choose from. */
async function allThreads(evaluator: Evaluator, count: number): Promise<void> {
  await evaluator.validateSettings(policyOf(await obedient(evaluator)));
  while (evaluator.stats.threads < count) await sleep(1);
}

test('a deadline holds to the millisecond, in a loop, a host call, a sleep and start code alike', async (t) => {
  await using evaluator = start();
  const module = await obedient(evaluator);
  await ask(evaluator, policyOf(module), 'a');
  for (const [request, occupied] of [
    ['l', 1],
    ['h:1:9999', 0],
    ['S', 0],
    ['H:1:50', 1],
  ] as const) {
    const { events, stop } = listen('timed-out');
    const startedAtMs = performance.now();
    const response = await evaluator.validate(policyOf(module, { timeoutMs: 150 }), {
      kind: 'raw',
      request: encodedRawRequest(request),
    });
    const tookMs = performance.now() - startedAtMs;
    t.same(response.status, { message: TIMEOUT, code: 500 }, request);
    t.ok(tookMs >= 149 && tookMs < 1000, `${request} took ${tookMs.toFixed(1)} ms`);
    t.match(events, [{ policyId: 'obedient', operation: 'validate', occupiedThread: occupied === 1 }]);
    stop();
  }
  const stuck = await obedient(evaluator, 'loop');
  const { response, initialised } = await evaluator.evaluate(policyOf(stuck, { timeoutMs: 100 }), {
    kind: 'raw',
    request: encodedRawRequest('a'),
  });
  t.same(response.status, { message: TIMEOUT, code: 500 });
  t.notOk(initialised, 'start code never came to its end');
  t.equal(evaluator.stats.timeouts, 5);
});

test('a policy that hangs while it is loaded is told so in time', async (t) => {
  await using evaluator = start();
  const policy = policyOf(await obedient(evaluator), { timeoutMs: 100, settings: encodeUtf8('{"do":"l"}') });
  t.same(await evaluator.validateSettings(policy), { valid: false, message: TIMEOUT });
  const stuck = policyOf(await obedient(evaluator, 'loop'), { timeoutMs: 100 });
  t.same(await evaluator.validateSettings(stuck), { valid: false, message: TIMEOUT });
  t.same(await evaluator.validateSettings({ ...policy, timeoutMs: 0 }), { valid: false, message: TIMEOUT });
  const trapped = await evaluator.validateSettings(policyOf(await obedient(evaluator, 'trap')));
  t.notOk(trapped.valid);
  t.equal(await evaluator.protocolVersion(policy.module), 'v1');
  await t.rejects(evaluator.protocolVersion(await obedient(evaluator, 'trap')), { code: 'initialisation-failed' });
});

test('a policy without any limit cannot hang while it is loaded', async (t) => {
  await using evaluator = start({ loadTimeoutMs: 150 });
  const unlimited = { timeoutMs: undefined };
  const message = `${TIMEOUT}: without a limit of its own a policy has 0.15 s to start and to validate its settings`;
  for (const policy of [
    policyOf(await obedient(evaluator), { ...unlimited, settings: encodeUtf8('{"do":"l"}') }),
    policyOf(await obedient(evaluator), { ...unlimited, settings: encodeUtf8('{"do":"S"}') }),
    policyOf(await obedient(evaluator, 'loop'), unlimited),
  ]) {
    t.same(await evaluator.validateSettings(policy), { valid: false, message });
  }
  const own = policyOf(await obedient(evaluator), { timeoutMs: 300, settings: encodeUtf8('{"do":"h:1:200"}') });
  t.same(await evaluator.validateSettings(own), { valid: true }, 'a limit of its own takes its place');
  for (const loadTimeoutMs of [0, -1, NaN]) t.throws(() => start({ loadTimeoutMs }), RangeError);
});

test('a looping policy under parallel load costs nobody else a wrong or lost verdict', async (t) => {
  await using evaluator = start();
  const module = await obedient(evaluator);
  const looping = policyOf(module, { policyId: 'looping', timeoutMs: 300 });
  const innocent = policyOf(module, { policyId: 'innocent', timeoutMs: 4000 });
  // A policy that loops has one thread, so these wait for each other.
  const patient = { deadlineMs: 10_000 };
  const wanted: [Promise<string | undefined>, string][] = [];
  for (let id = 0; id < 120; id++) {
    if (id % 30 === 7) wanted.push([ask(evaluator, looping, id % 60 === 7 ? 'l' : 'H:0:20', patient), TIMEOUT]);
    if (id % 3 === 0) wanted.push([ask(evaluator, innocent, 'a'), 'accepted']);
    else wanted.push([ask(evaluator, innocent, `h:${id}:${(id * 7) % 90}`), String(id)]);
    if (id % 20 === 0) await sleep(5);
  }
  t.same(
    await Promise.all(wanted.map(([verdict]) => verdict)),
    wanted.map(([, right]) => right),
  );
  t.match(evaluator.stats, { timeouts: 4, threadsReplaced: 0, queued: 0, running: 0, suspended: 0 });
});

test('a policy that loops without any limit holds up only itself', async (t) => {
  await using evaluator = start();
  const module = await obedient(evaluator);
  await allThreads(evaluator, 2);
  const waiting = Array.from({ length: 12 }, (_, id) =>
    ask(evaluator, policyOf(module, { timeoutMs: undefined }), `h:${id}:800`),
  );
  while (evaluator.stats.suspended < 12) await sleep(1);
  const endless = ask(evaluator, policyOf(module, { policyId: 'endless', timeoutMs: undefined }), 'l');
  t.same(
    await Promise.all(waiting),
    waiting.map((_, id) => String(id)),
  );
  t.match(evaluator.stats, { preempted: 1, runAgain: 0 }, 'it gave way to those on its thread');
  t.equal(await ask(evaluator, policyOf(module), 'a'), 'accepted');
  const closed = t.rejects(endless, { code: 'closed' });
  await evaluator.close();
  await closed;
});

test('two endless loops at once leave a place for others, once the policy is known for it', async (t) => {
  await using evaluator = start();
  const module = await obedient(evaluator);
  const looping = policyOf(module, { policyId: 'looping', timeoutMs: 5000 });
  await ask(evaluator, { ...looping, timeoutMs: 50 }, 'l');
  const loops = Array.from({ length: 3 }, () => t.rejects(ask(evaluator, looping, 'l'), { code: 'closed' }));
  for (let i = 0; i < 20; i++) t.equal(await ask(evaluator, policyOf(module), 'a'), 'accepted');
  t.match(evaluator.stats, { timeouts: 1, running: 1, queued: 2 }, 'nobody waited for a loop to end');
  await evaluator.close();
  await Promise.all(loops);
});
