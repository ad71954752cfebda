import { test } from 'tap';
import { guestModule, missingTool, watModule } from '@portcullis/testkit';
import { EvaluationError } from '../../errors.ts';
import { FakeHost, inputOf, TEST_LIMITS } from '../guest/fake-host.ts';
import { testThread } from '../guest/test-evaluation.ts';
import type { GuestAnswer, GuestInput, GuestLimits, GuestOperation, Prepared } from '../runtime.ts';
import { opaBuild } from './fixtures/opa-build.ts';
import { regoWat } from './fixtures/rego-wat.ts';
import { regoRuntime } from './prepare.ts';

type RegoMode = 'opa' | 'gatekeeper';

const LIMITS: GuestLimits = { ...TEST_LIMITS, maxOutputBytes: 65_536, maxHostCallBytes: 65_536 };
const FAILED = 'internal server error: wasm engine error: error invoking opa_eval function: ';

async function load(bytes: Uint8Array, mode: RegoMode = 'opa', limits = LIMITS): Promise<Prepared> {
  const thread = testThread(limits);
  const compiled = await regoRuntime.compile(bytes, { mode, sha256: '0'.repeat(64), ...thread, cacheDir: undefined });
  return regoRuntime.prepare(structuredClone(compiled), thread);
}

async function ask(policy: Prepared, input: GuestInput, host = new FakeHost()): Promise<GuestAnswer> {
  return askFor('validate', policy, input, host);
}

async function askFor(
  operation: GuestOperation,
  policy: Prepared,
  input: GuestInput,
  host = new FakeHost(),
): Promise<GuestAnswer> {
  const evaluation = await policy.begin(operation, host);
  try {
    return await evaluation.call(input);
  } finally {
    evaluation.end();
  }
}

/** The result set of an evaluation as text, or the text of its failure. */
async function result(policy: Prepared, input: GuestInput, host = new FakeHost()): Promise<string> {
  const answer = await ask(policy, input, host);
  return answer.kind === 'response' ? Buffer.from(answer.bytes).toString() : answer.message;
}

async function resultOf(source: string, input = inputOf('{"uid":"u"}'), host = new FakeHost()): Promise<unknown> {
  const text = await result(await load(await opaBuild(`package policy\nimport rego.v1\n${source}`)), input, host);
  return text.startsWith('[') ? JSON.parse(text)[0]?.result : text;
}

const noOpa = await missingTool('opa');

test('OPA: the request under input.request, settings as data, the response as the guest wrote it', async (t) => {
  const policy = await load(await guestModule('rego-opa'));
  const response = async (settings: string): Promise<unknown> =>
    JSON.parse(await result(policy, inputOf('{"uid":"u-1"}', settings)))[0].result.response;
  t.same(await response('{}'), { uid: 'u-1', allowed: true });
  t.same(await response('{"behaviour":"reject","message":"näh","code":418}'), {
    uid: 'u-1',
    allowed: false,
    status: { message: 'näh', code: 418 },
  });
  t.match(await response('{"behaviour":"mutate"}'), { allowed: true, patchType: 'JSONPatch', patch: String });
  t.same(await response('{"behaviour":"bad-response"}'), { nonsense: true }, 'judging it is somebody else’s');
  t.match(await response('{"behaviour":"echo"}'), { status: { message: /"settings":\{"behaviour":"echo"\}/ } });
  const raw = await ask(policy, { ...inputOf('{"uid":"raw"}'), kind: 'raw' });
  t.equal(raw.kind, 'response', 'raw requests too');
});

test('Gatekeeper: review and parameters as input, violations as the guest wrote them', async (t) => {
  const policy = await load(await guestModule('rego-gatekeeper'), 'gatekeeper');
  t.equal(await result(policy, inputOf('{"uid":"u"}')), '[{"result":[]}]');
  const reject = inputOf('{"uid":"u"}', '{"behaviour":"reject","message":"no"}');
  t.equal(await result(policy, reject), '[{"result":[{"msg":"no"}]}]');
  t.equal(await result(policy, inputOf('{"uid":"u"}', '{"behaviour":"bad-response"}')), '[{"result":[{"msg":7}]}]');
  const raw = await ask(policy, { ...inputOf('{}'), kind: 'raw' });
  const message = 'internal server error: Gatekeeper does not support raw validation requests';
  t.same(raw, { kind: 'failure', reason: 'unsupported', message });
});

test('settings are always valid, the waPC protocol is not spoken', async (t) => {
  const policy = await load(await guestModule('rego-opa'));
  const valid = await askFor('validate_settings', policy, inputOf('', '{"anything":[1]}'));
  t.equal(valid.kind === 'response' && Buffer.from(valid.bytes).toString(), '{"valid":true}');
  t.match(await askFor('protocol_version', policy, inputOf('')), { kind: 'failure', reason: 'unsupported' });
});

test('integers beyond 2^53 and the spelling of numbers survive', async (t) => {
  const request = '{"big":12345678901234567890,"edge":9007199254740993,"exp":1e+22,"float":1.0,"uid":"u"}';
  for (const [guest, mode] of [
    ['rego-opa', 'opa'],
    ['rego-gatekeeper', 'gatekeeper'],
  ] as const) {
    const text = await result(await load(await guestModule(guest), mode), inputOf(request, '{"behaviour":"echo"}'));
    for (const number of ['12345678901234567890', '9007199254740993', '1e+22', '1.0']) {
      t.match(text, new RegExp(`:${number.replaceAll(/[.+]/g, '\\$&')}[,}]`), `${guest}: ${number}`);
    }
  }
});

test('a failing builtin ends the evaluation and is named', async (t) => {
  for (const [guest, mode] of [
    ['rego-opa', 'opa'],
    ['rego-gatekeeper', 'gatekeeper'],
  ] as const) {
    const policy = await load(await guestModule(guest), mode);
    t.same(await ask(policy, inputOf('{"uid":"u"}', '{"behaviour":"error"}')), {
      kind: 'failure',
      reason: 'guest-error',
      message: `${FAILED}Builtin error ["hex.decode"]: "encoding/hex: invalid byte: U+007A 'z'"`,
    });
  }
});

test('a policy sees nothing of the evaluation before', { skip: noOpa }, async (t) => {
  const source = 'package policy\nimport rego.v1\nmain := [input.request, uuid.rfc4122("x") == uuid.rfc4122("x")]';
  const policy = await load(await opaBuild(source));
  for (const uid of ['a', 'b', 'c']) {
    t.equal(await result(policy, inputOf(`{"uid":"${uid}"}`)), `[{"result":[{"uid":"${uid}"},true]}]`);
  }
});

test('builtins get sets, keys and numbers as they are', { skip: noOpa }, async (t) => {
  const message = await resultOf(`
    missing := {"team", "app"} - {l | some l, _ in input.request.labels}
    main := sprintf("you must provide labels: %v %v %d %.1f", [missing, {1: [true, set()]}, 123456789012345678901234567890, 2.25])`);
  t.equal(message, 'you must provide labels: {"app", "team"} {1: [true, set()]} 123456789012345678901234567890 2.2');
  t.same(await resultOf('main := count(net.cidr_expand("10.0.0.0/30"))'), 4, 'a set comes back as a set');
  t.same(await resultOf('main := {x | some x in net.cidr_merge({"10.0.0.0/9", "10.128.0.0/9"})}'), ['10.0.0.0/8']);
  t.same(await resultOf('main := regex.split(",", "a,b")'), ['a', 'b']);
  t.same(await resultOf('main := yaml.unmarshal("a: 9007199254740993").a - 9007199254740992'), 1);
  t.same(await resultOf('main := uuid.parse(input.request.uid)'), undefined, 'undefined is not an error');
});

test('time stands still during an evaluation and comes from the host', { skip: noOpa }, async (t) => {
  const host = new FakeHost();
  const now = 1_700_000_000_000_000_000n;
  let asked = 0n;
  host.nowNs = () => now + asked++;
  t.same(await resultOf('main := [time.now_ns(), time.now_ns()]', inputOf('{}'), host), [Number(now), Number(now)]);
});

test('trace is logged, and only so much of it', { skip: noOpa }, async (t) => {
  const host = new FakeHost();
  const source =
    'main := count([1 | some i in numbers.range(1, 2000); trace(sprintf("step %d: %s", [i, input.request.uid]))])';
  t.equal(await resultOf(source, inputOf(`{"uid":"${'x'.repeat(200)}"}`), host), 2000);
  t.match(host.logged[0], /^debug: step 1: xxx/);
  const logged = host.logged.reduce((sum, line) => sum + line.length, 0);
  t.ok(logged < LIMITS.maxOutputBytes * 1.2, `${logged} characters`);
});

test('missing builtins are refused at load, sorted', { skip: noOpa }, async (t) => {
  const bytes = await opaBuild(`package policy
    import rego.v1
    main := [opa.runtime(), http.send({"method": "get", "url": input.url}), io.jwt.decode(input.token), sprintf("%d", [1])]`);
  await t.rejects(load(bytes), {
    constructor: EvaluationError,
    code: 'missing-builtins',
    message: 'Missing Rego builtins: http.send, io.jwt.decode, opa.runtime',
  });
});

test('Kubernetes objects: data.kubernetes and data.inventory', { skip: noOpa }, async (t) => {
  const opa = await load(await opaBuild('package policy\nmain := [data.kubernetes, data.other]'));
  const pods = '{"pods":{"ns":{"p":{"n":9007199254740993}}}}';
  const contextData = Buffer.from(pods);
  const host = new FakeHost();
  const input = { ...inputOf('{}', '{"kubernetes":"mine","other":1}'), contextData };
  t.equal(await result(opa, input, host), `[{"result":[${pods},1]}]`);
  t.match(host.logged, [/^warn: the setting "kubernetes" is hidden/]);
  t.equal(await result(opa, { ...inputOf('{}', '{"other":1}'), contextData }), `[{"result":[${pods},1]}]`);
  t.equal(await result(opa, { ...inputOf('{}', '{}'), contextData }), '[]', 'undefined without other');
  const settings = await result(opa, inputOf('{}', '{"kubernetes":"mine","other":1}'), host);
  t.equal(settings, '[{"result":["mine",1]}]', 'without objects a setting of that name is a setting');
  t.equal(host.logged.length, 1);

  const source =
    'package policy\nmain := [inventory, input.parameters]\ndefault inventory := "none"\ninventory := data.inventory';
  const gatekeeper = await load(await opaBuild(source), 'gatekeeper');
  t.equal(await result(gatekeeper, inputOf('{}', '{"a":1}')), '[{"result":["none",{"a":1}]}]');
  const withInventory = { ...inputOf('{}', '{}'), contextData: Buffer.from('{"cluster":{}}') };
  t.equal(await result(gatekeeper, withInventory), '[{"result":[{"cluster":{}},{}]}]');
});

test('memory and output are bounded', { skip: noOpa }, async (t) => {
  const bytes = await opaBuild('package policy\nmain := [x | x := input.request.list[_]; input.request.list[_]]');
  const policy = await load(bytes, 'opa', { ...LIMITS, memoryPages: 20 });
  const items = (count: number): GuestInput =>
    inputOf(`{"list":[${Array.from({ length: count }, (_, i) => i).join()}]}`);
  t.match(await ask(policy, items(3)), { kind: 'response' });
  const message = `${FAILED}out of memory: the policy needs more than 20 pages of 64 KiB`;
  t.same(await ask(policy, items(2_000)), { kind: 'failure', reason: 'limit', message });
  t.match(
    await ask(policy, items(200_000)),
    { kind: 'failure', reason: 'limit', message },
    'a request larger than the memory',
  );
  t.match(await ask(policy, items(3)), { kind: 'response' }, 'the next evaluation is not concerned');
  const chatty = await load(bytes, 'opa', { ...LIMITS, maxOutputBytes: 100 });
  t.match(await ask(chatty, items(40)), { kind: 'failure', reason: 'limit', message: /longer than 100 bytes/ });
});

test('hostile modules: what they do in an evaluation', async (t) => {
  const outcome = async (evaluate: string, host = new FakeHost()): Promise<GuestAnswer> =>
    ask(await load(await regoWat({ evaluate })), inputOf('{}'), host);
  t.match(await outcome('(i32.const 1152)'), { kind: 'response' }, 'the well-behaved twin of those below');
  t.match(await outcome('unreachable'), { reason: 'trap', message: `${FAILED}wasm trap: unreachable` });
  t.match(await outcome('(call $abort (i32.const 1216)) (i32.const 1152)'), {
    reason: 'guest-error',
    message: `${FAILED}opa_abort: näh \ufffd`,
  });
  t.match(await outcome('(call $abort (i32.const -1)) (i32.const 1152)'), {
    reason: 'guest-error',
    message: /lies outside/,
  });
  t.match(
    await outcome('(i32.const 400000000)'),
    { reason: 'guest-error', message: /lies outside/ },
    'no result there',
  );
  t.match(await outcome('(memory.fill (i32.const 2048) (i32.const 97) (i32.const 325632)) (i32.const 2048)'), {
    reason: 'limit',
    message: /does not end/,
  });
  t.match(await outcome('(call $builtin1 (i32.const 7) (i32.const 0) (i32.const 1280))'), {
    message: `${FAILED}Builtin error ["#7"]: "not implemented"`,
  });
  t.match(await outcome('(call $builtin1 (i32.const 0) (i32.const 0) (i32.const 1216))'), {
    message: /Builtin error \["hex\.decode"\]: "expected a Rego value/,
  });
  const notJson = await outcome('(i32.const 1216)');
  t.equal(notJson.kind, 'response', 'a result that is no JSON is judged where results are read');
  const host = new FakeHost();
  t.match(await outcome('(call $println (i32.const 1216)) (i32.const 1152)', host), { kind: 'response' });
  t.same(host.logged, ['debug: näh \ufffd'], 'nothing on stdout');
});

test('a module of before opa_eval and sets in builtins', async (t) => {
  // The host goes step by step. `eval` calls a builtin and keeps what comes back.
  const bytes = await regoWat({
    evaluate: 'unreachable',
    functions: `
      (global $result (mut i32) (i32.const 0))
      (func (export "opa_eval_ctx_new") (result i32) (i32.const 7168))
      (func (export "opa_eval_ctx_set_input") (param i32 i32))
      (func (export "opa_eval_ctx_set_data") (param i32 i32))
      (func (export "opa_eval_ctx_set_entrypoint") (param i32 i32))
      (func (export "opa_eval_ctx_get_result") (param i32) (result i32) (global.get $result))
      (func (export "eval") (param i32) (result i32)
        (global.set $result (call $builtin1 (i32.const 0) (i32.const 0) (i32.const 1280)))
        (i32.const 0))`,
    builtins: '{"net.cidr_merge":0}',
    operand: '["10.0.0.0/9","10.128.0.0/9"]',
    old: true,
  });
  // The result is where opa_malloc put the builtin's JSON text: sets have become arrays.
  t.equal(await result(await load(bytes), inputOf('{}')), '["10.0.0.0/8"]');
});

test('a guest that catches a failed builtin does not get away with it', async (t) => {
  const evaluate = `(try $caught (result i32)
    (do (call $builtin1 (i32.const 0) (i32.const 0) (i32.const 1280)))
    (catch_all (i32.const 1152)))`;
  const answer = await ask(await load(await regoWat({ evaluate })), inputOf('{}'));
  t.match(answer, { kind: 'failure', message: /Builtin error \["hex\.decode"\]/ });
});

test('hostile modules: refused at load', async (t) => {
  const refusal = async (module: Promise<Uint8Array>, code: string, message: RegExp): Promise<void> => {
    await t.rejects(load(await module), { constructor: EvaluationError, code, message });
  };
  await refusal(Promise.resolve(Uint8Array.of(1, 2, 3)), 'module-invalid', /cannot compile the module/);
  await refusal(watModule('(module)'), 'module-invalid', /no Rego policy: it does not export builtins, entrypoints/);
  await refusal(regoWat({ imports: '(import "env" "exec" (func))' }), 'import-unknown', /env\.exec/);
  await refusal(regoWat({ imports: '(import "wasi" "fd_write" (func))' }), 'import-unknown', /wasi\.fd_write/);
  await refusal(regoWat({ start: '(loop (br 0))' }), 'timeout', /start code runs for more than/);
  await refusal(regoWat({ start: 'unreachable' }), 'initialisation-failed', /wasm trap: unreachable/);
  await refusal(
    regoWat({ start: '(drop (call $builtin1 (i32.const 0) (i32.const 0) (i32.const 0)))' }),
    'initialisation-failed',
    /not implemented/,
  );
  await refusal(regoWat({ builtins: '[' }), 'initialisation-failed', /expected a Rego value/);
  await refusal(regoWat({ builtins: '[]' }), 'initialisation-failed', /does not list its builtins/);
  await refusal(regoWat({ builtins: '{"z.b":0,"a.b":1}' }), 'missing-builtins', /^Missing Rego builtins: a\.b, z\.b$/);
});

test('a module may ask for more memory than usual, up to the limit', async (t) => {
  const wat = async (pages: number): Promise<Uint8Array> => {
    const bytes = await regoWat({});
    // (import "env" "memory" (memory 1)): the page count follows the kind (2) and flags (0).
    const at = Buffer.from(bytes).indexOf('memory') + 'memory'.length + 2;
    return Uint8Array.from(bytes, (byte, index) => (index === at ? pages : byte));
  };
  t.match(await ask(await load(await wat(100)), inputOf('{}')), { kind: 'response' });
  const small = { ...LIMITS, memoryPages: 50 };
  await t.rejects(load(await wat(100), 'opa', small), { code: 'module-invalid', message: /needs 100 pages/ });
});
