import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { guestModule } from '@portcullis/testkit';
import { test } from 'tap';
import { FakeHost, inputOf } from '../guest/fake-host.ts';
import { behaviourOf, checkSdkBehaviour, textOf } from '../guest/test-evaluation.ts';
import type { Evaluation } from '../runtime.ts';
import { rustDebugString } from './errors.ts';
import { FAILED, guest, prepare, run } from './fixtures/wat-guest.ts';

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
