import { guestModule, missingTool, randomFrom } from '@portcullis/testkit';
import { test } from 'tap';
import { FakeHost } from '../guest/fake-host.ts';
import { PAGE_BYTES } from '../guest/image.ts';
import { INSTANCE_POOL_DEFAULTS } from '../guest/instance-pool.ts';
import { evaluateOnce, prepareOn, testThread } from '../guest/test-evaluation.ts';
import { opaBuild } from './fixtures/opa-build.ts';
import { regoWat } from './fixtures/rego-wat.ts';
import { type Asked, partsOf, sameState, Twins } from './fixtures/twins.ts';
import { DataImages } from './data-images.ts';
import { instantiateRego } from './instances.ts';
import { regoRuntime } from './prepare.ts';

const POD = '{"uid":"1","operation":"CREATE","object":{"metadata":{"name":"p","labels":{"a":"ä","b":"\\n"}}}}';
const LARGE_POD = POD.replace('"name"', `"annotations":{"a":"${'x'.repeat(40_000)}"},"name"`);
/** More than the large room. */
const HUGE_POD = POD.replace('"name"', `"annotations":{${fields(40_000)}},"name"`);
const LIMITS = { memoryPages: 150, maxOutputBytes: 100_000, maxHostCallBytes: 1 << 20 };

const noOpa = await missingTool('opa');

function fields(count: number): string {
  return Array.from({ length: count }, (_, i) => `"k${i}":"${i}"`).join();
}

/** Every kind of evaluation: by what the guest does, what it is given, and how it ends. */
const KINDS: readonly Asked[] = [
  { settings: '{}' },
  { settings: '{"behaviour":"reject","message":"näh","code":418}' },
  { settings: '{"behaviour":"mutate"}' },
  { settings: '{"behaviour":"warn"}' },
  { settings: '{"behaviour":"echo"}' },
  { settings: '{"behaviour":"error"}' },
  { settings: '{"behaviour":"bad-response"}' },
  { settings: '{"behaviour":"echo"}', request: LARGE_POD, large: true },
  { settings: '{"behaviour":"echo"}', request: LARGE_POD },
  { settings: '{}', request: HUGE_POD, large: true },
  { settings: '{}', request: 'not even JSON' },
  { settings: 'neither' },
  { settings: `{"list":[${Array.from({ length: 3000 }, (_, i) => i).join()}]}` },
];

for (const [guest, mode] of [
  ['rego-opa', 'opa'],
  ['rego-gatekeeper', 'gatekeeper'],
] as const) {
  test(`after any evaluation ${guest} is, byte for byte, what a new instance is`, async (t) => {
    const twins = await Twins.of(await guestModule(guest), LIMITS, mode);
    const random = randomFrom(20_261_121);
    const order = [...KINDS, ...Array.from({ length: 40 }, () => KINDS[random(KINDS.length)] ?? {})];
    const answers = new Set<string>();
    for (const asked of order) {
      const what = `${asked.request?.length ?? 0} bytes with ${asked.settings?.slice(0, 60)}${asked.large ? ', large' : ''}`;
      answers.add(await twins.compare(t, what, { request: POD, ...asked }));
    }
    t.ok(answers.size > 5, `${answers.size} different answers`);
    t.ok(twins.isReset && twins.reused > order.length / 3, `${twins.reused} of ${order.length} on a used instance`);
  });
}

test('an instance on which something went wrong is not used again', async (t) => {
  const twins = await Twins.of(
    await regoWat({
      // The first character of the request says what goes wrong; the input begins with {"request":
      evaluate: `(local $kind i32)
        (local.set $kind (i32.load8_u (i32.add (local.get 3) (i32.const 11))))
        (if (i32.eq (local.get $kind) (i32.const 49)) (then (unreachable)))
        (if (i32.eq (local.get $kind) (i32.const 50)) (then (call $abort (i32.const 1216))))
        (if (i32.eq (local.get $kind) (i32.const 51)) (then (drop (call $builtin1 (i32.const 0) (i32.const 0) (i32.const 1280)))))
        (if (i32.eq (local.get $kind) (i32.const 52)) (then (memory.fill (i32.const 2048) (i32.const 97) (i32.const 60000)) (return (i32.const 2048))))
        (if (i32.eq (local.get $kind) (i32.const 53)) (then (return (i32.const -1))))
        (if (i32.eq (local.get $kind) (i32.const 54)) (then (drop (call $swallow)) ))
        (if (i32.eq (local.get $kind) (i32.const 55)) (then (drop (memory.grow (i32.const 40)))))
        (i32.const 1152)`,
      functions: `(func $swallow (result i32)
        (try (result i32) (do (call $builtin1 (i32.const 0) (i32.const 0) (i32.const 1280))) (catch_all (i32.const 0))))`,
    }),
    { maxOutputBytes: 1000 },
  );
  await twins.compare(t, 'the first', { request: '0' });
  const kinds = {
    1: ['a trap', /unreachable/],
    2: ['an abort', /opa_abort/],
    3: ['a failed builtin', /Builtin error/],
    4: ['an endless result', /does not end/],
    5: ['a result that is nowhere', /lies outside/],
    6: ['a failure that the guest caught', /Builtin error/],
    7: ['growth beyond the room', /result/],
  } as const;
  for (const [request, [what, message]] of Object.entries(kinds)) {
    const before = twins.reused;
    t.match(await twins.compare(t, what, { request }), message);
    t.equal(twins.reused, before + 1, `${what}: on a used instance`);
    t.match(await twins.compare(t, `after ${what}`, { request: '0' }), /true/);
    t.equal(twins.reused, before + 1, `not after ${what}`);
  }
});

/** Where the memory of a used instance ends: one page of its own, and the room behind it. */
const PAGES = 1 + INSTANCE_POOL_DEFAULTS.roomPages;
const END = PAGES * PAGE_BYTES;

/**
 * With a request of more than 200 bytes this guest leaves a mark wherever it can: in all of its memory and in the room behind it,
 * in new pages, and in its globals. With a shorter one it looks for the mark in the same places.
 */
const SECRETIVE = {
  functions: `
    (global $small (mut i32) (i32.const 0))
    (global $wide (mut i64) (i64.const 0))
    (global $float (mut f64) (f64.const 0))`,
  operand: '[{"result":"found"}]',
  evaluate: `(local $at i32)
    (if (i32.gt_u (local.get 4) (i32.const 200)) (then
      (memory.fill (i32.const 8192) (i32.const 83) (i32.sub (i32.const ${END}) (i32.const 8192)))
      (drop (memory.grow (i32.const 2)))
      (global.set $small (i32.const 83)) (global.set $wide (i64.const 83)) (global.set $float (f64.const 83))
      (return (i32.const 1152))))
    (if (i32.or (global.get $small) (i32.wrap_i64 (global.get $wide))) (then (return (i32.const 1280))))
    (if (f64.ne (global.get $float) (f64.const 0)) (then (return (i32.const 1280))))
    (if (i32.ne (memory.size) (i32.const 1)) (then (return (i32.const 1280))))
    (local.set $at (i32.add (i32.const 4096) (local.get 4)))
    (loop $search
      (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 83)) (then (return (i32.const 1280))))
      (br_if $search (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1))) (i32.const ${END}))))
    (i32.const 1152)`,
};

test('K6: a guest that hides secrets wherever it can does not find them again', async (t) => {
  const bytes = await regoWat(SECRETIVE);
  const prepared = await prepareOn(testThread(), regoRuntime, 'opa', bytes);
  const secret = { request: `"${'S'.repeat(500)}"`, settings: `{"s":"${'S'.repeat(500)}"}` };
  for (let round = 0; round < 20; round++) {
    t.equal(await evaluateOnce(prepared, { request: '""' }), '[{"result":true}]');
    t.equal(await evaluateOnce(prepared, secret), '[{"result":true}]');
  }
  t.same(prepared.instances, { kind: 'reset' });

  const instance = instantiateRego(await partsOf(bytes), PAGES);
  instance.start();
  const documents = (text: string) => ({ data: [Buffer.from('{}')], input: [Buffer.from(text)] });
  instance.evaluate(documents('S'.repeat(300)));
  t.match(Buffer.from(instance.evaluate(documents('""'))).toString(), /found/, 'who is not brought back finds them');
});

test('time, random numbers and the log are those of one evaluation', { skip: noOpa }, async (t) => {
  const twins = await Twins.of(
    await opaBuild(`package policy
      import rego.v1
      main := [time.now_ns(), uuid.rfc4122("x") == uuid.rfc4122("x"), uuid.rfc4122("x"), rand.intn("x", 1000000), trace(text)]
      text := concat("", [input.request.uid | some _ in numbers.range(1, 100)])`),
    { ...LIMITS, maxOutputBytes: 7000 },
  );
  const answers = new Set<string>();
  const request = JSON.stringify({ uid: 'x'.repeat(100) });
  for (let round = 0; round < 5; round++) answers.add(await twins.compare(t, `round ${round}`, { request }));
  t.equal(answers.size, 5, 'each has its own');
  t.equal(twins.reused, 4);
});

test('builtins work on used instances, on those made from an image, and on large ones', { skip: noOpa }, async (t) => {
  const prepared = await prepareOn(
    testThread(LIMITS),
    regoRuntime,
    'opa',
    await opaBuild('package policy\nmain := sprintf("%d %v", [count(input.request.uid), {1, "a"}])'),
  );
  const host = new FakeHost();
  const first = await prepared.begin('validate', host);
  t.equal(
    await evaluateOnce(prepared, { request: '{"uid":"abc"}' }),
    '[{"result":"3 {1, \\"a\\"}"}]',
    'the second instance',
  );
  first.end();
  const uid = 'x'.repeat(50_000);
  for (let round = 0; round < 3; round++) {
    t.match(await evaluateOnce(prepared, { request: `{"uid":"${uid}"}` }), /50000/);
    t.match(await evaluateOnce(prepared, { request: '{"uid":"abcd"}' }), /"4 /);
  }
});

test('start code runs once for an image, and every time if others see something of it', async (t) => {
  const started = '(i32.store8 (i32.const 1163) (i32.add (i32.load8_u (i32.const 1163)) (i32.const 1)))';
  const quiet = await prepareOn(testThread(), regoRuntime, 'opa', await regoWat({ start: started }));
  for (let round = 0; round < 3; round++) t.equal(await evaluateOnce(quiet), '[{"result":urue}]');
  t.same(quiet.instances, { kind: 'reset' });

  const loud = await prepareOn(
    testThread(),
    regoRuntime,
    'opa',
    await regoWat({ start: '(call $println (i32.const 1216))' }),
  );
  const host = new FakeHost();
  for (let round = 0; round < 3; round++) t.equal(await evaluateOnce(loud, { host }), '[{"result":true}]');
  t.equal(host.logged.length, 3);
  t.same(loud.instances, { kind: 'fresh', reason: 'its start code writes to the log' });
});

test('--instances fresh: the same answers, and every instance is new', async (t) => {
  const [fresh, reset] = await Promise.all(
    (['fresh', 'reset'] as const).map(async (instances) =>
      prepareOn(testThread(LIMITS, instances), regoRuntime, 'opa', await guestModule('rego-opa')),
    ),
  );
  if (fresh === undefined || reset === undefined) throw new TypeError('both are needed');
  t.same(fresh.instances, { kind: 'fresh', reason: 'asked for' });
  for (const { settings = '{}', request = POD } of KINDS) {
    t.equal(
      await evaluateOnce(reset, { settings, request }),
      await evaluateOnce(fresh, { settings, request }),
      settings,
    );
  }
});

test('a long data document that stays the same is read once, and serves only those who bring the same', async (t) => {
  const bytes = await guestModule('rego-opa');
  const parts = await partsOf(bytes, LIMITS);
  const images = new DataImages(parts);
  const settings = (mark: string): string => JSON.stringify({ behaviour: 'reject', message: mark.repeat(5000) });
  const data = [Buffer.from(settings('a'))];
  t.equal(images.instancesWith([Buffer.from('{}')]), undefined, 'short');
  t.equal(images.instancesWith(data), undefined, 'it may never come again');
  const instances = images.instancesWith(data);
  if (instances === undefined) throw new TypeError('it came again');
  t.equal(
    images.instancesWith(
      [data[0]?.subarray(0, 2) ?? [], data[0]?.subarray(2) ?? []].map((part) => Uint8Array.from(part)),
    ),
    instances,
  );
  t.not(images.instancesWith([Buffer.from(settings('b'))]), instances);
  const fresh = instantiateRego(parts, undefined);
  fresh.start(data);
  let first: unknown;
  for (let round = 0; round < 3; round++) {
    const lease = await instances.take(new FakeHost(), data);
    first ??= lease.instance;
    t.equal(lease.instance, first, 'the same instance');
    sameState(t, `round ${round}`, lease.instance.state, fresh.state);
    const result = lease.instance.evaluate({ data, input: [Buffer.from(`{"request":{"uid":"${round}"}}`)] });
    t.match(Buffer.from(result).toString(), new RegExp(`"uid":"${round}".*"a{5000}"`));
    instances.giveBack(lease, true);
  }
  for (let other = 0; other < 20; other++) images.instancesWith([Buffer.from(settings(String(other)))]);
  t.equal(images.instancesWith(data), undefined, 'only so many are remembered');

  const prepared = await prepareOn(testThread(LIMITS), regoRuntime, 'opa', bytes);
  for (const mark of ['a', 'b', 'a', 'a', 'b', 'b', 'c', 'a', 'b']) {
    for (const request of ['{"uid":"1"}', `{"uid":"2","pad":"${'x'.repeat(30_000)}"}`]) {
      const answer = await evaluateOnce(prepared, { settings: settings(mark), request });
      t.match(answer, new RegExp(`"${mark}{5000}"`));
    }
  }
  t.match(await evaluateOnce(prepared, { settings: `{"broken":"${'x'.repeat(5000)}` }), /cannot read a document/);
  t.match(await evaluateOnce(prepared, { settings: `{"broken":"${'x'.repeat(5000)}` }), /cannot read a document/);
  t.match(await evaluateOnce(prepared, { settings: settings('a') }), /a{5000}/);
});
