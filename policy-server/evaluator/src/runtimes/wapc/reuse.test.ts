import { setImmediate } from 'node:timers/promises';
import { watModule } from '@portcullis/testkit';
import { test } from 'tap';
import { collectGarbage } from '../../garbage.ts';
import { FakeHost, inputOf } from '../guest/fake-host.ts';
import { evaluateOnce, prepareOn, testThread, textOf } from '../guest/test-evaluation.ts';
import type { Prepared, ThreadContext } from '../runtime.ts';
import { guest } from './fixtures/wat-guest.ts';
import { wapcRuntime } from './prepare.ts';

const SAY = '(call $say (i32.const 0) (i32.const 10)) (i32.const 1)';
const CUT_SHORT = 'limit: internal server error: the evaluation was cut short';

async function prepare(wat: Promise<Uint8Array>, thread: ThreadContext = testThread()): Promise<Prepared> {
  return prepareOn(thread, wapcRuntime, 'kubewarden-wapc', await wat);
}

test('nothing the host remembers of an evaluation is there in the next', async (t) => {
  const lengths = `(i32.store8 (i32.const 900) (i32.add (i32.const 48) (call $host_response_len)))
    (i32.store8 (i32.const 901) (i32.add (i32.const 48) (call $host_error_len)))
    (i32.store8 (i32.const 902) (i32.add (i32.const 48) (call $close (i32.const 1))))`;
  const prepared = await prepare(
    guest(
      `${lengths}
       (if (i32.eq (local.get $operation) (i32.const 17)) (then (call $error (i32.const 0) (i32.const 10)) (return (i32.const 0))))
       (loop $l (drop (call $ask)) (br_if $l (i32.lt_u (call $next) (i32.const 10))))
       (call $log (i32.const 3000) (i32.const 3000))
       (i32.store (i32.const 1000) (i32.const 0)) (i32.store (i32.const 1004) (i32.const 3000))
       (drop (call $fd_write (i32.const 2) (i32.const 1000) (i32.const 1) (i32.const 1008)))
       (call $say (i32.const 900) (i32.const 3)) (i32.const 1)`,
      `(global $n (mut i32) (i32.const 0))
       (func $next (result i32) (global.set $n (i32.add (global.get $n) (i32.const 1))) (global.get $n))`,
      '$policy',
      '(import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))',
    ),
  );
  for (let round = 0; round < 5; round += 1) {
    const host = new FakeHost();
    t.equal(await evaluateOnce(prepared, { host }), '000', 'no answers, no closed streams');
    t.equal(host.calls.length, 10, 'and all the calls it may make');
    t.same(
      host.logged.map((line) => [line.slice(0, 4), line.length > 2900]),
      [
        ['info', true],
        ['warn', true],
      ],
    );
    t.match(await evaluateOnce(prepared, { operation: 'validate_settings' }), /GuestCallFailure\("kubewarden"\)/);
  }
  t.same(prepared.instances, { kind: 'reset' });
});

test('an idle instance keeps neither request nor answer alive', async (t) => {
  const prepared = await prepare(guest(SAY));
  const evaluated = async (): Promise<WeakRef<object>[]> => {
    const evaluation = await prepared.begin('validate', new FakeHost());
    const input = inputOf('{"secret":1}', '{"another":2}');
    const answer = await evaluation.call(input);
    evaluation.end();
    if (answer.kind !== 'response') throw new TypeError(answer.kind);
    return [input.request, input.settings, answer.bytes].map((bytes) => new WeakRef(bytes));
  };
  const kept = await evaluated();
  await setImmediate();
  collectGarbage();
  t.same(
    kept.map((reference) => reference.deref()),
    [undefined, undefined, undefined],
  );
  t.equal(await evaluateOnce(prepared), 'kubewarden', 'and is there for the next');
});

test('an evaluation that has ended knows no instance any more', async (t) => {
  const prepared = await prepare(guest(SAY));
  const first = await prepared.begin('validate', new FakeHost());
  t.equal(textOf(await first.call(inputOf('{}'))), 'kubewarden');
  first.end();
  const second = await prepared.begin('validate', new FakeHost());
  first.end();
  t.equal(textOf(await first.call(inputOf('{}'))), CUT_SHORT);
  t.equal(textOf(await second.call(inputOf('{}'))), 'kubewarden');
  second.end();
  const unused = await prepared.begin('validate', new FakeHost());
  unused.end();
  t.equal(await evaluateOnce(prepared), 'kubewarden');
});

test('a large request gets an instance with more room, and its own host', async (t) => {
  const prepared = await prepare(
    guest(`(drop (memory.grow (i32.const 6))) (call $request (i32.const 1000) (i32.const 70000))
      (drop (call $ask)) (call $say (i32.const 70000) (i32.const 30)) (i32.const 1)`),
  );
  const padding = 'x'.repeat(100_000);
  for (const uid of ['small', 'large', 'small again', 'large again', 'large once more']) {
    const host = new FakeHost();
    const request = JSON.stringify({ uid, padding: uid.startsWith('large') ? padding : '' });
    t.equal(await evaluateOnce(prepared, { request, host }), `{"request":${request}`.slice(0, 30));
    t.equal(host.calls.length, 1);
  }
});

test('start code that others see something of runs for every evaluation', async (t) => {
  const started = (body: string): Promise<Prepared> => prepare(guest(SAY, `(func (export "wapc_init") ${body})`));
  const ask = '(drop (call $ask))';
  const asking = await started(ask);
  for (const text of ['first', 'second']) {
    const host = new FakeHost();
    t.equal(await evaluateOnce(asking, { host }), 'kubewarden', text);
    t.equal(host.calls.length, 1);
  }
  t.same(asking.instances, { kind: 'fresh', reason: 'its start code asks the host' });
  const host = new FakeHost();
  const logging = await started('(call $log (i32.const 0) (i32.const 10))');
  await evaluateOnce(logging, { host });
  await evaluateOnce(logging, { host });
  t.same(host.logged, ['info: kubewarden', 'info: kubewarden']);
  t.same(logging.instances, { kind: 'fresh', reason: 'its start code writes to the log' });
  const printing = await started(
    '(i32.store (i32.const 1004) (i32.const 5)) (drop (call $fd_write (i32.const 1) (i32.const 1000) (i32.const 1) (i32.const 1008)))',
  );
  await evaluateOnce(printing, { host });
  await evaluateOnce(printing, { host });
  t.same(host.logged.slice(2), ['info: kubew', 'info: kubew']);
  t.same(printing.instances, { kind: 'fresh', reason: 'its start code prints' });
  const closing = await prepare(
    guest(
      SAY,
      '(func (export "wapc_init") (drop (call $fd_close (i32.const 1))))',
      '$policy',
      '(import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))',
    ),
  );
  await evaluateOnce(closing);
  t.same(closing.instances, { kind: 'fresh', reason: 'its start code closes a stream' });
});

test('start code that ends with proc_exit(0) and reads clocks and random numbers runs once for an image', async (t) => {
  const prepared = await prepare(
    guest(
      SAY,
      '(func (export "_start") (drop (call $random (i32.const 5000) (i32.const 16))) (call $exit (i32.const 0)))',
      '$policy',
      '(import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))',
    ),
  );
  let fills = 0;
  for (let round = 0; round < 3; round += 1) {
    const host = new FakeHost();
    host.randomFill = () => {
      fills += 1;
    };
    t.equal(await evaluateOnce(prepared, { host }), 'kubewarden');
  }
  t.equal(fills, 1);
});

test('a guest that is told to stop does so where it is, and its instance is not used again', async (t) => {
  const thread = testThread();
  const word = new Int32Array(thread.control.buffer, 0, 1);
  const again = '(call $log (i32.const 0) (i32.const 10))';
  const bodies = {
    'in a loop': '(loop $l (br $l))',
    'in calls': '(call $down)',
    'between imports': again,
    'behind a handler': `(try (do ${again}) (catch_all)) (call $log (i32.const 0) (i32.const 4)) (loop $l (br $l))`,
  };
  for (const [where, body] of Object.entries(bodies)) {
    const prepared = await prepare(
      guest(
        `(if (i32.eq (local.get $operation) (i32.const 8)) (then ${again} ${body})) ${SAY}`,
        '(func $down (call $down) (call $down))',
      ),
      thread,
    );
    for (let round = 0; round < 3; round += 1) {
      const host = new FakeHost();
      host.log = (_, message) => {
        host.logged.push(message);
        Atomics.or(word, 0, 1);
      };
      t.equal(await evaluateOnce(prepared, { host }), CUT_SHORT, where);
      t.same(host.logged, ['kubewarden'], 'nothing of it is reported, and imports do not answer any more');
      Atomics.store(word, 0, 0);
      t.equal(await evaluateOnce(prepared, { operation: 'protocol_version' }), 'kubewarden');
    }
  }
});

test('a guest that asks nobody ends in the same ways as one that may', async (t) => {
  const thread = testThread();
  const word = new Int32Array(thread.control.buffer, 0, 1);
  const asksNobody = (body: string): Promise<Prepared> =>
    prepare(
      watModule(`(module $policy
        (import "wapc" "__guest_response" (func $say (param i32 i32)))
        (import "wapc" "__console_log" (func $log (param i32 i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1) (data (i32.const 0) "kubewarden")
        (func $deep (result i32) (i32.add (i32.const 1) (call $deep)))
        (func $__guest_call (export "__guest_call") (param $operation i32) (param i32) (result i32)
          (if (i32.eq (local.get $operation) (i32.const 8)) (then ${body}))
          (call $say (i32.const 0) (i32.const 10)) (i32.const 1)))`),
      thread,
    );
  const endings: [body: string, expected: RegExp][] = [
    ['', /^kubewarden$/],
    ['(unreachable)', /^trap: internal .*: error while executing at wasm backtrace:\n {4}0: .* - policy!__guest_call$/],
    ['(drop (call $deep))', /^trap: internal [^]*policy!deep\n/],
    ['(call $exit (i32.const 1))', /^exit: /],
    ['(call $say (i32.const 0) (i32.const 5000))', /^limit: .*response exceeds/],
    ['(call $log (i32.const 0) (i32.const 1)) (loop $l (br $l))', /^limit: .*cut short$/],
  ];
  for (const [body, expected] of endings) {
    const prepared = await asksNobody(body);
    for (let round = 0; round < 3; round += 1) {
      const host = new FakeHost();
      host.log = () => void Atomics.or(word, 0, body.includes('loop') ? 1 : 0);
      t.match(await evaluateOnce(prepared, { host }), expected);
      Atomics.store(word, 0, 0);
      t.equal(await evaluateOnce(prepared, { operation: 'protocol_version' }), 'kubewarden');
    }
  }
});

test('with fresh instances every evaluation runs start code', async (t) => {
  const prepared = await prepare(
    guest(
      '(call $say (i32.const 5000) (i32.const 1)) (i32.const 1)',
      '(func (export "wapc_init") (drop (call $random (i32.const 5000) (i32.const 1))))',
      '$policy',
      '(import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))',
    ),
    testThread({}, 'fresh'),
  );
  for (const letter of ['a', 'b', 'c']) {
    const host = new FakeHost();
    host.randomFill = (bytes) => void bytes.fill(letter.charCodeAt(0));
    t.equal(await evaluateOnce(prepared, { host }), letter);
  }
  t.same(prepared.instances, { kind: 'fresh', reason: 'asked for' });
});
