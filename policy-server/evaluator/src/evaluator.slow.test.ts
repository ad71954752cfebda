import { setTimeout as sleep } from 'node:timers/promises';
import { decodeUtf8, encodedRawRequest, encodeUtf8 } from '@portcullis/protocol';
import { test } from 'tap';
import type { HostCallHandler } from './index.ts';
import { ask, listen, obedient, policyOf, start, TIMEOUT } from './test-evaluator.ts';

test('K3, K4: 1, 5 and 50 policies on one module compile it once, and keep their own settings', async (t) => {
  await using evaluator = start();
  const { events, stop } = listen('prepared');
  for (const count of [1, 5, 50]) {
    const modules = await Promise.all(Array.from({ length: count }, async () => obedient(evaluator)));
    t.equal(evaluator.stats.preparedModules, 1, `${count} policies`);
    t.equal(new Set(modules).size, 1);
  }
  t.match(events, [{ mode: 'kubewarden-wapc', sha256: /^[0-9a-f]{64}$/ }]);
  stop();
  const module = await obedient(evaluator);
  const verdicts = await Promise.all(
    ['{"do":"a"}', '{"do":"r"}'].map((settings) =>
      evaluator.validateSettings(policyOf(module, { settings: encodeUtf8(settings) })),
    ),
  );
  t.same(verdicts, [{ valid: true }, { valid: false, message: 'no' }]);
  await obedient(evaluator, 'trap');
  t.equal(evaluator.stats.preparedModules, 2, 'another digest is another module');
});

test('a module that cannot run is refused each time, and a good one after it is not', async (t) => {
  await using evaluator = start();
  for (const _ of [1, 2])
    await t.rejects(evaluator.prepare(encodeUtf8('no wasm'), 'kubewarden-wapc'), { code: 'module-invalid' });
  t.equal(evaluator.stats.preparedModules, 0);
  t.equal(await ask(evaluator, policyOf(await obedient(evaluator)), 'a'), 'accepted');
});

test('K6: 1,000 evaluations, also at the same time, each find a fresh evaluator', async (t) => {
  await using evaluator = start();
  const policy = policyOf(await obedient(evaluator));
  const counts = await Promise.all(Array.from({ length: 1000 }, () => ask(evaluator, policy, 'c')));
  t.same([...new Set(counts)], ['11']);
  for (let round = 0; round < 20; round++) {
    t.equal(await ask(evaluator, policy, 'm'), 'accepted');
    t.equal(await ask(evaluator, policy, 'M'), '0', 'nothing of the secret of an earlier evaluation');
  }
});

test('K7: a guest that leaks 1 MiB a call does not make the server grow', async (t) => {
  await using evaluator = start();
  const policy = policyOf(await obedient(evaluator));
  const leak = async (times: number): Promise<number> => {
    for (let i = 0; i < times; i++) await ask(evaluator, policy, 'k');
    return process.memoryUsage().rss / 2 ** 20;
  };
  const beforeMiB = await leak(100);
  let afterMiB = await leak(500);
  // What dropped instances held is given back whenever the threads collect garbage; a leak would only ever grow.
  for (let round = 0; afterMiB > beforeMiB + 64 && round < 150; round++) afterMiB = await leak(20);
  t.ok(afterMiB < beforeMiB + 64, `from ${Math.round(beforeMiB)} to ${Math.round(afterMiB)} MiB`);
});

test('K9: after a trap, a time-out and a memory limit the next verdict is right, and no thread is lost', async (t) => {
  await using evaluator = start({ limits: { memoryPages: 64 } });
  const policy = policyOf(await obedient(evaluator), { timeoutMs: 200 });
  for (const fault of ['t', 'g', 'x', 'l', 'h:1:9999']) {
    await ask(evaluator, policy, fault);
    t.equal(await ask(evaluator, policy, 'c'), '11', `after ${fault}`);
  }
  t.match(evaluator.stats, { stopped: 1, threadsReplaced: 0 });
  t.equal(await ask(evaluator, policy, 'g'), 'refused', 'memory is capped');
});

test('K10: a guest that sleeps or waits for the host leaves its thread to others', async (t) => {
  await using evaluator = start({ workers: 1, cores: 1 });
  const policy = policyOf(await obedient(evaluator));
  await ask(evaluator, policy, 'a');
  const slow = Array.from({ length: 10 }, (_, id) => ask(evaluator, policy, `h:${id}:600`));
  const asleep = Array.from({ length: 10 }, () => ask(evaluator, policy, 's'));
  const startedAtMs = performance.now();
  t.equal(await ask(evaluator, policy, 'a'), 'accepted');
  t.ok(performance.now() - startedAtMs < 250, 'a newcomer does not wait for those who wait');
  t.equal(evaluator.stats.suspended, 20);
  t.same(new Set(await Promise.all(asleep)), new Set(['accepted']));
  t.same(await Promise.all(slow), ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'], 'each gets its own answer');
  t.equal(evaluator.stats.threads, 1);
});

test('host calls are bounded in number and in size, both ways, and the guest is told why', async (t) => {
  const limits = { maxHostCalls: 5, maxHostCallBytes: 200, maxOutputBytes: 50_000 };
  const hostCalls: HostCallHandler = async ({ payload }) => {
    if (decodeUtf8(payload).includes('fail')) throw new Error('the host says no');
    return new Uint8Array(decodeUtf8(payload).includes('much') ? 201 : 0);
  };
  await using evaluator = start({ limits, hostCalls });
  const policy = policyOf(await obedient(evaluator));
  const tooMany = 'internal server error: the policy made more than 5 host calls in one evaluation';
  t.equal(await ask(evaluator, policy, 'n'), tooMany);
  const tooLong = 'internal server error: a host call of 247 bytes exceeds the limit of 200 bytes';
  t.equal(await ask(evaluator, policy, `h${'-'.repeat(200)}`), tooLong);
  t.equal(
    await ask(evaluator, policy, 'h much'),
    'host call failed: the answer has 201 bytes, at most 200 are allowed',
  );
  t.equal(await ask(evaluator, policy, 'h fail'), 'the host says no');
  t.match(await ask(evaluator, policy, 'b'), /^internal server error: .*50000/u);
});

test('the host learns who asks, and when nobody waits any more', async (t) => {
  const seen: Parameters<HostCallHandler>[] = [];
  const hostCalls: HostCallHandler = (call, context) => {
    seen.push([call, context]);
    return new Promise(() => {});
  };
  await using evaluator = start({ hostCalls });
  const policy = policyOf(await obedient(evaluator), {
    timeoutMs: 80,
    contextAwareResources: [{ apiVersion: 'v1', kind: 'Pod' }],
  });
  t.equal(await ask(evaluator, policy, 'h'), TIMEOUT);
  const [call, context] = seen[0] ?? [];
  t.match(call, { binding: 'kubewarden', namespace: 'test', operation: 'echo' });
  t.match(context, { policyId: 'obedient', allowList: { patterns: ['*'] }, contextAwareResources: [{ kind: 'Pod' }] });
  t.ok(context?.signal.aborted);
  const { remainingMs = 0 } = context ?? {};
  t.ok(remainingMs > 0 && remainingMs <= 80, 'how long an answer is of use');
});

test('the queue is bounded in length and in time', async (t) => {
  await using evaluator = start({ workers: 1, cores: 1, limits: { maxQueueLength: 3 } });
  const policy = policyOf(await obedient(evaluator), { timeoutMs: 1000 });
  await ask(evaluator, policy, 'a');
  const loop = ask(evaluator, policy, 'l');
  await sleep(100);
  await t.rejects(ask(evaluator, policy, 'a', { deadlineMs: 20 }), { code: 'overloaded' }, 'no hope: refused at once');
  const late = t.rejects(ask(evaluator, policy, 'a', { deadlineMs: 500 }), { code: 'overloaded' }, 'hope in vain');
  const patient = [ask(evaluator, policy, 'a'), ask(evaluator, policy, 'a', { deadlineMs: 5000 })];
  await t.rejects(ask(evaluator, policy, 'a'), { code: 'overloaded' }, 'the queue is full');
  await late;
  t.equal(await loop, TIMEOUT);
  t.same(await Promise.all(patient), ['accepted', 'accepted']);
  t.equal(evaluator.stats.overloads, 3);
});

test('a caller that goes away frees its place, and its guest is stopped', async (t) => {
  await using evaluator = start({ workers: 1, cores: 1 });
  const policy = policyOf(await obedient(evaluator), { timeoutMs: 250 });
  await ask(evaluator, policy, 'a');
  const leave = new AbortController();
  const gone = ['h:1:9999', 'l', 'a'].map((request) =>
    t.rejects(ask(evaluator, policy, request, { signal: leave.signal }), { code: 'aborted' }, request),
  );
  await sleep(50);
  t.match(evaluator.stats, { suspended: 1, running: 1, queued: 1 });
  leave.abort();
  await Promise.all(gone);
  t.match(evaluator.stats, { suspended: 0, running: 0, queued: 0 });
  t.equal(await ask(evaluator, policy, 'a'), 'accepted');
  t.match(evaluator.stats, { stopped: 1, timeouts: 0, threadsReplaced: 0 });
  await t.rejects(ask(evaluator, policy, 'a', { signal: AbortSignal.abort() }), { code: 'aborted' });
});

test('guests that are given up while they wait leave nothing behind', async (t) => {
  await using evaluator = start({ hostCalls: () => new Promise(() => {}) });
  const policy = policyOf(await obedient(evaluator), { timeoutMs: undefined });
  const giveUp = async (request: string, count: number): Promise<number> => {
    for (let i = 0; i < count; i += 10) {
      const leave = new AbortController();
      const gone = Array.from({ length: 10 }, () =>
        t.rejects(ask(evaluator, policy, request, { signal: leave.signal }), { code: 'aborted' }),
      );
      while (evaluator.stats.suspended < 10) await sleep(1);
      leave.abort();
      await Promise.all(gone);
    }
    return process.memoryUsage().rss / 2 ** 20;
  };
  const beforeMiB = await giveUp('w', 50);
  // What is left behind stays; what waits for the engine to collect it is less at one time than at another.
  const afterMiB = Math.min(await giveUp('w', 400), await giveUp('w', 200), await giveUp('w', 200));
  t.ok(afterMiB < beforeMiB + 128, `from ${Math.round(beforeMiB)} to ${Math.round(afterMiB)} MiB`);
  await giveUp('S', 20);
  // These would rather loop than come to their end.
  await giveUp('H', 10);
  t.equal(await ask(evaluator, policy, 'a'), 'accepted');
});

test('mutations are compared with the request where they were made', async (t) => {
  await using evaluator = start();
  const policy = policyOf(await obedient(evaluator));
  const response = await evaluator.validate(policy, { kind: 'raw', request: encodedRawRequest('u') });
  t.equal(response.patchType, 'JSONPatch');
  t.same(JSON.parse(atob(response.patch ?? '')), [{ op: 'replace', path: '', value: 'changed' }]);
  const garbage = await evaluator.validate(policy, { kind: 'raw', request: encodedRawRequest('x') });
  t.same(garbage.status, {
    message: 'internal server error: invalid response from policy: expected value at line 1 column 1',
    code: 500,
  });
  const settings = await evaluator.validateSettings({ ...policy, settings: encodeUtf8('{"do":"x"}') });
  t.same(settings, {
    valid: false,
    message: 'error: InvalidResponseWithError(Error("expected value", line: 1, column: 1))',
  });
});

test('close ends everything at once and for good', async (t) => {
  const evaluator = start();
  const policy = policyOf(await obedient(evaluator));
  await ask(evaluator, policy, 'a');
  const open = ['l', 'h:1:9999', 'S', 'l', 'a'].map((request) =>
    t.rejects(ask(evaluator, policy, request), { code: 'closed' }),
  );
  await Promise.all([evaluator.close(), ...open]);
  await t.rejects(ask(evaluator, policy, 'a'), { code: 'closed' });
  await evaluator.close();
  const idle = start();
  await idle.close();
  for (const workers of [0, -1, 1.5, NaN]) t.throws(() => start({ workers }), RangeError);
});
