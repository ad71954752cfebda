import { isDeepStrictEqual } from 'node:util';
import { test, type Test } from 'tap';
import { FakeHost } from '../guest/fake-host.ts';
import { evaluateOnce, prepareOn, testThread } from '../guest/test-evaluation.ts';
import type { Prepared } from '../runtime.ts';
import { goProgram, type GoProgram } from './fixtures/go-program.ts';
import { AT_FIRST_READ, LIMITS, prepare, seen, UNDECIDED } from './fixtures/seen.ts';
import { wasiRuntime } from './prepare.ts';

/** Enough work that an image behind it is worth having. */
const WORK = `(local.set $kept (i32.const 6000000))
  (loop $again (br_if $again (local.tee $kept (i32.sub (local.get $kept) (i32.const 1)))))`;

/** A program of Go's shape that works before it reads. */
function imitation({ before = '', ...program }: GoProgram): Promise<Uint8Array> {
  return goProgram({ ...program, before: `${WORK} ${before}` });
}

/** Evaluates twice more than it takes to decide about an image. */
async function sameAsFresh(t: Test, program: GoProgram): Promise<Prepared> {
  const bytes = await imitation(program);
  const [fresh, reset] = [await prepare(bytes, { instances: 'fresh' }), await prepare(bytes)];
  for (let round = 0; round < 5; round += 1) {
    const asked = { request: `{"uid":"${round}"}` };
    t.same(await seen(reset, asked), await seen(fresh, asked), `${program.before} ${program.after}`);
  }
  return reset;
}

const PRINT = '(call $print (i32.const 2000) (i32.load (i32.const 1008)))';
const ASK = `(drop (call $host_call (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
  (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))`;
const SLEEP = `(i32.store (i32.const 1516) (i32.const 1)) (i64.store (i32.const 1524) (i64.const 3000000))
  (drop (call $poll (i32.const 1500) (i32.const 1600) (i32.const 1) (i32.const 1700)))`;

test('every release of Go whose shape is known starts from its first read', async (t) => {
  for (const release of ['1.22', '1.24', '1.26'] as const)
    t.same((await sameAsFresh(t, { release })).instances, AT_FIRST_READ, release);
});

test('what a program does before it reads, other than in its memory, keeps it at its start', async (t) => {
  const surprises: readonly (readonly [before: string, refusal: string])[] = [
    ['(call $print (i32.const 0) (i32.const 3))', 'calls fd_write'],
    [ASK, 'calls call'],
    [SLEEP, 'calls poll_oneoff'],
    ['(drop (call $fd_close (i32.const 1)))', 'calls fd_close'],
  ];
  for (const [before, refusal] of surprises) {
    const prepared = await sameAsFresh(t, { before });
    t.same(prepared.instances, { kind: 'reset', image: `at its start: it ${refusal} before it reads its input` });
  }
  const exits = await sameAsFresh(t, { before: '(call $exit (i32.const 3))' });
  t.same(exits.instances, { kind: 'reset', image: 'at its start: it calls proc_exit before it reads its input' });
  const pauses = await sameAsFresh(t, { before: '(global.set $pause (i32.const 1)) (return (i32.const 0))' });
  t.same(pauses.instances, { kind: 'reset', image: 'at its start: it never reads its input' });
  const traps = await sameAsFresh(t, { before: '(unreachable)' });
  t.same(traps.instances, UNDECIDED, 'nothing can be repeated');
});

const ASK_TIME = `(drop (call $clock (i32.const 0) (i64.const 0) (i32.const 1100)))
  (drop (call $random (i32.const 1108) (i32.const 8)))`;
/** Reads a clock and a random number on both sides of the read, and shows them. */
const TELLS_TIME: GoProgram = {
  before: ASK_TIME,
  after: `${PRINT} (call $print (i32.const 1100) (i32.const 16)) ${ASK_TIME} (call $print (i32.const 1100) (i32.const 16))`,
};

test('time and random numbers before the first read are part of the image', async (t) => {
  t.same((await sameAsFresh(t, TELLS_TIME)).instances, AT_FIRST_READ);
});

test('random seeds of an image are renewed at intervals', async (t) => {
  let nowMs = 0;
  const before = '(drop (call $random (i32.const 1100) (i32.const 1)))';
  const bytes = await imitation({ before, after: '(call $print (i32.const 1100) (i32.const 1))' });
  const prepared = await prepare(bytes, {
    pool: { renewalMs: 1_000_000, idleMs: 1e9, nowMs: () => performance.now() + nowMs },
  });
  let seed = 97;
  const seedSeen = async (): Promise<string> => {
    const host = new FakeHost();
    host.randomFill = (random) => random.fill(seed);
    return evaluateOnce(prepared, { host });
  };
  for (let round = 0; round < 3; round += 1) t.equal(await seedSeen(), 'a');
  t.same(prepared.instances, AT_FIRST_READ);
  seed += 1;
  t.equal(await seedSeen(), 'a', 'that of the image');
  nowMs += 2_000_000;
  t.equal(await seedSeen(), 'b');
  seed += 1;
  t.equal(await seedSeen(), 'b');
  t.same(prepared.instances, AT_FIRST_READ);
});

test('a module that looks like Go but keeps values where Go does not is run from its start', async (t) => {
  const refused = {
    kind: 'reset',
    image: 'at its start: it does not go on from its first read as it does from its start',
  };
  const SHOW_KEPT = '(i32.store8 (i32.const 1100) (local.get $kept)) (call $print (i32.const 1100) (i32.const 1))';
  const keeps = await sameAsFresh(t, { before: '(local.set $kept (i32.const 65))', after: SHOW_KEPT });
  t.same(keeps.instances, refused, 'it prints something else');
  const hides = await sameAsFresh(t, {
    before: '(local.set $kept (i32.const 65))',
    after: `${PRINT} (i32.store8 (i32.const 1100) (local.get $kept))`,
  });
  t.same(hides.instances, refused, 'it only remembers something else');
  const elsewhere = await sameAsFresh(t, {
    before:
      '(i64.store (i32.sub (global.get $sp) (i32.const 8)) (i64.const 0x30000)) (global.set $context (i64.const 5))',
    edit: (wat) =>
      wat.replace('(i64.const 0x10001)', '(i64.const 0x20000)').replace('$goroutine)', '$goroutine $other)'),
    fields: '(func $other (type $go) (global.set $pause (i32.const 1)) (i32.const 0))',
  });
  t.same(elsewhere.instances, refused, 'it goes on in another function');
  const asks = await sameAsFresh(t, {
    before: '(local.set $kept (i32.const 1))',
    after: `(if (local.get $kept) (then ${ASK})) ${PRINT}`,
  });
  t.same(asks.instances, refused, 'it asks the host for something else');
  const bypasses = await sameAsFresh(t, {
    edit: (wat) =>
      wat.replace(
        '(call $read (i32.const 0)) (then',
        '(call $fd_read (i32.const 0) (i32.const 1000) (i32.const 1) (i32.const 1008)) (then',
      ),
  });
  t.same(bypasses.instances, refused, 'it reads without the function that is called to read again');
  const catching = await sameAsFresh(t, {
    edit: (wat) =>
      wat.replace(
        '(if (call $read (i32.const 0)) (then (return (i32.const 1))))',
        '(try (do (drop (call $read (i32.const 0)))) (catch_all (call $print (i32.const 0) (i32.const 9))))',
      ),
  });
  t.same(catching.instances, AT_FIRST_READ, 'but to catch what stops it there is of no use');
});

test('an image that saves no time is dropped', async (t) => {
  const bytes = await goProgram(TELLS_TIME);
  // Every look at this clock takes a millisecond, and coming to an image takes a look of its own.
  let nowMs = 0;
  const reset = await prepare(bytes, { pool: { nowMs: () => (nowMs += 1) } });
  const fresh = await prepare(bytes, { instances: 'fresh' });
  for (let round = 0; round < 5; round += 1) t.same(await seen(reset, {}), await seen(fresh, {}));
  const refusal = 'it is at its first read too soon for an image to save time';
  t.same(reset.instances, { kind: 'reset', image: `at its start: ${refusal}` });
});

test('a run that cannot be repeated has its answer all the same', async (t) => {
  let looks = 0;
  const nowMs = (): number => {
    looks += 1;
    if (looks === 3) throw new RangeError('there is no memory for another instance');
    return performance.now();
  };
  const prepared = await prepare(await imitation({}), { pool: { nowMs } });
  t.equal(await evaluateOnce(prepared, { request: '1' }), '{"request":1,"settings":{}}');
  t.same(prepared.instances, UNDECIDED);
  t.ok(looks >= 3);
  for (let round = 0; round < 3; round += 1) await evaluateOnce(prepared);
  t.same(prepared.instances, AT_FIRST_READ, 'and another may be');
});

test('an evaluation that is stopped while its run is repeated has its answer, and decides nothing', async (t) => {
  const thread = testThread(LIMITS);
  const control = new Int32Array(thread.control.buffer, 0, 1);
  let stopAtLook = 0;
  let looks = 0;
  const nowMs = (): number => {
    looks += 1;
    if (looks === stopAtLook) Atomics.store(control, 0, 1);
    return performance.now();
  };
  const prepared = await prepareOn(
    { ...thread, instancePool: { nowMs } },
    wasiRuntime,
    'wasi',
    await imitation(TELLS_TIME),
  );
  let undecided = 0;
  // The run itself takes two looks at the clock, going on from the image is over before the tenth.
  for (stopAtLook = 3; stopAtLook < 10 && !isDeepStrictEqual(prepared.instances, AT_FIRST_READ); stopAtLook += 1) {
    looks = 0;
    t.match(await evaluateOnce(prepared, { request: '1' }), /^\{"request":1,"settings":\{\}\}/);
    t.equal(Atomics.exchange(control, 0, 0), 1, 'it was stopped');
    if (isDeepStrictEqual(prepared.instances, UNDECIDED)) undecided += 1;
  }
  t.same(prepared.instances, AT_FIRST_READ);
  t.ok(undecided >= 2, `stopped at ${undecided} places`);
  stopAtLook = 0;
  t.match(await evaluateOnce(prepared, { request: '2' }), /^\{"request":2,"settings":\{\}\}/);
});
