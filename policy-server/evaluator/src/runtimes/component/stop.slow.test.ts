import { parse } from '@bytecodealliance/jco-transpile/wasm-tools';
import { guestModule } from '@portcullis/testkit';
import { type Test, test } from 'tap';
import { Stopper } from '../rego/fixtures/stopper.ts';
import { evaluateOnce, prepareOn, testThread } from '../guest/test-evaluation.ts';
import type { ThreadContext } from '../runtime.ts';
import { componentRuntime } from './prepare.ts';

/** A guest is gone within a few milliseconds; the machine that runs the tests may be busy with others. */
const PATIENCE_MS = 400;

/** A component whose `validate` is this code; its core module starts with `start`. */
async function component(validate: string, start = ''): Promise<Uint8Array> {
  const call = '(type $call (func (param "payload" (list u8)) (result (result (list u8) (error string)))))';
  return Uint8Array.from(
    await parse(`(component
      (core module $core (memory (export "memory") 1)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 64)
        (func $run (export "run") (param i32 i32) (result i32) ${validate})
        (func $start ${start}) (start $start))
      (core instance $core (instantiate $core))
      (alias core export $core "memory" (core memory $memory)) (alias core export $core "run" (core func $run))
      (alias core export $core "realloc" (core func $realloc))
      ${call}
      (func $lifted (type $call) (canon lift (core func $run) (memory $memory) (realloc $realloc)))
      (export "validate" (func $lifted)) (export "validate-settings" (func $lifted)))`),
  );
}

async function checkStops(t: Test, bytes: Uint8Array, settings = '{}'): Promise<ThreadContext> {
  const thread = testThread({ memoryPages: 1024 });
  const prepared = await prepareOn(thread, componentRuntime, 'component', bytes);
  await using stopper = await Stopper.of(thread.control);
  for (let round = 0; round < 2; round++) {
    const { outcome, lateMs } = await stopper.stop(() => evaluateOnce(prepared, { settings }));
    t.match(outcome, /^trap: /u);
    t.ok(lateMs < PATIENCE_MS, `stopped after ${lateMs} ms`);
  }
  return thread;
}

test('a component that loops is stopped in place, and the next one on its thread is as good as any', async (t) => {
  const bytes = await guestModule('component');
  const thread = await checkStops(t, bytes, '{"behaviour":"loop"}');
  const prepared = await prepareOn(thread, componentRuntime, 'component', bytes);
  t.same(JSON.parse(await evaluateOnce(prepared)), { accepted: true });
  t.same(prepared.instances, { kind: 'fresh', reason: 'a component keeps state outside of its memories' });
});

test('so is one in a loop of its own, with and without a memory that grows', async (t) => {
  await checkStops(t, await component('(loop $again (br $again)) (unreachable)'));
  await checkStops(
    t,
    await component(
      '(loop $again (drop (memory.grow (i32.const 1))) (memory.fill (i32.const 0) (i32.const 1) (i32.const 60000)) (br $again)) (unreachable)',
    ),
  );
});

test('start code of a component that does not end is stopped in place', async (t) => {
  const thread = testThread({ memoryPages: 1024 });
  const prepared = await prepareOn(
    thread,
    componentRuntime,
    'component',
    await component('(i32.const 0)', '(loop $again (br $again))'),
  );
  await using stopper = await Stopper.of(thread.control);
  const { outcome, lateMs } = await stopper.stop(async () => evaluateOnce(prepared).catch(String));
  t.match(outcome, /could not be started/u);
  t.ok(lateMs < PATIENCE_MS, `stopped after ${lateMs} ms`);
});
