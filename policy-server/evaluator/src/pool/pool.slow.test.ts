import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { decodeUtf8, encodeUtf8 } from '@portcullis/protocol';
import { test } from 'tap';
import { obedientPolicy } from '../fixtures/obedient-policy.ts';
import { moduleKey, Modules } from '../modules.ts';
import type { CompiledPolicy } from '../runtimes/runtime.ts';
import type { Work } from './flight.ts';
import { EvaluationPool } from './pool.ts';
import { monotonicMs } from './turns.ts';

const LIMITS = { memoryPages: 64, maxOutputBytes: 2 ** 20, maxHostCallBytes: 2 ** 20, maxHostCalls: 10 };

/** Pools with the obedient policy, and one that ends its thread: compiled code as no compiler of ours would make it. */
async function poolWith(options: { concurrency: number }) {
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
  // As if no link step had been: nothing checks whether it is to stop, as in a built-in of the engine that takes long.
  const plan = { globals: [], image: { covered: false, reason: 'for a test' } } as const;
  const unstoppable = {
    moduleKey: 'unstoppable',
    compiled: { ...compiled, modules: [new WebAssembly.Module(await obedientPolicy())], plans: [plan] },
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
    timeoutMs: 20_000,
    hostCall: async ({ payload }) => {
      await sleep(1000);
      return encodeUtf8(decodeUtf8(payload).slice(14, 16));
    },
    ...more,
  });
  return {
    pool,
    work,
    unstoppable,
    deadlyWork: work('a', { policyId: 'deadly', compiled: deadly, moduleKey: 'deadly' }),
  };
}

test('a guest that brings its thread down is told so; those who shared the thread run again', async (t) => {
  const { pool, work, deadlyWork } = await poolWith({ concurrency: 1 });
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

test('a guest that cannot be stopped is ended with its thread, as a last resort', async (t) => {
  const { pool, work, unstoppable } = await poolWith({ concurrency: 2 });
  await pool.warm('obedient', [work('a'), work('h:10:0', { hostCall: async () => encodeUtf8('10') })]);
  const stuck = (timeoutMs: number): Work => work('l', { policyId: 'stuck', ...unstoppable, timeoutMs });
  const startedAtMs = monotonicMs();
  t.match(await pool.run(stuck(100)), { kind: 'timed-out', begun: true });
  t.ok(monotonicMs() - startedAtMs < 500, 'its caller is told at the deadline');
  t.match(pool.stats, { timeouts: 1, threadsReplaced: 0 }, 'there is still hope for the thread');
  while (pool.stats.threadsReplaced === 0) await sleep(5);
  t.match(await pool.run(work('a')), { kind: 'validated' }, 'others go on meanwhile');
  const leave = new AbortController();
  const { promise: asked, resolve: onAsked } = Promise.withResolvers<void>();
  const hostCall = async (): Promise<Uint8Array> => {
    onAsked();
    return encodeUtf8('1');
  };
  const afterCall = work('H', { policyId: 'stuck', ...unstoppable, timeoutMs: 1000, hostCall });
  const gone = t.rejects(pool.run(afterCall, { signal: leave.signal }), { code: 'aborted' });
  await asked;
  await sleep(100);
  leave.abort();
  await gone;
  while (pool.stats.threadsReplaced === 1) await sleep(5);
  t.match(pool.stats, { timeouts: 1, stopped: 0, threadsReplaced: 2 });
  await pool.close();
});

test('a guest that cannot be stopped gives way to others with its thread, and once only', async (t) => {
  const { pool, work, unstoppable } = await poolWith({ concurrency: 1 });
  for (let i = 0; i < 5; i++) await pool.run(work('a'));
  let ended = false;
  const stuck = pool.run(work('l', { policyId: 'stuck', ...unstoppable, timeoutMs: 600 }), {
    deadlineMs: 20_000,
  });
  void stuck.then(() => (ended = true));
  while (pool.stats.running === 0) await sleep(1);
  while (!ended) await pool.run(work('a'));
  t.match(await stuck, { kind: 'timed-out' });
  while (pool.stats.threadsReplaced < 2) await sleep(5);
  t.match(pool.stats, { preempted: 1, timeouts: 1, stopped: 0, threadsReplaced: 2 });
  await pool.close();
});

test('a thread that takes the place of another is warmed before it is given requests', async (t) => {
  const { pool, work, deadlyWork } = await poolWith({ concurrency: 2 });
  const threadsWarmed = { count: 0 };
  const hostCall = async (): Promise<Uint8Array> => {
    threadsWarmed.count++;
    return encodeUtf8('10');
  };
  await pool.warm('obedient', [work('h', { hostCall })]);
  t.equal(threadsWarmed.count, 2);
  t.match(await pool.run(deadlyWork), { kind: 'crashed' });
  while (threadsWarmed.count < 3) await sleep(5);
  t.match(await pool.run(work('a')), { kind: 'validated' });
  await pool.close();
});

test('who is to be warmed on a thread that comes to its end waits for it no longer', async (t) => {
  const { pool, work, deadlyWork } = await poolWith({ concurrency: 2 });
  await pool.warm('deadly', [deadlyWork, work('a')]);
  t.equal(pool.stats.threadsReplaced, 2);
  await pool.warm('another', [work('a')]);
  t.match(await pool.run(work('a')), { kind: 'validated' });
  await pool.close();
});

test('a module is warmed once, by the first of its policies that is answered', async (t) => {
  const { pool, work } = await poolWith({ concurrency: 2 });
  let asked = 0;
  const counting = work('h:10', { hostCall: async () => encodeUtf8(String(asked++ + 10)) });
  await pool.warm('obedient', [work('l', { timeoutMs: 20 }), counting]);
  t.equal(asked, 0, 'one that hangs is asked once');
  await Promise.all([pool.warm('obedient', [counting]), pool.warm('obedient', [counting])]);
  t.ok(asked >= 2, 'on each thread: the first policy was not answered');
  const before = asked;
  await pool.warm('obedient', [counting]);
  t.equal(asked, before);
  await pool.warm('another', [counting]);
  t.equal(asked, before + 2);
  await pool.close();
});

test('a module that a thread cannot make ready is refused, every time', async (t) => {
  const { pool, work } = await poolWith({ concurrency: 1 });
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
  const { pool, work } = await poolWith({ concurrency: 2 });
  await pool.warm('obedient', [work('a')]);
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
  const { pool, work } = await poolWith({ concurrency: 1 });
  await pool.run(work('a'));
  const loop = (timeoutMs: number): Work => work('l', { policyId: 'looping', timeoutMs });
  const first = pool.run(loop(1000));
  while (pool.stats.running === 0) await sleep(1);
  const startedAtMs = monotonicMs();
  const late = { code: 'overloaded', message: /has just run into its time limit/ };
  const refused = Array.from({ length: 5 }, () => t.rejects(pool.run(loop(1000), { deadlineMs: 1900 }), late));
  const inTime = pool.run(work('a', { policyId: 'looping', timeoutMs: 1000 }), { deadlineMs: 20_000 });
  const other = pool.run(work('a', { timeoutMs: 1900 }), { deadlineMs: 2000 });
  await Promise.all(refused);
  t.ok(monotonicMs() - startedAtMs < 1800, 'well before their deadline');
  t.match(await first, { kind: 'timed-out' });
  t.match(await other, { kind: 'validated' }, 'another policy is none of it');
  t.match(await inTime, { kind: 'validated' }, 'nor is who has the time');
  t.match(
    await pool.run(work('a', { policyId: 'looping' }), { deadlineMs: 3000 }),
    { kind: 'validated' },
    'nor a newcomer',
  );
  t.match(pool.stats, { overloads: 5, queued: 0, running: 0, timeouts: 1 });
  await pool.close();
});

test('an aborted evaluation gives back the thread that was kept free for it', async (t) => {
  const { pool, work } = await poolWith({ concurrency: 1 });
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
