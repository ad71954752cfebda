import { setTimeout as sleep } from 'node:timers/promises';
import { encodeUtf8, type ExecutionMode } from '@portcullis/protocol';
import { guestModule, type GuestName } from '@portcullis/testkit';
import { test } from 'tap';
import { obedientPolicy } from './fixtures/obedient-policy.ts';
import type { Evaluator, PolicyRun } from './index.ts';
import { ask, listen, obedient, policyOf, start, TIMEOUT } from './test-evaluator.ts';
import { WARM_UP_REQUEST } from './warm-up-request.ts';

const POD = {
  kind: 'kubernetes',
  request: { uid: 'u', operation: 'CREATE', kind: 'Pod', bytes: new Uint8Array(WARM_UP_REQUEST) },
} as const;

const GUESTS: readonly (readonly [GuestName, ExecutionMode])[] = [
  ['wapc-rust', 'kubewarden-wapc'],
  ['wapc-assemblyscript', 'kubewarden-wapc'],
  ['wasi-go', 'wasi'],
  ['rego-opa', 'opa'],
  ['rego-gatekeeper', 'gatekeeper'],
];

async function guest(evaluator: Evaluator, name: GuestName, mode: ExecutionMode): Promise<PolicyRun> {
  return policyOf(await evaluator.prepare(await guestModule(name), mode), { policyId: name });
}

function behaving(policy: PolicyRun, behaviour: string, more: Partial<PolicyRun> = {}): PolicyRun {
  return { ...policy, settings: encodeUtf8(JSON.stringify({ behaviour })), ...more };
}

test('a guest that loops is stopped where it is, and its neighbours notice nothing', async (t) => {
  await using evaluator = start({ workers: 1 });
  const neighbour = policyOf(await obedient(evaluator), { policyId: 'neighbour' });
  t.equal(await ask(evaluator, neighbour, 'a'), 'accepted');
  for (const [name, mode] of GUESTS) {
    const policy = await guest(evaluator, name, mode);
    await evaluator.warm(policy);
    const { events, stop } = listen('stopped');
    const waiting = Array.from({ length: 3 }, (_, id) => ask(evaluator, neighbour, `h:1${id}:400`));
    while (evaluator.stats.suspended < waiting.length) await sleep(1);
    const startedAtMs = performance.now();
    const { status } = await evaluator.validate(behaving(policy, 'loop', { timeoutMs: 150 }), POD);
    const tookMs = performance.now() - startedAtMs;
    t.match(status, { message: TIMEOUT, code: 500 }, name);
    t.ok(tookMs >= 149 && tookMs < 1000, `${name}: ${tookMs.toFixed(1)} ms`);
    t.same(await Promise.all(waiting), ['10', '11', '12']);
    t.match(await evaluator.validate(policy, POD, { deadlineMs: 10_000 }), { allowed: true }, 'it answers again');
    t.match(events, [{ policyId: name, operation: 'validate', reason: 'deadline' }]);
    stop();
  }
  const stats = { stopped: GUESTS.length, timeouts: GUESTS.length, threads: 1, threadsReplaced: 0, runAgain: 0 };
  t.match(evaluator.stats, stats);
});

test('the guest of a client that has gone is stopped at once', async (t) => {
  await using evaluator = start({ workers: 1 });
  const policy = await guest(evaluator, 'wapc-rust', 'kubewarden-wapc');
  await evaluator.warm(policy);
  const leave = new AbortController();
  const { events, stop } = listen('stopped');
  const gone = t.rejects(evaluator.validate(behaving(policy, 'loop'), POD, { signal: leave.signal }), {
    code: 'aborted',
  });
  while (evaluator.stats.running === 0) await sleep(1);
  await sleep(30);
  leave.abort();
  await gone;
  t.match(await evaluator.validate(policy, POD), { allowed: true });
  t.match(events, [{ policyId: 'wapc-rust', reason: 'nobody-waits' }]);
  t.match(evaluator.stats, { stopped: 1, timeouts: 0, threadsReplaced: 0, running: 0 });
  stop();
});

test('any number of looping clients leave a thread to other policies, from the first request on', async (t) => {
  await using evaluator = start();
  const policy = await guest(evaluator, 'wapc-rust', 'kubewarden-wapc');
  await evaluator.warm(policy);
  const looping = behaving(policy, 'loop', { policyId: 'looping', timeoutMs: 1000 });
  const clients = Array.from({ length: 3 }, () => evaluator.validate(looping, POD, { deadlineMs: 60_000 }));
  while (evaluator.stats.running < 2) await sleep(1);
  const tookMs: number[] = [];
  for (const endsAtMs = performance.now() + 2000; performance.now() < endsAtMs;) {
    const startedAtMs = performance.now();
    t.match(await evaluator.validate(policy, POD), { allowed: true });
    tookMs.push(performance.now() - startedAtMs);
    await sleep(5);
  }
  tookMs.sort((a, b) => a - b);
  const slowest = tookMs.slice(-3).map((ms) => ms.toFixed(0));
  t.ok(Math.max(...tookMs) < 900, `nobody waits for a loop to end: ${slowest.join(', ')} ms`);
  for (const each of clients) t.match(await each, { status: { message: TIMEOUT } });
  const { timeouts, preempted, threadsReplaced } = evaluator.stats;
  t.same({ timeouts, threadsReplaced }, { timeouts: 3, threadsReplaced: 0 });
  t.ok(preempted >= 1, `${preempted} gave way`);
});

test('a policy that takes its time has all threads while it is alone, and is not disturbed', async (t) => {
  await using evaluator = start();
  const slow = policyOf(await obedient(evaluator), { policyId: 'slow' });
  await evaluator.warm(slow);
  await ask(evaluator, slow, 'B');
  let most = 0;
  const watch = setInterval(() => (most = Math.max(most, evaluator.stats.running)), 1);
  const answers = await Promise.all(Array.from({ length: 8 }, () => ask(evaluator, slow, 'B', { deadlineMs: 60_000 })));
  clearInterval(watch);
  t.same(new Set(answers), new Set(['accepted']));
  t.equal(most, 2);
  t.match(evaluator.stats, { preempted: 0, stopped: 0, timeouts: 0 });
});

test('an evaluation that gave way starts over, and answers as if nothing had happened', async (t) => {
  await using evaluator = start();
  const module = await obedient(evaluator);
  const slow = policyOf(module, { policyId: 'slow' });
  const quick = policyOf(module, { policyId: 'quick' });
  await evaluator.warm(quick);
  const { events, stop } = listen('preempted');
  const answers = Array.from({ length: 6 }, () => ask(evaluator, slow, 'B', { deadlineMs: 60_000 }));
  for (let round = 0; round < 20; round++) {
    t.equal(await ask(evaluator, quick, 'a'), 'accepted');
    await sleep(10);
  }
  t.same(new Set(await Promise.all(answers)), new Set(['accepted']));
  t.ok(events.length >= 1 && events.length <= answers.length, `${events.length} gave way, each once at most`);
  t.same(new Set(events.map(({ policyId }) => policyId)), new Set(['slow']));
  t.match(evaluator.stats, { preempted: events.length, timeouts: 0, threadsReplaced: 0, queued: 0, running: 0 });
  stop();
});

test('the first run of a module has time to be compiled, as much as it is large', async (t) => {
  await using evaluator = start({
    hostCalls: async () => {
      await sleep(400);
      return encodeUtf8('1');
    },
  });
  const small = await obedientPolicy();
  const megabytes = 5;
  // A custom section named "." that takes up space.
  const padding = new Uint8Array(megabytes * 1e6);
  padding.set([0, ...lebOf(padding.length - 5), 1, 0x2e]);
  const large = await evaluator.prepare(Buffer.concat([small, padding]), 'kubewarden-wapc');
  const asking = { settings: encodeUtf8('{"do":"h"}'), timeoutMs: 100 };
  const judge = (policy: PolicyRun) => evaluator.validateSettings({ ...policy, ...asking });
  t.match(await judge(policyOf(await obedient(evaluator))), { valid: false, message: TIMEOUT });
  t.same(await judge(policyOf(large)), { valid: true });
  t.match(await judge(policyOf(large)), { valid: false, message: TIMEOUT }, 'the second one has what it was given');
  const hanging = { ...policyOf(large), settings: encodeUtf8('{"do":"l"}'), timeoutMs: 0 };
  t.match(await evaluator.validateSettings(hanging), { valid: false, message: TIMEOUT });
});

/** A size as WebAssembly writes it, in the four bytes that sizes of some megabytes take. */
function lebOf(size: number): number[] {
  return [0, 7, 14, 21].map((shift, index) => ((size >>> shift) & 0x7f) | (index < 3 ? 0x80 : 0));
}

test('a policy is warmed on every thread; nobody hears of it', async (t) => {
  const asked: unknown[] = [];
  await using evaluator = start({
    hostCalls: async (call) => {
      asked.push(call);
      return encodeUtf8('1');
    },
  });
  const logs = listen('guest-logged');
  const starts = listen('started');
  const warmed = listen('warmed');
  const module = await obedient(evaluator);
  const hanging = policyOf(module, { policyId: 'hanging', settings: encodeUtf8('{"do":"l"}'), timeoutMs: 100 });
  t.same(await evaluator.warm(hanging), { kind: 'reset' }, 'a policy that hangs does not keep the others');
  const policy = policyOf(module, { settings: encodeUtf8('{"do":"h"}') });
  t.same(await evaluator.warm(policy), { kind: 'reset' });
  t.match(warmed.events, [{ policyId: 'hanging' }, { policyId: 'obedient', mode: 'kubewarden-wapc' }]);
  t.same([asked.length, logs.events.length, starts.events.length], [0, 0, 0]);
  t.match(evaluator.stats, { threads: 2, timeouts: 0, threadsReplaced: 0, running: 0, queued: 0 });
  for (const each of [logs, starts, warmed]) each.stop();
});
