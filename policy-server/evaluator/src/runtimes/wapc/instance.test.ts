import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { guestModule, randomFrom, watModule } from '@portcullis/testkit';
import { test } from 'tap';
import { FakeHost, inputOf, TEST_LIMITS } from '../guest/fake-host.ts';
import { Guest } from '../guest/guest.ts';
import { exportedFunction, instantiate } from '../guest/instance.ts';
import { linkImports } from '../guest/offer.ts';
import { CapturedOutput } from '../guest/output.ts';
import {
  behaviourOf,
  checkSdkBehaviour,
  evaluateOnce,
  prepareForTest,
  textOf,
  type TestEvaluation,
} from '../guest/test-evaluation.ts';
import { Stdin } from '../preview1/stdin.ts';
import type { Evaluation, GuestLimits, Prepared } from '../runtime.ts';
import { rustDebugString } from './errors.ts';
import { WAPC_OFFER, wapcFunctions } from './imports.ts';
import { wapcRuntime } from './prepare.ts';

const IMPORTS = `
  (import "wapc" "__guest_request" (func $request (param i32 i32)))
  (import "wapc" "__guest_response" (func $response (param i32 i32)))
  (import "wapc" "__guest_error" (func $error (param i32 i32)))
  (import "wapc" "__host_call" (func $host_call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wapc" "__host_response_len" (func $host_response_len (result i32)))
  (import "wapc" "__host_response" (func $host_response (param i32)))
  (import "wapc" "__host_error_len" (func $host_error_len (result i32)))
  (import "wapc" "__host_error" (func $host_error (param i32)))
  (import "wapc" "__console_log" (func $log (param i32 i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "kubewarden" "kubernetes" "can_i" "answer" "\\ff\\fe")
  ;; kubewarden, kubernetes/can_i with the payload "answer"
  (func $ask (result i32)
    (call $host_call (i32.const 0) (i32.const 10) (i32.const 10) (i32.const 10) (i32.const 20) (i32.const 5) (i32.const 25) (i32.const 6)))
  (func $say (param i32 i32) (call $response (local.get 0) (local.get 1)))`;

/** A waPC guest: `body` is what `__guest_call` does, `more` other definitions. */
function guest(body: string, more = '', name = '$policy'): Promise<Uint8Array> {
  return watModule(`(module ${name} ${IMPORTS} ${more}
    (func $__guest_call (export "__guest_call") (param $operation i32) (param $payload i32) (result i32) ${body}))`);
}

function prepare(bytes: Uint8Array, limits?: Partial<GuestLimits>): Promise<Prepared> {
  return prepareForTest(wapcRuntime, 'kubewarden-wapc', bytes, limits);
}

interface Run extends TestEvaluation {
  readonly limits?: Partial<GuestLimits>;
}

async function run(bytes: Uint8Array | Promise<Uint8Array>, { limits, ...asked }: Run = {}): Promise<string> {
  return evaluateOnce(await prepare(await bytes, limits), asked);
}

const FAILED = 'guest-error: internal server error: Guest call failure:';
const ECHO = `(call $request (i32.const 1000) (i32.const 2000)) (call $say (i32.const 2000) (local.get $payload)) (i32.const 1)`;
const ECHO_OPERATION = `(call $request (i32.const 1000) (i32.const 2000)) (call $say (i32.const 1000) (local.get $operation)) (i32.const 1)`;

test('the guest fetches operation and payload', async (t) => {
  t.equal(await run(guest(ECHO), { settings: '{"n":1.0}' }), '{"request":{"uid":"1"},"settings":{"n":1.0}}');
  t.equal(
    await run(guest(ECHO), { operation: 'validate_settings', settings: '{"b":18446744073709551615}' }),
    '{"b":18446744073709551615}',
  );
  t.equal(
    await run(guest(ECHO), { operation: 'protocol_version' }),
    '',
    'an empty payload, and an empty response is one',
  );
  for (const operation of ['validate', 'validate_settings', 'protocol_version'] as const) {
    t.equal(await run(guest(ECHO_OPERATION), { operation }), operation);
  }
});

test('response, error and return value decide together', async (t) => {
  const say = '(call $say (i32.const 0) (i32.const 10))';
  const fail = '(call $error (i32.const 10) (i32.const 10))';
  t.equal(await run(guest(`${fail} (i32.const 0)`)), `${FAILED} kubernetes`);
  t.equal(await run(guest(`${say} ${fail} (i32.const 0)`)), `${FAILED} kubernetes`);
  t.equal(await run(guest('(i32.const 0)')), `${FAILED} No error message set for call failure`);
  t.equal(await run(guest(`${say} (i32.const 0)`)), `${FAILED} No error message set for call failure`);
  t.equal(await run(guest('(i32.const 1)')), `${FAILED} No error message OR response set for call success`);
  t.equal(await run(guest(`${fail} (i32.const 1)`)), `${FAILED} kubernetes`);
  t.equal(await run(guest(`${fail} ${say} (i32.const -7)`)), 'kubewarden', 'any number but 0 is success');
  t.equal(
    await run(guest(`${say} (call $say (i32.const 20) (i32.const 5)) (i32.const 1)`)),
    'can_i',
    'the last one counts',
  );
});

test('a failing settings callback is told as Rust would', async (t) => {
  t.equal(
    await run(
      guest('(call $error (i32.const 1000) (i32.const 6)) (i32.const 0)', '(data (i32.const 1000) "a \\22b\\22\\0a")'),
      {
        operation: 'validate_settings',
      },
    ),
    'guest-error: Error invoking settings validation callback: GuestCallFailure("a \\"b\\"\\n")',
  );
  t.equal(
    await run(guest('(i32.const 0)'), { operation: 'protocol_version' }),
    'guest-error: Guest call failure: No error message set for call failure',
  );
  t.equal(
    rustDebugString('tab\t nul\0 del\u007f back\\ é ü 日本 \u00a0\u200b\u0301 \u2028 🙂'),
    '"tab\\t nul\\0 del\\u{7f} back\\\\ é ü 日本 \\u{a0}\\u{200b}\\u{301} \\u{2028} 🙂"',
  );
});

test('a trap shows where the guest was, and the operator why', async (t) => {
  const host = new FakeHost();
  const shown = await run(guest('(unreachable)'), { host });
  t.match(
    shown,
    /^trap: internal server error: Guest call failure: error while executing at wasm backtrace:\n {4}0: {3,5}0x[0-9a-f]{2,4} - policy!__guest_call$/,
  );
  t.same(host.logged, ['warn: guest trapped: unreachable']);
  t.match(
    await run(guest('(unreachable)', '', '')),
    /\n {4}0: +0x[0-9a-f]+ - <unknown>!__guest_call$/,
    'a module without a name',
  );
  t.match(
    await run(guest('(call $inner)', '(func $inner (result i32) (i32.load (i32.const -4)))')),
    /\n {4}0: +0x[0-9a-f]+ - policy!inner\n {4}1: +0x[0-9a-f]+ - policy!__guest_call$/,
  );
  t.equal(
    (await run(guest('(call $deep)', '(func $deep (result i32) (i32.add (i32.const 1) (call $deep)))'))).split('\n')
      .length <= 21,
    true,
  );
  t.match(
    await run(guest('(call $exit (i32.const 3)) (i32.const 1)')),
    /^exit: internal server error: Guest call failure: error while executing/,
  );
  t.match(
    await run(guest('(throw $e)', '(tag $e)')),
    'trap: internal server error: Guest call failure: uncaught exception',
  );
  t.match(
    await run(guest('(unreachable)'), { operation: 'validate_settings' }),
    /^trap: Error invoking settings validation callback: GuestCallFailure\("error while executing at wasm backtrace:\\n {4}0: /,
  );
});

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
    const request = { operation: new Uint8Array(8), payload: new Uint8Array(50) };
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
  await t.rejects(starting('(unreachable)) (start $begin'), {
    code: 'initialisation-failed',
    message: 'cannot instantiate the policy: unreachable',
  });
  await t.rejects(starting('(drop (call $ask))) (start $begin'), {
    code: 'initialisation-failed',
    message: /^cannot instantiate the policy: its start function waits for the host, which only exported functions may/,
  });
  await t.rejects(starting('(call $say (i32.const 0) (i32.const 1))) (start $begin'), {
    message: 'cannot instantiate the policy: the guest has no memory before its start function returned',
  });
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
  const shared = await prepare(unshared.with(memorySection + 3, 3));
  await t.rejects(shared.begin('validate', new FakeHost()), {
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

test('what a guest may put out and ask is bounded', async (t) => {
  const cases: [string, string][] = [
    [
      '(call $say (i32.const 0) (i32.const 4097)) (i32.const 1)',
      "the policy's response exceeds the limit of 4096 bytes",
    ],
    [
      '(call $error (i32.const 0) (i32.const 4097)) (i32.const 0)',
      "the policy's error text exceeds the limit of 4096 bytes",
    ],
    [
      '(loop $l (call $log (i32.const 0) (i32.const 10)) (br $l)) (i32.const 1)',
      "the policy's console output exceeds the limit of 4096 bytes",
    ],
    [
      '(loop $l (call $log (i32.const 0) (i32.const 0)) (br $l)) (i32.const 1)',
      "the policy's console output exceeds the limit of 4096 bytes",
    ],
    [
      '(i32.store (i32.const 1004) (i32.const 1000)) (loop $l (drop (call $fd_write (i32.const 2) (i32.const 1000) (i32.const 1) (i32.const 1008))) (br $l)) (i32.const 1)',
      "the policy's standard error exceeds the limit of 4096 bytes",
    ],
    ['(loop $l (drop (call $ask)) (br $l)) (i32.const 1)', 'the policy made more than 10 host calls in one evaluation'],
    [
      '(call $host_call (i32.const 0) (i32.const 10) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1013))',
      'a host call of 1025 bytes exceeds the limit of 1024 bytes',
    ],
  ];
  for (const [body, text] of cases) t.equal(await run(guest(body)), `limit: internal server error: ${text}`, text);
  const host = new FakeHost();
  host.answer = async () => new Uint8Array(1025);
  t.equal(
    await run(guest('(call $ask)'), { host }),
    'limit: internal server error: the answer of kubernetes/can_i, 1025 bytes, exceeds the limit of 1024 bytes',
  );
  t.equal(
    await run(guest('(call $say (i32.const 0) (i32.const 4097)) (i32.const 1)'), { operation: 'validate_settings' }),
    "limit: Error invoking settings validation callback: the policy's response exceeds the limit of 4096 bytes",
  );
});

test('a guest that catches what stops it has no more say', async (t) => {
  const host = new FakeHost();
  const body = `
    (try (do (call $say (i32.const 0) (i32.const 4097))) (catch_all))
    (try (do (drop (call $ask))) (catch_all))
    (try (do (call $say (i32.const 0) (i32.const 10))) (catch_all))
    (i32.const 1)`;
  t.match(await run(guest(body), { host }), /^limit: /);
  t.same(host.calls, [], 'no import works after the stop');
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

test('guests that wait for the host do not keep the thread, and do not meet', async (t) => {
  const prepared = await prepare(
    await guest(
      `(call $request (i32.const 1000) (i32.const 2000)) (drop (call $ask)) (call $say (i32.const 2000) (local.get $payload)) (i32.const 1)`,
    ),
  );
  const gate = Promise.withResolvers<void>();
  let waiting = 0;
  const answers = Array.from({ length: 50 }, async (_, index) => {
    const host = new FakeHost();
    host.answer = async (call) => {
      waiting += 1;
      await gate.promise;
      return call.payload;
    };
    const evaluation = await prepared.begin('validate', host);
    return textOf(await evaluation.call(inputOf(String(index))));
  });
  while (waiting < 50) await new Promise((resolve) => setImmediate(resolve));
  gate.resolve();
  t.same(
    await Promise.all(answers),
    Array.from({ length: 50 }, (_, index) => `{"request":${index},"settings":{}}`),
  );
});

test('an evaluation that is ended while it waits is never resumed, and nothing of it is kept', async (t) => {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  const prepared = await prepare(
    await guest('(drop (call $ask)) (call $log (i32.const 0) (i32.const 10)) (i32.const 1)'),
  );
  const late: PromiseWithResolvers<Uint8Array>[] = [];
  const hosts: FakeHost[] = [];
  const ended: WeakRef<Evaluation>[] = [];
  const abandon = async (): Promise<void> => {
    const host = new FakeHost();
    const answer = Promise.withResolvers<Uint8Array>();
    host.answer = () => answer.promise;
    const evaluation = await prepared.begin('validate', host);
    const call = evaluation.call(inputOf('{}'));
    await new Promise((resolve) => setImmediate(resolve));
    evaluation.end();
    t.equal(textOf(await call), 'limit: internal server error: the evaluation was cut short');
    t.match(textOf(await evaluation.call(inputOf('{}'))), /^limit: /, 'nor used again');
    late.push(answer);
    hosts.push(host);
    ended.push(new WeakRef(evaluation));
  };
  for (let round = 0; round < 20; round += 1) await abandon();
  for (const [index, answer] of late.splice(0).entries()) {
    if (index % 2 === 0) answer.resolve(new Uint8Array());
    else answer.reject(new Error('too late'));
  }
  for (let round = 0; round < 5; round += 1) await new Promise((resolve) => setImmediate(resolve));
  t.same(
    hosts.splice(0).map((host) => [host.calls.length, host.logged]),
    Array.from({ length: 20 }, () => [1, []]),
  );
  for (let round = 0; round < 10 && ended.some((each) => each.deref() !== undefined); round += 1) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  t.ok(ended.filter((each) => each.deref() !== undefined).length <= 1, 'collected');
});

test('a policy of the Rust SDK', { timeout: 600_000 }, async (t) => {
  const prepared = await prepare(await guestModule('wapc-rust'), { maxOutputBytes: 1 << 20 });
  const behave = behaviourOf(prepared);
  await checkSdkBehaviour(t, behave, /unknown operation: v1\/dns_lookup_host/);
  t.match(await behave({ behaviour: 'error' }), `${FAILED} guest error`);
  t.match(
    await behave({ behaviour: 'trap' }),
    /^trap: internal server error: Guest call failure: error while executing at wasm backtrace:\n {4}0: {1,3}0x[0-9a-f]+ - .+!/,
  );
  const host = new FakeHost();
  t.equal(await behave({ behaviour: 'log' }, host).then(() => host.logged.at(-1)), 'info: a line from the guest');
  t.equal(await behave({}, host, 'protocol_version'), '"v1"');
  t.match(
    await behave({ behaviour: 'trap-settings' }, host, 'validate_settings'),
    /^trap: Error invoking settings validation callback: GuestCallFailure\("error while/,
  );
  t.match(
    await behave({ behaviour: 3 }, host, 'validate_settings'),
    /^guest-error: Error invoking settings validation callback: GuestCallFailure\("invalid type/,
  );
});
