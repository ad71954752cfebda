import { randomFrom, watModule } from '@portcullis/testkit';
import { test } from 'tap';
import { linkModule } from '../../link/link.ts';
import type { ThreadContext } from '../runtime.ts';
import { Guest } from './guest.ts';
import type { InstanceState } from './image.ts';
import { type ImagedInstance, ImagedInstances, type Lease } from './imaged-instances.ts';
import { exportedFunction, instantiateLinked } from './instance.ts';
import { type InstancePoolOptions, instancePoolOf } from './instance-pool.ts';
import { TEST_LIMITS } from './fake-host.ts';
import { testThread } from './test-evaluation.ts';

const PAGE = 65_536;

/** Start code counts how often it ran and clears what a data segment put there; `grow` grows, `trap` traps. */
const COUNTING = `(module
  (memory (export "memory") 2)
  (global $runs (mut i64) (i64.const 41)) (global $ratio (mut f64) (f64.const 0.1)) (global $small (mut f32) (f32.const 0.1))
  (data (i32.const 70000) "data") (data (i32.const 9000) "cleared")
  (func (export "start")
    (global.set $runs (i64.add (global.get $runs) (i64.const 1)))
    (memory.fill (i32.const 9000) (i32.const 0) (i32.const 7))
    (i32.store (i32.const 131000) (i32.const 7)))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))`;

interface Made extends ImagedInstance {
  readonly exports: WebAssembly.Exports;
}

interface Subject {
  readonly instances: ImagedInstances<Made>;
  readonly take: () => Promise<Lease<Made>>;
  /** How often start code ran. */
  started: number;
  surprise: string | undefined;
}

async function subjectOf(thread: ThreadContext, wat = COUNTING): Promise<Subject> {
  const { bytes, plan } = linkModule(await watModule(wat), { maxPages: 64, memory: 'import' });
  const source = { module: new WebAssembly.Module(bytes), plan, thread };
  const instances = new ImagedInstances<Made>({
    plan,
    thread,
    instantiate: (memoryPages) => instantiateLinked(new Guest(undefined, TEST_LIMITS), source, {}, memoryPages),
    surprise: () => subject.surprise,
  });
  const subject: Subject = {
    instances,
    started: 0,
    surprise: undefined,
    take: async () =>
      instances.takeIdle() ??
      instances.make(({ exports }) => {
        subject.started += 1;
        exportedFunction(exports, 'start')?.();
      }),
  };
  return subject;
}

function threadWith(instancePool: Partial<InstancePoolOptions>): ThreadContext {
  return { ...testThread(), instancePool };
}

function stateOf({ instance }: Lease<Made>): InstanceState {
  if (instance.state === undefined) throw new Error('the module is not covered');
  return instance.state;
}

/** Memory and globals, in a form that can be compared. */
function snapshot(lease: Lease<Made>): { memory: Buffer; globals: unknown[] } {
  const { bytes, globals } = stateOf(lease);
  return { memory: Buffer.from(bytes), globals: globals.map((global) => global.value) };
}

test('whatever happened to an instance, the image brings back every byte and every global', async (t) => {
  const { take, instances } = await subjectOf(testThread());
  const first = await take();
  const expected = snapshot(first);
  t.same(expected.globals, [42n, 0.1, Math.fround(0.1), 2]);
  t.equal(expected.memory.length, 6 * PAGE, 'the image and its room');
  const random = randomFrom(4711);
  let lease = first;
  for (let round = 0; round < 60; round += 1) {
    const { bytes, globals } = stateOf(lease);
    for (let hit = random(200); hit > 0; hit -= 1) bytes[random(bytes.length)] = random(256);
    const from = random(bytes.length);
    if (round % 3 === 0) bytes.fill(random(256), from, from + random(2 * PAGE));
    for (const global of globals) global.value = typeof global.value === 'bigint' ? BigInt(random(1e6)) : random(1e6);
    instances.giveBack(lease, true);
    lease = await take();
    t.equal(lease, first);
    t.same(snapshot(lease), expected);
  }
  t.same(snapshot(await take()), expected, 'and a new one is made from it');
});

test('start code runs once for an image; while an instance is taken others are made from the image', async (t) => {
  const subject = await subjectOf(testThread());
  const leases = [await subject.take(), await subject.take(), await subject.take()];
  t.equal(subject.started, 1);
  const [first, second, third] = leases.map(snapshot);
  t.same(second, first);
  t.same(third, first);
  for (const lease of leases) subject.instances.giveBack(lease, true);
  t.equal(await subject.take(), leases[2], 'the one used last comes first');
  t.same(subject.instances.report, { kind: 'reset' });
});

test('evaluations that start at the same time do not share a half-made image', async (t) => {
  const { instances } = await subjectOf(testThread());
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const making = gates.map((gate, index) =>
    instances.make(async ({ exports, state }) => {
      exportedFunction(exports, 'start')?.();
      await gate.promise;
      state?.bytes.fill(index + 1, 0, 100);
    }),
  );
  gates[1]?.resolve();
  await making[1];
  gates[0]?.resolve();
  const [slow, fast] = await Promise.all(making);
  t.ok(fast?.image instanceof Object && slow?.image === undefined, 'the slow one serves one evaluation, as it started');
  t.equal(slow?.instance.state?.bytes[0], 1);
  const third = await instances.make(() => undefined);
  t.equal(third.instance.state?.bytes[0], 2);
});

test('an instance is dropped after a fault and when it outgrew its room, not when it grew within', async (t) => {
  const subject = await subjectOf(testThread());
  const { instances, take } = subject;
  const grow = ({ instance }: Lease<Made>, pages: number): unknown =>
    exportedFunction(instance.exports, 'grow')?.(pages);
  const first = await take();
  t.equal(grow(first, 4), 2);
  t.equal(stateOf(first).physicalPages, 6);
  instances.giveBack(first, true);
  const again = await take();
  t.equal(again, first);
  t.equal(stateOf(again).logicalPages, 2, 'and is as small as before');
  t.equal(grow(again, 5), 2);
  t.equal(stateOf(again).physicalPages, 7);
  instances.giveBack(again, true);
  const second = await take();
  t.not(second, first);
  t.equal(stateOf(second).physicalPages, 6);
  instances.giveBack(second, false);
  t.not(await take(), second);
  t.equal(subject.started, 1);
});

test('images are renewed, and nothing of the old one is used again', async (t) => {
  let nowMs = 0;
  const thread = threadWith({ renewalMs: 1000, idleMs: 1e6, nowMs: () => nowMs });
  const subject = await subjectOf(thread);
  const { instances, take } = subject;
  const [taken, idle] = [await take(), await take()];
  instances.giveBack(idle, true);
  nowMs = 999;
  t.equal(await take(), idle);
  instances.giveBack(idle, true);
  nowMs = 1000;
  const renewed = await take();
  t.equal(subject.started, 2);
  t.not(renewed.image, idle.image);
  instances.giveBack(taken, true);
  instances.giveBack(renewed, true);
  t.equal(await take(), renewed, 'an instance of the old image does not come back');
  t.equal((await take()).image, renewed.image);
});

test('what is idle is dropped after a while: instances first, the image with the last of them', async (t) => {
  let nowMs = 0;
  const thread = threadWith({ idleMs: 1000, nowMs: () => nowMs });
  const pool = instancePoolOf(thread);
  const subject = await subjectOf(thread);
  const { instances, take } = subject;
  const [early, late] = [await take(), await take()];
  const sizeOfTwo = pool.sizeBytes;
  instances.giveBack(early, true);
  instances.giveBack(late, true);
  nowMs = 900;
  t.equal(await take(), late);
  instances.giveBack(late, true);
  nowMs = 1500;
  pool.sweep();
  t.ok(pool.sizeBytes < sizeOfTwo && pool.sizeBytes > 6 * PAGE, 'one is left');
  const lease = await take();
  t.equal(lease, late);
  t.equal(subject.started, 1);
  instances.giveBack(lease, true);
  nowMs = 2600;
  pool.sweep();
  t.equal(pool.sizeBytes, 0);
  t.not(await take(), late);
  t.equal(subject.started, 2);
});

test('tables count: they lie outside of the memory', async (t) => {
  const sizeWith = async (tables: string): Promise<number> => {
    const thread = threadWith({});
    await (await subjectOf(thread, COUNTING.replace('(memory', `${tables} (memory`))).take();
    return instancePoolOf(thread).sizeBytes;
  };
  t.equal((await sizeWith('(table 1000 funcref) (table 24 2000 externref)')) - (await sizeWith('')), 1024 * 24);
});

test('the pool sweeps itself and does not keep a thread alive', async (t) => {
  const thread = threadWith({ idleMs: 20 });
  const pool = instancePoolOf(thread);
  const { instances, take } = await subjectOf(thread);
  const timers = (): number => process.getActiveResourcesInfo().filter((each) => each === 'Timeout').length;
  const before = timers();
  instances.giveBack(await take(), true);
  t.equal(timers(), before);
  t.ok(pool.sizeBytes > 0);
  for (let round = 0; round < 100 && pool.sizeBytes > 0; round += 1) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  t.equal(pool.sizeBytes, 0);
});

test('all modules of a thread share one bound; what was idle longest goes first', async (t) => {
  let nowMs = 0;
  // An instance and its image take 6 pages and a little.
  const thread = threadWith({ maxBytes: 24 * PAGE, nowMs: () => nowMs++ });
  const pool = instancePoolOf(thread);
  const subjects = [await subjectOf(thread), await subjectOf(thread), await subjectOf(thread), await subjectOf(thread)];
  const leases: Lease<Made>[] = [];
  for (const { instances, take } of subjects) {
    const lease = await take();
    leases.push(lease);
    instances.giveBack(lease, true);
    t.ok(pool.sizeBytes <= 24 * PAGE);
  }
  t.equal(subjects[0]?.instances.oldestIdleSinceMs, undefined, 'the first one had to go');
  t.equal(await subjects[3]?.take(), leases[3]);
  t.equal(await subjects[2]?.take(), leases[2]);
  await subjects[0]?.take();
  t.equal(subjects[0]?.started, 2);
  const busy = await subjectOf(thread);
  const thirty = await Promise.all(Array.from({ length: 30 }, () => busy.take()));
  t.ok(pool.sizeBytes > 24 * PAGE, 'those at work are not dropped');
  for (const lease of thirty) busy.instances.giveBack(lease, true);
  t.ok(pool.sizeBytes <= 24 * PAGE);
});

test('without an image every instance is new, and the reason is told', async (t) => {
  const freshAfter = async (subject: Subject, reason: string): Promise<void> => {
    const first = await subject.take();
    subject.instances.giveBack(first, true);
    t.not(await subject.take(), first);
    t.equal(subject.started, 2, reason);
    t.same(subject.instances.report, { kind: 'fresh', reason });
  };
  await freshAfter(await subjectOf(testThread({}, 'fresh')), 'asked for');
  const asking = await subjectOf(testThread());
  asking.surprise = 'its start code asks the host';
  await freshAfter(asking, 'its start code asks the host');
  const nan = COUNTING.replace('(f64.const 0.1)', '(f64.const nan:0x8000000000001)');
  await freshAfter(await subjectOf(testThread(), nan), 'a global of its image is not a number');
  const large = await subjectOf(threadWith({ maxBytes: 4 * PAGE }));
  await freshAfter(large, 'image and instance take 466944 bytes, more than the 262144 of the pool');
  const table =
    '(table (export "t") 1 funcref) (func (export "set") (table.set (i32.const 0) (ref.null func))) (func (export "start")';
  const writing = await subjectOf(testThread(), COUNTING.replace('(func (export "start")', table));
  t.equal(writing.instances.report.kind, 'fresh');
  await freshAfter(writing, (writing.instances.report as { reason: string }).reason);
});

test('an evaluation that needs more room gets an instance that has it, at the same image', async (t) => {
  const subject = await subjectOf(threadWith({ largeRoomPages: 9 }));
  const { instances, take } = subject;
  const usual = await take();
  const expected = snapshot(usual);
  const wide = instances.widen(usual);
  t.equal(stateOf(wide).physicalPages, 11);
  t.same({ ...snapshot(wide), memory: snapshot(wide).memory.subarray(0, 6 * PAGE) }, expected);
  t.equal(await take(), usual, 'the other one is free again');
  instances.giveBack(usual, true);
  stateOf(wide).bytes.fill(1);
  t.equal(exportedFunction(wide.instance.exports, 'grow')?.(9), 2);
  instances.giveBack(wide, true);
  const again = await take();
  t.equal(again, usual);
  t.not(await take(), wide, 'the large one is for large evaluations only');
  t.equal(instances.widen(again), wide);
  t.ok(
    stateOf(wide)
      .bytes.subarray(3 * PAGE)
      .every((byte) => byte === 0),
  );
  t.equal(subject.started, 1);
  const fresh = await subjectOf(testThread({}, 'fresh'));
  const lease = await fresh.take();
  t.equal(fresh.instances.widen(lease), lease, 'without an image there is no need for room');
});

test('room is cut where the memory may not grow that far', async (t) => {
  const subject = await subjectOf(testThread(), COUNTING.replace('"memory") 2', '"memory") 2 3'));
  const first = await subject.take();
  t.equal(stateOf(first).physicalPages, 3);
  t.equal(exportedFunction(first.instance.exports, 'grow')?.(2), -1);
  t.equal(exportedFunction(first.instance.exports, 'grow')?.(1), 2);
  subject.instances.giveBack(first, true);
  t.equal(await subject.take(), first);
  t.equal(first.image?.sizeBytes, 2 * 4096, 'of what is zero nothing is kept');
});
