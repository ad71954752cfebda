import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { decodeUtf8, encodeUtf8 } from '@portcullis/protocol';
import { test } from 'tap';
import { obedientPolicy } from '../fixtures/obedient-policy.ts';
import { moduleKey, Modules } from '../modules.ts';
import type { CompiledPolicy } from '../runtimes/runtime.ts';
import type { Attempt, Flight, Work } from './flight.ts';
import { estimateWaitMs, OverloadGuard } from './overload.ts';
import { EvaluationPool } from './pool.ts';
import { EvaluationQueue } from './queue.ts';
import type { Thread } from './thread.ts';
import { Suspects } from './suspects.ts';
import { Turns, monotonicMs } from './turns.ts';

const LIMITS = { memoryPages: 64, maxOutputBytes: 2 ** 20, maxHostCallBytes: 2 ** 20, maxHostCalls: 10 };

test('an evaluation is resumed or abandoned, never both', (t) => {
  const turns = new Turns();
  t.equal(turns.state(3, 0), 'not-started');
  t.ok(turns.start(3, 17));
  t.equal(turns.startedAtMs(3), 17);
  t.equal(turns.state(3, 0), 'on-thread');
  t.notOk(turns.abandon(3), 'nobody is torn from the thread');
  turns.suspend(3);
  t.equal(turns.state(3, 0), 'waiting-for-host');
  t.equal(turns.state(3, 1), 'waiting-for-thread', 'answered, but not resumed');
  t.ok(turns.resume(3));
  turns.suspend(3);
  t.equal(turns.state(3, 1), 'waiting-for-host');
  t.ok(turns.abandon(3));
  t.ok(turns.abandon(3), 'twice is as good as once');
  t.notOk(turns.resume(3));
  turns.unwind(3);
  t.equal(turns.state(3, 1), 'on-thread', 'for the last time');
  turns.reset(3);
  t.ok(turns.abandon(3));
  t.notOk(turns.start(3, 18), 'abandoned before it began');
  t.notOk(turns.hasBegun(3));
  turns.begin(3);
  t.ok(turns.hasBegun(3));
  const other = new Turns(turns.control);
  t.ok(other.hasBegun(3), 'both threads see the same');
  other.finish(3);
  t.equal(turns.state(3, 0), 'not-started');
  t.ok(Math.abs(monotonicMs() - performance.now()) >= 0);
  t.end();
});

test('the wait is estimated from the queue, and from guests that run unusually long', (t) => {
  t.equal(estimateWaitMs(100, 5, []), 0, 'a thread is free');
  t.equal(estimateWaitMs(0, 5, [{ elapsedMs: 2, remainingMs: 1000 }]), 3);
  t.equal(
    estimateWaitMs(10, 4, [
      { elapsedMs: 4, remainingMs: 1000 },
      { elapsedMs: 0, remainingMs: 1000 },
    ]),
    20,
  );
  const stuck = { elapsedMs: 700, remainingMs: 1300 };
  t.equal(estimateWaitMs(0, 5, [stuck]), 700);
  t.equal(estimateWaitMs(0, 5, [{ elapsedMs: 1900, remainingMs: 100 }]), 100, 'no longer than to its deadline');
  t.equal(estimateWaitMs(0, 5, [stuck, { elapsedMs: 1, remainingMs: 9 }]), 4, 'the first to be free counts');
  t.end();
});

test('nobody is refused while a thread is free, however slow evaluations were', (t) => {
  let nowMs = 0;
  const guard = new OverloadGuard({ concurrency: 1, maxQueueLength: 2, nowMs: () => nowMs });
  const slow = {
    seatedAtMs: 0,
    waitedMs: 0,
    waitingSinceMs: undefined,
    flight: { work: { timeoutMs: 60_000 } },
  } as Attempt;
  const busy = { attempts: () => [slow] } as unknown as Thread;
  nowMs = 30_000;
  guard.observe(slow);
  t.doesNotThrow(() => guard.admit(0, [], 100), 'a thread is free');
  t.throws(() => guard.admit(0, [busy], 100), { code: 'overloaded', message: /have to wait about 30000 ms/ });
  t.doesNotThrow(() => guard.admit(0, [busy], undefined), 'the caller has time');
  t.throws(() => guard.admit(2, [busy], undefined), {
    code: 'overloaded',
    message: /2 evaluations are waiting already/,
  });
  t.equal(guard.refusals, 2);
  t.end();
});

test('the queue is first come, first served; the hurt go first, the suspect alone', (t) => {
  const flight = (policyId: string): Flight => ({ work: { policyId } }) as Flight;
  const queue = new EvaluationQueue();
  const [first, second, hurt, suspect] = [flight('a'), flight('b'), flight('a'), flight('b')];
  queue.add(first, 'ordinary');
  queue.add(second, 'ordinary');
  queue.add(hurt, 'again');
  t.equal(queue.nextShared(), hurt);
  t.ok(queue.remove(hurt));
  t.notOk(queue.remove(hurt));
  t.equal(queue.nextShared(), first);
  queue.add(suspect, 'alone');
  t.equal(queue.nextAlone(), suspect);
  queue.separate('a');
  t.equal(queue.nextShared(), second);
  t.same(queue.all(), [second, suspect, first]);
  t.equal(queue.size, 3);
  t.end();
});

test('a suspect policy is cleared by ten evaluations that behave', (t) => {
  const suspects = new Suspects();
  suspects.caught('p');
  for (let i = 0; i < 9; i++) suspects.behaved('p');
  t.ok(suspects.has('p'));
  suspects.behaved('p');
  t.notOk(suspects.has('p'));
  suspects.behaved('q');
  t.notOk(suspects.has('q'));
  t.end();
});

/** Pools with the obedient policy, and one that ends its thread: compiled code as no compiler of ours would make it. */
async function poolWith(options: { concurrency: number; spareThreads: number }) {
  const modules = new Modules({ limits: LIMITS, instances: 'reset', cacheDir: undefined, nowMs: monotonicMs });
  const module = await modules.prepare(await obedientPolicy(), 'kubewarden-wapc');
  const compiled = modules.compiled(module);
  if (compiled === undefined) throw new Error('the module was not compiled');
  const deadly: CompiledPolicy = {
    mode: 'component',
    sha256: '0'.repeat(64),
    modules: [],
    plans: [],
    instances: { kind: 'reset' },
    glue: 'function instantiate() { TextDecoder.constructor("return process")().exit(3); }',
  };
  const pool = new EvaluationPool({
    ...options,
    maxQueueLength: 100,
    limits: LIMITS,
    instances: 'reset',
    nowMs: monotonicMs,
  });
  const work = (request: string, more: Partial<Work> = {}): Work => ({
    policyId: 'obedient',
    moduleKey: moduleKey(module),
    compiled,
    operation: 'validate',
    input: { kind: 'raw', request: encodeUtf8(JSON.stringify(request)), settings: encodeUtf8('{}') },
    uid: '',
    timeoutMs: 3000,
    hostCall: async ({ payload }) => {
      await sleep(150);
      return encodeUtf8(decodeUtf8(payload).slice(14, 16));
    },
    ...more,
  });
  return { pool, work, deadlyWork: work('a', { policyId: 'deadly', compiled: deadly, moduleKey: 'deadly' }) };
}

test('a guest that brings its thread down is told so; those who shared the thread run again', async (t) => {
  const { pool, work, deadlyWork } = await poolWith({ concurrency: 1, spareThreads: 0 });
  await pool.run(work('a'));
  const waiting = Array.from({ length: 10 }, (_, id) => pool.run(work(`h:1${id}`)));
  await sleep(40);
  t.match(await pool.run(deadlyWork), { kind: 'crashed', message: /exited with code: 3/ });
  const verdicts = await Promise.all(waiting);
  t.same(
    verdicts.map((outcome) => outcome.kind === 'validated' && outcome.response.status?.message),
    verdicts.map((_, id) => `1${id}`),
  );
  t.match(pool.stats, { threadsReplaced: 1, runAgain: 10, queued: 0, running: 0, suspended: 0 });
  t.match(await pool.run(deadlyWork), { kind: 'crashed' }, 'again, on a thread of its own');
  t.match(await pool.run(work('a')), { kind: 'validated', response: { allowed: true } });
  await pool.close();
});

test('a module that a thread cannot make ready is refused, every time', async (t) => {
  const { pool, work } = await poolWith({ concurrency: 1, spareThreads: 0 });
  const broken: CompiledPolicy = {
    mode: 'component',
    sha256: '1'.repeat(64),
    modules: [],
    plans: [],
    instances: { kind: 'reset' },
    glue: 'not even JavaScript',
  };
  for (const _ of [1, 2]) {
    const outcome = await pool.run(work('a', { compiled: broken, moduleKey: 'broken' }));
    t.match(outcome, { kind: 'not-prepared', message: /./ });
  }
  t.match(await pool.run(work('a')), { kind: 'validated' });
  t.equal(pool.stats.threadsReplaced, 0);
  await pool.close();
});

test('who must be alone gets a thread that empties, while others go on elsewhere', async (t) => {
  const { pool, work } = await poolWith({ concurrency: 2, spareThreads: 0 });
  await pool.run(work('a'));
  await pool.run(work('l', { policyId: 'caught', timeoutMs: 60 }));
  const answered = Promise.withResolvers<void>();
  const hostCall = (): Promise<Uint8Array> => answered.promise.then(() => encodeUtf8('10'));
  const waiting = Array.from({ length: 12 }, () => pool.run(work('h:10', { hostCall })));
  while (pool.stats.suspended < waiting.length) await sleep(5);
  const order: string[] = [];
  const alone = pool.run(work('a', { policyId: 'caught' })).then(() => order.push('alone'));
  for (let i = 0; i < 5; i++) {
    await pool.run(work('a'));
    order.push('other');
  }
  t.same(new Set(order), new Set(['other']), 'nobody had to wait for it');
  answered.resolve();
  await alone;
  t.equal((await Promise.all(waiting)).length, 12);
  t.match(pool.stats, { queued: 0, running: 0, suspended: 0, timeouts: 1 });
  await pool.close();
});

test('who waits behind a loop of the same policy is refused at once, if another one would end too late', async (t) => {
  const { pool, work } = await poolWith({ concurrency: 1, spareThreads: 0 });
  await pool.run(work('a'));
  const loop = (timeoutMs: number): Work => work('l', { policyId: 'looping', timeoutMs });
  const first = pool.run(loop(400));
  await sleep(20);
  const startedAtMs = monotonicMs();
  const late = { code: 'overloaded', message: /has just run into its time limit/ };
  const refused = Array.from({ length: 5 }, () => t.rejects(pool.run(loop(400), { deadlineMs: 700 }), late));
  const inTime = pool.run(work('a', { policyId: 'looping', timeoutMs: 400 }), { deadlineMs: 5000 });
  const other = pool.run(work('a', { timeoutMs: 700 }), { deadlineMs: 800 });
  await Promise.all(refused);
  t.ok(monotonicMs() - startedAtMs < 600, 'well before their deadline');
  t.match(await first, { kind: 'timed-out' });
  t.match(await other, { kind: 'validated' }, 'another policy is none of it');
  t.match(await inTime, { kind: 'validated' }, 'nor is who has the time');
  t.match(
    await pool.run(work('a', { policyId: 'looping' }), { deadlineMs: 300 }),
    { kind: 'validated' },
    'nor a newcomer',
  );
  t.match(pool.stats, { overloads: 5, queued: 0, running: 0, timeouts: 1 });
  await pool.close();
});

test('an aborted evaluation gives back the thread that was kept free for it', async (t) => {
  const { pool, work } = await poolWith({ concurrency: 1, spareThreads: 0 });
  await pool.run(work('l', { policyId: 'caught', timeoutMs: 60 }));
  const waiting = pool.run(work('h:17'));
  await sleep(100);
  const leave = new AbortController();
  const alone = t.rejects(pool.run(work('a', { policyId: 'caught' }), { signal: leave.signal }), { code: 'aborted' });
  leave.abort();
  await alone;
  t.match(await pool.run(work('a')), { kind: 'validated' });
  t.match(await waiting, { kind: 'validated', response: { status: { message: '17' } } });
  await pool.close();
});

test('whoever waits for an answer keeps the process alive, idle threads do not', async (t) => {
  const url = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
  const script = `
    import { createEvaluator } from ${url('../index.ts')};
    import { obedientPolicy } from ${url('../fixtures/obedient-policy.ts')};
    import { encodedRawRequest, parseCapabilityPatterns } from '@portcullis/protocol';
    const hostCalls = () => new Promise((resolve) => setTimeout(resolve, 300, new Uint8Array()).unref());
    const evaluator = createEvaluator({ workers: 2, cores: 2, hostCalls });
    const module = await evaluator.prepare(await obedientPolicy(), 'kubewarden-wapc');
    const policy = { policyId: 'p', module, settings: new TextEncoder().encode('{}'), timeoutMs: 5000,
      allowList: parseCapabilityPatterns([]), contextAwareResources: [] };
    const { allowed } = await evaluator.validate(policy, { kind: 'raw', request: encodedRawRequest('h') });
    process.stdout.write('allowed: ' + allowed);`;
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    cwd: import.meta.dirname,
    timeout: 20_000,
  });
  t.equal(stdout, 'allowed: true');
  t.equal(stderr, '', 'no warnings either');
});
