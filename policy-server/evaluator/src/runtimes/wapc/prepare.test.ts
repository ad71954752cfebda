import { watModule } from '@portcullis/testkit';
import { test } from 'tap';
import { FakeHost, inputOf } from '../guest/fake-host.ts';
import { textOf } from '../guest/test-evaluation.ts';
import { FAILED, guest, prepare, run } from './fixtures/wat-guest.ts';

const STAMP = (letter: string): string =>
  `(i32.store8 (i32.add (i32.const 3000) (i32.load8_u (i32.const 2999))) (i32.const ${letter.charCodeAt(0)}))
   (i32.store8 (i32.const 2999) (i32.add (i32.const 1) (i32.load8_u (i32.const 2999))))`;
const SHOW_STAMPS = '(call $say (i32.const 3000) (i32.load8_u (i32.const 2999))) (i32.const 1)';

test('start code runs in order, once for every evaluation', async (t) => {
  const bytes = guest(
    SHOW_STAMPS,
    `
    (func (export "wapc_init") ${STAMP('w')})
    (func (export "_start") ${STAMP('s')} (call $exit (i32.const 0)) ${STAMP('!')})
    (func (export "_initialize") ${STAMP('i')})
    (func $begin ${STAMP('b')})
    (start $begin)`,
  );
  t.equal(await run(bytes), 'bisw', 'and proc_exit(0) ends _start only');
  const prepared = await prepare(await bytes);
  for (let round = 0; round < 3; round += 1) {
    const evaluation = await prepared.begin('validate', new FakeHost());
    t.equal(textOf(await evaluation.call(inputOf('{}'))), 'bisw');
    evaluation.end();
  }
});

test('start code may ask the host and sleep, and leaves no answer behind', async (t) => {
  const host = new FakeHost();
  const bytes = guest(
    SHOW_STAMPS,
    `
    (func (export "wapc_init") (if (i32.eq (call $ask) (i32.const 1)) (then ${STAMP('1')})) (call $error (i32.const 0) (i32.const 10)))
    (func (export "_start")
      (i64.store (i32.const 4024) (i64.const 7000000))
      (i32.store (i32.const 4016) (i32.const 1))
      (if (i32.eqz (call $poll (i32.const 4000) (i32.const 4100) (i32.const 1) (i32.const 4200))) (then ${STAMP('z')})))`,
  );
  t.equal(await run(bytes, { host }), 'z1');
  t.same(host.sleptMs, [7]);
  const silent = guest('(i32.const 0)', '(func (export "wapc_init") (call $error (i32.const 0) (i32.const 10)))');
  t.equal(await run(silent), `${FAILED} No error message set for call failure`);
});

test('failing start code is an initialisation failure that says what happened', async (t) => {
  const starting = async (body: string, name = '_start'): Promise<unknown> =>
    (await prepare(await guest('(i32.const 1)', `(func $begin (export "${name}") ${body})`))).begin(
      'validate',
      new FakeHost(),
    );
  await t.rejects(starting('(call $exit (i32.const 3))'), {
    name: 'EvaluationError',
    code: 'initialisation-failed',
    message: 'cannot initialise the policy: _start exited with code 3',
  });
  await t.rejects(starting('(unreachable)', 'wapc_init'), {
    code: 'initialisation-failed',
    message:
      /^cannot initialise the policy: wapc_init trapped: unreachable; error while executing at wasm backtrace:\n/,
  });
  await t.rejects(starting('(call $say (i32.const 0) (i32.const 9999))'), {
    message: "cannot initialise the policy: _start was stopped: the policy's response exceeds the limit of 4096 bytes",
  });
  await t.rejects(starting('(unreachable)) (start $begin', 'other'), {
    code: 'initialisation-failed',
    message: /^cannot initialise the policy: its start function trapped: unreachable; error while executing/,
  });
});

test('a start function may do all that other start code may', async (t) => {
  const host = new FakeHost();
  const more = `(func $begin (if (i32.eq (call $ask) (i32.const 1)) (then ${STAMP('1')})) (call $say (i32.const 0) (i32.const 1))) (start $begin)`;
  t.equal(await run(guest(SHOW_STAMPS, more), { host }), '1');
  t.equal(host.calls.length, 1);
});

test('a module that is no waPC policy is refused before it runs', async (t) => {
  const body = '(memory (export "memory") 1) (func (export "__guest_call") (param i32 i32) (result i32) (i32.const 0))';
  const refused = async (wat: string, expected: object): Promise<void> => {
    await t.rejects(
      watModule(`(module ${wat})`).then((bytes) => prepare(bytes)),
      { name: 'EvaluationError', ...expected },
    );
  };
  await refused(
    `(import "env" "abort" (func)) (import "wapc" "nope" (func)) (import "wapc" "toString" (func)) (import "js" "table" (table 1 funcref)) ${body}`,
    {
      code: 'import-unknown',
      message:
        'the module imports what is not offered to policies: env.abort, wapc.nope, wapc.toString, js.table (table)',
    },
  );
  await refused(`(import "host" "call" (func (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32))) ${body}`, {
    message: 'the module imports what is not offered to policies: host.call',
  });
  await refused(
    `(import "wapc" "__host_error_len" (func (result i32))) (import "wapc" "__guest_error" (func (param i64 i32))) ${body}`,
    {
      code: 'import-unknown',
      message: 'the module imports wapc.__guest_error with a type other than the one offered',
    },
  );
  await refused(`(import "wapc" "__host_error_len" (func (result externref))) ${body}`, { code: 'import-unknown' });
  await refused('(memory (export "memory") 1)', {
    code: 'module-invalid',
    message: 'Guest call function (__guest_call) not exported by wasm module.',
  });
  await refused('(memory 1) (func (export "__guest_call") (param i32 i32) (result i32) (i32.const 0))', {
    code: 'module-invalid',
  });
  await refused('(func (export "memory")) (func (export "__guest_call") (param i32 i32) (result i32) (i32.const 0))', {
    code: 'module-invalid',
  });
  await t.rejects(prepare(new TextEncoder().encode('not wasm')), { name: 'EvaluationError', code: 'module-invalid' });
  await t.rejects(prepare(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 5, 0x7f)), { code: 'module-invalid' });
  const unshared = await watModule(
    '(module (memory (export "memory") 1 2) (func (export "__guest_call") (param i32 i32) (result i32) (i32.const 0)))',
  );
  const memorySection = Buffer.from(unshared).indexOf(Uint8Array.of(5, 4, 1, 1, 1, 2));
  await t.rejects(prepare(unshared.with(memorySection + 3, 3)), {
    code: 'module-invalid',
    message: /shared between threads/,
  });
  const wide = prepare(
    await watModule(
      '(module (memory (export "memory") 1) (func (export "__guest_call") (param i64 i64) (result i32) (i32.const 1)))',
    ),
  );
  const evaluation = await (await wide).begin('validate', new FakeHost());
  t.match(textOf(await evaluation.call(inputOf('{}'))), /^trap: internal server error: Guest call failure: /);
});
