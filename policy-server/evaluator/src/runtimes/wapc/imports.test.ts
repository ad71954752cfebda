import { randomFrom, watModule } from '@portcullis/testkit';
import { test } from 'tap';
import { FakeHost, TEST_LIMITS } from '../guest/fake-host.ts';
import { Guest } from '../guest/guest.ts';
import { exportedFunction, instantiate } from '../guest/instance.ts';
import { linkImports } from '../guest/offer.ts';
import { CapturedOutput } from '../guest/output.ts';
import { Stdin } from '../preview1/stdin.ts';
import { WAPC_OFFER, wapcFunctions } from './imports.ts';
import { guest, IMPORTS, prepare, run } from './fixtures/wat-guest.ts';

test('a host call returns 1 for success and 0 for failure', async (t) => {
  const body = `
    (i32.store8 (i32.const 999) (i32.add (i32.const 48) (call $ask)))
    (call $host_response (i32.const 1000))
    (call $host_error (i32.const 1000))
    (call $say (i32.const 999) (i32.add (i32.const 1) (i32.add (call $host_response_len) (call $host_error_len)))) (i32.const 1)`;
  const host = new FakeHost();
  t.equal(await run(guest(body), { host }), '1answer');
  const [call] = host.calls;
  t.same([call?.binding, call?.namespace, call?.operation], ['kubewarden', 'kubernetes', 'can_i']);
  host.answer = async () => {
    throw new Error('Policy has not been granted access');
  };
  t.equal(await run(guest(body), { host }), '0Policy has not been granted access');
  host.answer = async () => new Uint8Array();
  t.equal(await run(guest(body), { host }), '1');
});

test('the answer of a host call is kept until the next one', async (t) => {
  const host = new FakeHost();
  host.answer = async (call) => {
    if (host.calls.length === 2) throw new Error('no');
    return call.payload;
  };
  const lengths = `
    (i32.store8 (local.get $at) (i32.add (i32.const 48) (call $host_response_len)))
    (i32.store8 (i32.add (i32.const 1) (local.get $at)) (i32.add (i32.const 48) (call $host_error_len)))`;
  const body = `
    (call $note (i32.const 1000)) (drop (call $ask))
    (call $note (i32.const 1002)) (call $note (i32.const 1004)) (drop (call $ask))
    (call $note (i32.const 1006)) (drop (call $ask))
    (call $note (i32.const 1008)) (call $say (i32.const 1000) (i32.const 10)) (i32.const 1)`;
  t.equal(await run(guest(body, `(func $note (param $at i32) ${lengths})`), { host }), '0060600260');
});

test('memory may grow while the host is asked', async (t) => {
  const body = `
    (drop (memory.grow (i32.const 3)))
    (drop (call $ask))
    (drop (memory.grow (i32.const 3)))
    (call $host_response (i32.const 400000))
    (call $say (i32.const 400000) (call $host_response_len)) (i32.const 1)`;
  t.equal(await run(guest(body)), 'answer');
});

test('memory does not grow past the limit', async (t) => {
  const body = `(if (i32.ne (memory.grow (i32.const 7)) (i32.const 1)) (then (unreachable)))
    (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then (unreachable))) (call $say (i32.const 0) (i32.const 10)) (i32.const 1)`;
  t.equal(await run(guest(body), { limits: { memoryPages: 8 } }), 'kubewarden');
  await t.rejects(
    prepare(
      await watModule(
        '(module (memory (export "memory") 9) (func (export "__guest_call") (param i32 i32) (result i32) (i32.const 0)))',
      ),
      { memoryPages: 8 },
    ),
    {
      code: 'module-invalid',
    },
  );
});

test('addresses out of range and strings that are not UTF-8 trap', async (t) => {
  const bodies = [
    '(call $request (i32.const 65530) (i32.const 0)) (i32.const 1)',
    '(call $request (i32.const 0) (i32.const -1)) (i32.const 1)',
    '(call $say (i32.const 65536) (i32.const 1)) (i32.const 1)',
    '(call $say (i32.const -1) (i32.const 2)) (i32.const 1)',
    '(call $error (i32.const 65535) (i32.const 2)) (i32.const 1)',
    '(call $error (i32.const 31) (i32.const 2)) (i32.const 0)',
    '(call $log (i32.const 31) (i32.const 2)) (i32.const 1)',
    '(drop (call $ask)) (call $host_response (i32.const 65531)) (i32.const 1)',
    '(call $host_call (i32.const -1) (i32.const 10) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1))',
    '(call $host_call (i32.const 0) (i32.const 1) (i32.const 31) (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1))',
    '(call $host_call (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 65535) (i32.const 2))',
  ];
  for (const body of bodies) {
    const host = new FakeHost();
    t.match(
      await run(guest(body), { host }),
      /^trap: internal server error: Guest call failure: error while executing at wasm backtrace:\n {4}0: /,
      body,
    );
    t.match(host.logged, [
      /^warn: guest trapped: (out of bounds memory access|a string of the guest is not valid UTF-8)/,
    ]);
  }
});

test('whatever a guest passes to waPC, it is answered or stopped, and the host stands', async (t) => {
  const passing = [...IMPORTS.matchAll(/\(import "wapc" "(?<name>\w+)" \(func (?<id>\$\w+)(?<type>.*)\)\)/g)].map(
    (found) => found.groups ?? {},
  );
  const bytes = await guest(
    '(unreachable)',
    passing
      .map(({ name = '', id = '', type = '' }) => {
        const count = type.split('(result')[0]?.match(/i32/g)?.length ?? 0;
        const loads = Array.from({ length: count }, (_, index) => `(i32.load (i32.const ${30_000 + 4 * index}))`).join(
          ' ',
        );
        return `(func (export "${name}") ${type.includes('result') ? '(result i32)' : ''} (call ${id} ${loads}))`;
      })
      .join('\n'),
  );
  const random = randomFrom(987_654_321);
  const edges = [0, 1, 10, 64, 65_535, 65_536, -1, -65_536, 2 ** 31 - 1, -(2 ** 31)];
  const module = new WebAssembly.Module(Uint8Array.from(bytes));
  let stopped = 0;
  for (let round = 0; round < 60; round += 1) {
    const instance = new Guest(new FakeHost(), TEST_LIMITS);
    const output = new CapturedOutput('output', 10);
    const request = { operation: new Uint8Array(8), payload: [new Uint8Array(50)] };
    const functions = wapcFunctions(
      { guest: instance, argv: [], stdin: new Stdin(), stdout: output, stderr: output },
      { request, response: undefined, guestError: undefined },
    );
    const exports = instantiate(
      instance,
      module,
      linkImports(instance, WebAssembly.Module.imports(module), WAPC_OFFER, functions),
    );
    for (const { name = '' } of passing) {
      for (let index = 0; index < 8; index += 1) {
        instance.memory.writeU32(
          30_000 + 4 * index,
          random(2) > 0 ? (edges[random(edges.length)] ?? 0) >>> 0 : random(2 ** 32),
        );
      }
      const exported = exportedFunction(exports, name);
      if (exported === undefined) throw new Error(`no such function: ${name}`);
      const outcome = await instance.call(exported);
      if (outcome.kind === 'trap')
        t.match(outcome.message, /^(out of bounds memory access|a string of the guest)/, name);
      else if (outcome.kind !== 'limit') t.equal(outcome.kind, 'returned', name);
      if (outcome.kind !== 'returned') stopped += 1;
    }
  }
  t.ok(stopped > 50, `${stopped} were stopped`);
});

test('console output and the streams of a waPC guest are logged', async (t) => {
  const host = new FakeHost();
  const body = `
    (call $log (i32.const 0) (i32.const 10))
    (i32.store (i32.const 1000) (i32.const 10)) (i32.store (i32.const 1004) (i32.const 10))
    (drop (call $fd_write (i32.const 1) (i32.const 1000) (i32.const 1) (i32.const 1008)))
    (i32.store (i32.const 1000) (i32.const 20)) (i32.store (i32.const 1004) (i32.const 5))
    (drop (call $fd_write (i32.const 2) (i32.const 1000) (i32.const 1) (i32.const 1008)))
    (call $say (i32.const 0) (i32.const 10)) (i32.const 1)`;
  t.equal(await run(guest(body), { host }), 'kubewarden');
  t.same(host.logged, ['info: kubewarden', 'info: kubernetes', 'warn: can_i']);
});
