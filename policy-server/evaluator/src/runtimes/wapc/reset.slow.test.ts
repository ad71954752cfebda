import { setTimeout as sleep } from 'node:timers/promises';
import { guestModule, randomFrom } from '@portcullis/testkit';
import { test } from 'tap';
import { collectGarbage } from '../../garbage.ts';
import { FakeHost } from '../guest/fake-host.ts';
import { evaluateOnce, prepareOn, type TestEvaluation, testThread } from '../guest/test-evaluation.ts';
import type { Prepared, ThreadContext } from '../runtime.ts';
import { Twins } from './fixtures/twins.ts';
import { guest } from './fixtures/wat-guest.ts';
import { wapcRuntime } from './prepare.ts';

const POD = '{"uid":"1","operation":"CREATE","object":{"metadata":{"name":"p"}}}';
const LARGE_POD = POD.replace('"name"', `"annotations":{"a":"${'x'.repeat(200_000)}"},"name"`);

interface Kind {
  readonly settings: object;
  readonly operation?: 'validate_settings' | 'protocol_version';
  readonly request?: string;
}

/** Every kind of evaluation: by what the guest does, what it is given, and how it ends. */
const KINDS: readonly Kind[] = [
  { settings: {} },
  { settings: { behaviour: 'reject', message: 'no', code: 418 } },
  { settings: { behaviour: 'mutate' } },
  { settings: { behaviour: 'warn' } },
  { settings: { behaviour: 'echo' } },
  { settings: { behaviour: 'counter' } },
  { settings: { behaviour: 'leak' } },
  { settings: { behaviour: 'log' } },
  { settings: { behaviour: 'host-call', namespace: 'net', operation: 'v1/dns_lookup_host', payload: '"e"' } },
  { settings: { behaviour: 'error' } },
  { settings: { behaviour: 'bad-response' } },
  { settings: { behaviour: 'trap' } },
  { settings: {}, request: LARGE_POD },
  { settings: { behaviour: 'mutate' }, request: LARGE_POD },
  { settings: { behaviour: 'echo' }, request: LARGE_POD },
  { settings: {}, request: 'not even JSON' },
  { settings: {}, operation: 'validate_settings' },
  { settings: { valid: false }, operation: 'validate_settings' },
  { settings: { behaviour: 'trap-settings' }, operation: 'validate_settings' },
  { settings: {}, operation: 'protocol_version' },
];

const refuse = async (): Promise<Uint8Array> => {
  throw new Error('not granted');
};

for (const name of ['wapc-rust', 'wapc-assemblyscript'] as const) {
  test(`after any evaluation ${name} is, byte for byte, what a new instance is`, { timeout: 600_000 }, async (t) => {
    const twins = await Twins.of(await guestModule(name), { maxOutputBytes: 100_000 });
    const random = randomFrom(20_251_121);
    const order = [...KINDS, ...Array.from({ length: 30 }, () => KINDS[random(KINDS.length)] ?? { settings: {} })];
    for (const { settings, operation, request = POD } of order) {
      const text = JSON.stringify(settings);
      const asked: TestEvaluation = { request, settings: text, ...(operation && { operation }) };
      const what = `${operation ?? 'validate'} of ${request.length} bytes with ${text}`;
      await twins.compare(t, what, asked, random(3) === 0 ? refuse : undefined);
    }
    t.ok(twins.reused > order.length / 3, `${twins.reused} of ${order.length} on a used instance`);
  });
}

test('an instance on which something went wrong is not used again', async (t) => {
  const twins = await Twins.of(
    await guest(
      `(call $request (i32.const 1000) (i32.const 2000))
       (if (i32.eq (i32.load8_u (i32.const 2011)) (i32.const 49)) (then (unreachable)))
       (if (i32.eq (i32.load8_u (i32.const 2011)) (i32.const 50)) (then (call $exit (i32.const 0))))
       (if (i32.eq (i32.load8_u (i32.const 2011)) (i32.const 51)) (then (call $say (i32.const 0) (i32.const 9999))))
       (if (i32.eq (i32.load8_u (i32.const 2011)) (i32.const 52)) (then (drop (call $ask))))
       (call $say (i32.const 0) (i32.const 10)) (i32.const 1)`,
    ),
  );
  await twins.compare(t, 'the first', { request: '0' });
  for (const [request, what] of Object.entries({ 1: 'a trap', 2: 'an exit', 3: 'a limit', 4: 'a refused host call' })) {
    const before = twins.reused;
    await twins.compare(t, what, { request }, refuse);
    t.equal(twins.reused, before + 1);
    await twins.compare(t, `after ${what}`, { request: '0' });
    t.equal(twins.reused, before + 1, `not after ${what}`);
  }
  const before = twins.reused;
  await twins.compare(t, 'a host call', { request: '4' });
  await twins.compare(t, 'after a host call', { request: '0' });
  t.equal(twins.reused, before + 2);
});

test("the host takes no address for the guest's that lay in the memory of an earlier evaluation only", async (t) => {
  const prepared = await prepareWat(
    await guest(
      `(if (i32.eq (local.get $operation) (i32.const 8)) (then (drop (memory.grow (i32.const 2)))))
       (call $say (i32.const 150000) (i32.const 5)) (i32.const 1)`,
    ),
  );
  for (let round = 0; round < 3; round += 1) {
    t.equal(await evaluateOnce(prepared), '\0\0\0\0\0');
    t.match(await evaluateOnce(prepared, { operation: 'protocol_version' }), /^trap: /);
  }
});

const SECRET = 0x53;

/**
 * A settings validation leaves secrets wherever it can: all over its memory, in memory it grows, behind its memory where there is
 * room, in globals, and on its stack. A validation counts those it finds. Both count how often they ran.
 */
const SECRETS = guest(
  `(global.set $runs (i32.add (global.get $runs) (i32.const 1)))
   (if (i32.eq (local.get $operation) (i32.const 17)) (then
     (drop (memory.grow (i32.const 2)))
     (memory.fill (i32.const 256) (i32.const ${SECRET}) (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 256)))
     (i32.store8 (i32.add (i32.const 5) (i32.mul (memory.size) (i32.const 65536))) (i32.const ${SECRET}))
     (global.set $word (i32.const ${SECRET}))
     (global.set $long (i64.const ${SECRET}))
     (global.set $float (f32.const ${SECRET}))
     (global.set $double (f64.const ${SECRET}))
     (drop (call $deep (i32.const 500) (i64.const ${SECRET})))))
   (drop (call $ask))
   (i32.store8 (i32.const 64) (i32.add (i32.const 48) (global.get $runs)))
   (i32.store8 (i32.const 65) (i32.add (i32.const 48) (call $found)))
   (call $say (i32.const 64) (i32.const 2)) (i32.const 1)`,
  `(global $runs (mut i32) (i32.const 0))
   (global $word (mut i32) (i32.const 0)) (global $long (mut i64) (i64.const -1))
   (global $float (mut f32) (f32.const 0)) (global $double (mut f64) (f64.const -0.5))
   (func $deep (param i32 i64) (result i64)
     (if (result i64) (local.get 0)
       (then (i64.add (local.get 1) (call $deep (i32.sub (local.get 0) (i32.const 1)) (i64.const ${SECRET})))) (else (local.get 1))))
   (func $found (result i32) (local $at i32) (local $count i32)
     (local.set $at (i32.const 256))
     (drop (memory.grow (i32.const 2)))
     (loop $on
       (if (i32.eq (i32.load8_u (local.get $at)) (i32.const ${SECRET})) (then (local.set $count (i32.const 1))))
       (local.set $at (i32.add (local.get $at) (i32.const 1)))
       (br_if $on (i32.lt_u (local.get $at) (i32.mul (memory.size) (i32.const 65536)))))
     (i32.add (local.get $count) (i32.shl (i32.and
       (i32.and (i32.eqz (global.get $word)) (i64.eq (global.get $long) (i64.const -1)))
       (i32.and (f32.eq (global.get $float) (f32.const 0)) (f64.eq (global.get $double) (f64.const -0.5)))) (i32.const 1))))`,
);
/** It ran once, found no byte of a secret (0) and no global changed (2). */
const CLEAN = '12';

function prepareWat(bytes: Uint8Array, thread: ThreadContext = testThread()): Promise<Prepared> {
  return prepareOn(thread, wapcRuntime, 'kubewarden-wapc', bytes);
}

test('K6: secrets of one evaluation are not there in the next', async (t) => {
  const prepared = await prepareWat(await SECRETS);
  t.equal(prepared.instances.kind, 'reset');
  for (let round = 0; round < 30; round += 1) {
    t.equal(await evaluateOnce(prepared, { operation: 'validate_settings' }), '11', 'it does leave secrets');
    t.equal(await evaluateOnce(prepared), CLEAN);
  }
  const answers = await Promise.all(
    Array.from({ length: 300 }, async (_, index) => {
      const host = new FakeHost();
      host.answer = async (call) => {
        await new Promise((resolve) => setTimeout(resolve, index % 3));
        return call.payload;
      };
      const operation = index % 2 === 0 ? 'validate_settings' : 'validate';
      return evaluateOnce(prepared, { operation, host });
    }),
  );
  t.same(
    answers,
    Array.from({ length: 300 }, (_, index) => (index % 2 === 0 ? '11' : CLEAN)),
    'in parallel, too',
  );
});

test('K7: guests that leak do not hurt', { timeout: 600_000 }, async (t) => {
  const prepared = await prepareWat(await guestModule('wapc-rust'));
  const leak = (): Promise<string> => evaluateOnce(prepared, { request: POD, settings: '{"behaviour":"leak"}' });
  for (let round = 0; round < 20; round += 1) await leak();
  const before = process.memoryUsage.rss();
  for (let round = 0; round < 400; round += 1) await leak();
  const grownMB = (): number => (process.memoryUsage.rss() - before) / 1e6;
  // The kernel takes memory back when it gets round to it, which on a busy machine is not at once.
  for (let waits = 0; waits < 100 && grownMB() >= 64; waits += 1) {
    collectGarbage();
    await sleep(50);
  }
  t.ok(grownMB() < 64, `${grownMB()} MB`);
});
