import { guestModule, watModule } from '@portcullis/testkit';
import { test } from 'tap';
import { FakeHost, inputOf } from '../guest/fake-host.ts';
import {
  behaviourOf,
  checkSdkBehaviour,
  evaluateOnce,
  prepareForTest,
  prepareOn,
  textOf,
  testThread,
  type TestEvaluation,
} from '../guest/test-evaluation.ts';
import type { GuestLimits, Prepared } from '../runtime.ts';
import { wasiRuntime } from './prepare.ts';

const HOST_CALL = '(param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)';

/** $read fills what follows address 2000 with standard input up to its end and returns the size; $print writes from an address. */
const LIBRARY = `
  (import "host" "call" (func $host_call ${HOST_CALL}))
  (import "kubewarden:javy/host" "call" (func $javy_call ${HOST_CALL}))
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "kubewarden" "kubernetes" "can_i" "answer" "  oops\\0a ")
  (func $ask (result i32)
    (call $host_call (i32.const 0) (i32.const 10) (i32.const 10) (i32.const 10) (i32.const 20) (i32.const 5) (i32.const 25) (i32.const 6)))
  (func $ask_javy (result i32)
    (call $javy_call (i32.const 0) (i32.const 10) (i32.const 10) (i32.const 10) (i32.const 20) (i32.const 5) (i32.const 25) (i32.const 6)))
  (func $read (result i32) (local $at i32)
    (local.set $at (i32.const 2000))
    (block $end (loop $more
      (i32.store (i32.const 1000) (local.get $at)) (i32.store (i32.const 1004) (i32.const 7))
      (if (call $fd_read (i32.const 0) (i32.const 1000) (i32.const 1) (i32.const 1008)) (then (unreachable)))
      (br_if $end (i32.eqz (i32.load (i32.const 1008))))
      (local.set $at (i32.add (local.get $at) (i32.load (i32.const 1008))))
      (br $more)))
    (i32.sub (local.get $at) (i32.const 2000)))
  (func $print (param $fd i32) (param $at i32) (param $size i32)
    (i32.store (i32.const 1000) (local.get $at)) (i32.store (i32.const 1004) (local.get $size))
    (if (call $fd_write (local.get $fd) (i32.const 1000) (i32.const 1) (i32.const 1008)) (then (unreachable))))
  (func $complain (call $print (i32.const 2) (i32.const 31) (i32.const 8)))`;

function program(body: string, more = ''): Promise<Uint8Array> {
  return watModule(`(module $program ${LIBRARY} ${more} (func $_start (export "_start") ${body}))`);
}

function prepare(bytes: Uint8Array, limits?: Partial<GuestLimits>): Promise<Prepared> {
  return prepareForTest(wasiRuntime, 'wasi', bytes, limits);
}

async function run(bytes: Promise<Uint8Array>, asked?: TestEvaluation): Promise<string> {
  return evaluateOnce(await prepare(await bytes), asked);
}

const ECHO = '(call $print (i32.const 1) (i32.const 2000) (call $read))';

test('the program reads its payload and prints its response', async (t) => {
  t.equal(await run(program(ECHO), { settings: '{"n":1e3}' }), '{"request":{"uid":"1"},"settings":{"n":1e3}}');
  t.equal(await run(program(ECHO), { operation: 'validate_settings', settings: '{"a":1}' }), '{"a":1}');
  t.equal(await run(program('')), '', 'no output is a response too: empty');
});

test('the first argument is policy.wasm, the second the operation', async (t) => {
  const body =
    '(drop (call $args_get (i32.const 1100) (i32.const 1200))) (call $print (i32.const 1) (i32.const 1200) (i32.const 21))';
  t.equal(await run(program(body)), 'policy.wasm\0validate\0');
  const settings = body.replace('(i32.const 21)', '(i32.const 30)');
  t.equal(await run(program(settings), { operation: 'validate_settings' }), 'policy.wasm\0validate-settings\0');
});

test('a program is not asked for a protocol version', async (t) => {
  const host = new FakeHost();
  const answer = await run(program('(call $complain)'), { operation: 'protocol_version', host });
  t.equal(answer, 'unsupported: policies of execution mode wasi do not tell a protocol version');
  t.same(host.logged, []);
});

test('a host call returns 0 for success and 1 for failure, and its answer follows on standard input', async (t) => {
  for (const ask of ['$ask', '$ask_javy']) {
    const body = `
      (drop (call $read))
      (i32.store8 (i32.const 1999) (i32.add (i32.const 48) (call ${ask})))
      (call $print (i32.const 1) (i32.const 1999) (i32.add (i32.const 1) (call $read)))
      (i32.store8 (i32.const 1999) (i32.add (i32.const 48) (call ${ask})))
      (call $print (i32.const 1) (i32.const 1999) (i32.add (i32.const 1) (call $read)))`;
    const host = new FakeHost();
    host.answer = async (call) => {
      if (host.calls.length % 2 === 0) throw new Error('unknown operation: can_i');
      return call.payload;
    };
    t.equal(await run(program(body), { host }), '0answer1unknown operation: can_i');
    const [call] = host.calls;
    t.same([call?.binding, call?.namespace, call?.operation], ['kubewarden', 'kubernetes', 'can_i']);
  }
});

test('what was not read before a host call stays in front of its answer', async (t) => {
  t.equal(
    await run(program(`(drop (call $ask)) (drop (call $ask)) ${ECHO}`), { request: '1' }),
    '{"request":1,"settings":{}}answeranswer',
  );
});

test('exit codes: 0 is success, anything else is a failure told by standard error', async (t) => {
  const host = new FakeHost();
  t.equal(
    await run(program(`${ECHO} (call $exit (i32.const 0)) (unreachable)`), { host, request: '1' }),
    '{"request":1,"settings":{}}',
  );
  t.same(host.logged, []);
  t.equal(await run(program(`${ECHO} (call $complain) (call $exit (i32.const 3))`), { host }), 'exit: oops');
  t.equal(
    await run(program(`${ECHO} (call $complain) (call $exit (i32.const -1))`), {
      host,
      operation: 'validate_settings',
    }),
    'exit: oops',
  );
  t.equal(await run(program('(call $exit (i32.const 1))'), { host }), 'exit: ', 'it may have said nothing');
  t.same(host.logged, [], 'what the client is told is not logged again');
});

test('standard error of a successful run is logged as a warning', async (t) => {
  const host = new FakeHost();
  t.equal(await run(program(`${ECHO} (call $complain)`), { host, request: '1' }), '{"request":1,"settings":{}}');
  t.same(host.logged, ['warn: stderr: oops']);
});

test('a trap is a failure told by standard error; the operator learns why', async (t) => {
  const host = new FakeHost();
  t.equal(await run(program(`${ECHO} (call $complain) (unreachable)`), { host }), 'trap: oops');
  t.match(host.logged, [
    /^warn: guest trapped: unreachable; error while executing at wasm backtrace:\n {4}0: +0x[0-9a-f]+ - program!_start$/,
  ]);
  t.equal(
    await run(
      program(
        '(drop (call $host_call (i32.const -9) (i32.const 10) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))',
      ),
      { host },
    ),
    'trap: ',
  );
  t.match(host.logged[1], /^warn: guest trapped: out of bounds memory access: 10 bytes at address 4294967287; /);
});

test('a program may sleep', async (t) => {
  const host = new FakeHost();
  const body = `
    (i32.store (i32.const 1516) (i32.const 1)) (i64.store (i32.const 1524) (i64.const 3000001))
    (if (call $poll (i32.const 1500) (i32.const 1600) (i32.const 1) (i32.const 1700)) (then (unreachable))) ${ECHO}`;
  t.equal(await run(program(body), { host, request: '1' }), '{"request":1,"settings":{}}');
  t.same(host.sleptMs, [4]);
});

test('what a program may print and ask is bounded', async (t) => {
  const endless = (fd: number): string =>
    `(loop $l (call $print (i32.const ${fd}) (i32.const 0) (i32.const 10)) (br $l))`;
  t.equal(
    await run(program(endless(1))),
    "limit: internal server error: the policy's standard output exceeds the limit of 4096 bytes",
  );
  t.equal(
    await run(program(endless(2))),
    "limit: internal server error: the policy's standard error exceeds the limit of 4096 bytes",
  );
  t.equal(
    await run(program(endless(1)), { operation: 'validate_settings' }),
    "limit: the policy's standard output exceeds the limit of 4096 bytes",
  );
  t.match(
    await run(program('(loop $l (drop (call $ask)) (br $l))')),
    /^limit: .*: the policy made more than 10 host calls/,
  );
  const catching = '(try (do (loop $l (call $print (i32.const 1) (i32.const 0) (i32.const 10)) (br $l))) (catch_all))';
  t.match(await run(program(`${catching} ${catching}`)), /^limit: /, 'catching it does not help');
  t.match(
    await run(program('(try (do (call $exit (i32.const 9))) (catch_all))')),
    /^exit: /,
    'nor does catching the exit',
  );
});

test('a program of whatever toolchain is brought back to its start', async (t) => {
  const COUNT = `
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (i32.store8 (i32.const 1100) (i32.add (i32.load8_u (i32.const 1100)) (global.get $count)))
    (i32.store8 (i32.const 1101) (i32.add (i32.const 48) (memory.size)))
    (drop (memory.grow (i32.const 2)))
    (drop (call $ask))
    (call $print (i32.const 1) (i32.const 1100) (i32.const 2))`;
  const fields = '(global $count (mut i32) (i32.const 64))';
  const ends = ['', '(call $exit (i32.const 0))', '(if (call $read) (then (call $complain)))'];
  for (const end of ends) {
    const prepared = await prepare(await program(COUNT + end, fields));
    const host = new FakeHost();
    for (let round = 0; round < 4; round += 1) {
      host.answer = round === 2 ? () => Promise.reject(new Error('no')) : async ({ payload }) => payload;
      t.equal(await evaluateOnce(prepared, { host }), 'A1', `round ${round} of ${end}`);
    }
    t.same(prepared.instances, { kind: 'reset', image: 'at its start' });
    t.equal(host.calls.length, 4);
  }
  const started = await prepare(
    await program(
      '(call $print (i32.const 1) (i32.const 1100) (i32.const 1))',
      '(func $s (i32.store8 (i32.const 1100) (i32.const 65))) (start $s)',
    ),
  );
  for (let round = 0; round < 2; round += 1) t.equal(await evaluateOnce(started), 'A');
  t.same(started.instances, { kind: 'reset', image: 'at its start' });
  const writing = await prepare(
    await program('(table.set (i32.const 0) (ref.null func)) (call $complain)', '(table 1 funcref)'),
  );
  t.equal(await evaluateOnce(writing), '');
  t.same(writing.instances, { kind: 'fresh', reason: 'its code writes to a table' });
});

test('a start function that reads the arguments is run for every evaluation: the next operation may be another', async (t) => {
  const prepared = await prepare(
    await watModule(`(module
      (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1)
      (func $begin (drop (call $args (i32.const 0) (i32.const 100)))) (start $begin)
      (func (export "_start")
        (i32.store (i32.const 40) (i32.const 112)) (i32.store (i32.const 44) (i32.const 10))
        (drop (call $write (i32.const 1) (i32.const 40) (i32.const 1) (i32.const 60)))))`),
  );
  t.equal(await evaluateOnce(prepared, { operation: 'validate_settings' }), 'validate-s');
  t.equal(await evaluateOnce(prepared, { operation: 'validate' }), 'validate\0\0');
  t.same(prepared.instances, { kind: 'fresh', reason: 'its start function reads its arguments' });
});

test('a program that fills all of its memory with random bytes is stopped in the midst', async (t) => {
  const thread = testThread();
  const bytes = await watModule(`(module
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (memory (export "memory") 100)
    (func (export "_start") (try (do (drop (call $random (i32.const 0) (i32.const 6553600)))) (catch_all (loop (br 0))))))`);
  const host = new FakeHost();
  let fills = 0;
  host.randomFill = () => {
    fills += 1;
    Atomics.or(new Int32Array(thread.control.buffer), 0, 1);
  };
  t.match(await evaluateOnce(await prepareOn(thread, wasiRuntime, 'wasi', bytes), { host }), /^limit: /);
  t.equal(fills, 1);
});

test('a program that waits for the host when its evaluation ends is never resumed', async (t) => {
  const host = new FakeHost();
  const answer = Promise.withResolvers<Uint8Array>();
  host.answer = () => answer.promise;
  const evaluation = await (
    await prepare(await program('(drop (call $ask)) (drop (call $ask))'))
  ).begin('validate', host);
  const call = evaluation.call(inputOf('{}'));
  await new Promise((resolve) => setImmediate(resolve));
  evaluation.end();
  t.match(textOf(await call), /^limit: /);
  answer.resolve(new Uint8Array());
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(host.calls.length, 1);
});

test('a module that is no WASI policy is refused before it runs', async (t) => {
  const refused = async (wat: string, expected: object): Promise<void> => {
    await t.rejects(
      watModule(`(module ${wat})`).then((bytes) => prepare(bytes)),
      { name: 'EvaluationError', ...expected },
    );
  };
  await refused('(memory (export "memory") 1)', {
    code: 'module-invalid',
    message: 'WASI start function (_start) not exported by wasm module.',
  });
  await refused('(func (export "_start"))', {
    code: 'module-invalid',
    message: 'Guest memory (memory) not exported by wasm module.',
  });
  await refused(
    '(import "wapc" "__host_error_len" (func (result i32))) (memory (export "memory") 1) (func (export "_start"))',
    {
      code: 'import-unknown',
      message: 'the module imports what is not offered to policies: wapc.__host_error_len',
    },
  );
  await refused(
    '(import "wasi_snapshot_preview1" "fd_seek" (func (param i32 i32 i32 i32) (result i32))) (memory (export "memory") 1) (func (export "_start"))',
    {
      code: 'import-unknown',
      message: 'the module imports wasi_snapshot_preview1.fd_seek with a type other than the one offered',
    },
  );
  const trapping = await prepare(await program('', '(func $begin (unreachable)) (start $begin)'));
  await t.rejects(trapping.begin('validate', new FakeHost()), {
    code: 'initialisation-failed',
    message: 'cannot instantiate the policy: unreachable',
  });
});

test('a policy of the Go SDK', { timeout: 600_000 }, async (t) => {
  const prepared = await prepare(await guestModule('wasi-go'), { maxOutputBytes: 1 << 20, memoryPages: 4096 });
  const behave = behaviourOf(prepared);
  await checkSdkBehaviour(t, behave, /^unknown operation: v1\/dns_lookup_host$/);
  t.equal(await behave({ behaviour: 'error' }), 'exit: guest error');
  t.match(
    await behave({ behaviour: 'trap' }),
    /^exit: panic: runtime error: invalid memory address or nil pointer dereference\n/,
  );
  const host = new FakeHost();
  await behave({ behaviour: 'log' }, host);
  t.same(host.logged, ['warn: stderr: a line from the guest']);
});
