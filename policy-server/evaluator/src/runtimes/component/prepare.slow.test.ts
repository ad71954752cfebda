import { createHash } from 'node:crypto';
import { appendFile, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from '@bytecodealliance/jco-transpile/wasm-tools';
import type { HostCall } from '@portcullis/protocol';
import { guestModule } from '@portcullis/testkit';
import { test } from 'tap';
import type { CompiledPolicy, GuestAnswer, GuestHost, GuestLimits, GuestOperation, Prepared } from '../runtime.ts';
import { testThread } from '../guest/test-evaluation.ts';
import { componentCache } from './cache.ts';
import { componentRuntime } from './prepare.ts';
import { JCO_TRANSPILE_VERSION, WORLD } from './world.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const limits: GuestLimits = { memoryPages: 1024, maxOutputBytes: 1 << 20, maxHostCallBytes: 1 << 16, maxHostCalls: 20 };
const thread = testThread(limits);
const guest = await guestModule('component');
const compiled = await compile(guest);
const prepared = await componentRuntime.prepare(compiled, thread);

function compile(bytes: Uint8Array, cacheDir?: string, memoryPages = limits.memoryPages): Promise<CompiledPolicy> {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return componentRuntime.compile(bytes, {
    mode: 'component',
    sha256,
    limits: { ...limits, memoryPages },
    instances: 'reset',
    cacheDir,
  });
}

/** A host that answers with what it was asked, or does what the test says. */
function hostOf(answer: (call: HostCall) => Promise<Uint8Array> = echoCall): GuestHost {
  const unused = (): never => {
    throw new Error('a component has no WASI');
  };
  return { hostCall: answer, log() {}, nowNs: unused, monotonicNs: unused, randomFill: unused, sleep: unused };
}

async function echoCall({ binding, namespace, operation, payload }: HostCall): Promise<Uint8Array> {
  return encoder.encode(`${binding}|${namespace}|${operation}|${decoder.decode(payload)}`);
}

interface Run {
  readonly operation?: GuestOperation;
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly request?: unknown;
  readonly host?: GuestHost;
  readonly policy?: Prepared;
}

async function run({
  operation = 'validate',
  settings = {},
  request = {},
  host = hostOf(),
  policy = prepared,
}: Run): Promise<GuestAnswer> {
  const evaluation = await policy.begin(operation, host);
  try {
    return await evaluation.call({
      kind: 'kubernetes',
      request: encoder.encode(JSON.stringify(request)),
      settings: encoder.encode(JSON.stringify(settings)),
    });
  } finally {
    evaluation.end();
  }
}

function json(answer: GuestAnswer): unknown {
  if (answer.kind === 'failure') throw new Error(answer.message);
  return JSON.parse(decoder.decode(answer.bytes));
}

test('a component accepts, rejects, warns and mutates', async (t) => {
  t.same(json(await run({})), { accepted: true });
  t.same(json(await run({ settings: { behaviour: 'reject', message: 'näh 😀', code: 418 } })), {
    accepted: false,
    message: 'näh 😀',
    code: 418,
  });
  t.same(json(await run({ settings: { behaviour: 'warn' } })), {
    accepted: true,
    warnings: ['careful'],
    audit_annotations: { seen: 'yes' },
  });
  const object = { metadata: { labels: { a: 'b' } }, spec: { unknownField: [1, null, 'ü'] } };
  t.same(json(await run({ settings: { behaviour: 'mutate' }, request: { object } })), {
    accepted: true,
    mutated_object: { metadata: { labels: { a: 'b', guest: 'mutated' } }, spec: { unknownField: [1, null, 'ü'] } },
  });
  t.match(
    json(await run({ request: { name: 'reject' } })),
    { accepted: false },
    'behaviour by the name of the request',
  );
});

test('the payload arrives byte for byte as with waPC', async (t) => {
  const answer = json(await run({ settings: { behaviour: 'echo' }, request: { b: 1, a: ['ü', '\u2028'] } }));
  t.same(answer, {
    accepted: false,
    message: '{"request":{"b":1,"a":["ü","\u2028"]},"settings":{"behaviour":"echo"}}',
  });
});

test('settings are validated and the protocol version is v1', async (t) => {
  t.same(json(await run({ operation: 'validate_settings' })), { valid: true });
  t.same(json(await run({ operation: 'validate_settings', settings: { valid: false, message: 'a\nb' } })), {
    valid: false,
    message: 'a\nb',
  });
  t.same(json(await run({ operation: 'protocol_version' })), 'v1');
});

test('failures carry the texts of waPC policies', async (t) => {
  const failure = (reason: string, message: string | RegExp) => ({ kind: 'failure', reason, message });
  t.match(
    await run({ settings: { behaviour: 'error' } }),
    failure('guest-error', /^internal server error: Guest call failure: guest error$/),
  );
  t.match(
    await run({ settings: { behaviour: 'throw' } }),
    failure('guest-error', /^internal server error: Guest call failure: Expected property name/),
  );
  t.match(
    await run({ settings: { behaviour: 'trap' } }),
    failure('trap', /^internal server error: Guest call failure: wasm trap: .*unreachable/),
  );
  const operation = 'validate_settings';
  t.match(
    await run({ operation, settings: { behaviour: 'error-settings' } }),
    failure('guest-error', /^Error invoking settings validation callback: GuestCallFailure\("guest error"\)$/),
  );
  t.match(
    await run({ operation, settings: { behaviour: 'trap-settings' } }),
    failure('trap', /^Error invoking settings validation callback: GuestCallFailure\("wasm trap/),
  );
});

test('every evaluation begins from a clean slate, also after a trap', async (t) => {
  for (const behaviour of ['counter', 'trap', 'leak', 'counter']) {
    const answer = await run({ settings: { behaviour } });
    if (behaviour === 'counter') t.same(json(answer), { accepted: false, message: '1' });
  }
});

test('the guest asks the host and reads its answer or its error', async (t) => {
  const settings = { behaviour: 'host-call', namespace: 'oci', operation: 'v1/manifest_digest', payload: '"é"' };
  t.same(json(await run({ settings })), { accepted: false, message: 'kubewarden|oci|v1/manifest_digest|"é"' });
  const host = hostOf(async () => Promise.reject(new Error('unknown namespace: oci')));
  t.same(json(await run({ settings, host })), { accepted: false, message: 'unknown namespace: oci' });
});

test('evaluations that wait for the host do not hold up or disturb others', async (t) => {
  const gates = Array.from({ length: 20 }, () => Promise.withResolvers<void>());
  let waiting = 0;
  const host = hostOf(async ({ payload }) => {
    waiting++;
    await gates[Number(decoder.decode(payload))]?.promise;
    return payload;
  });
  const settings = { behaviour: 'host-call', namespace: 'n', operation: 'o' };
  const answers = gates.map((_, index) => run({ settings: { ...settings, payload: String(index) }, host }));
  while (waiting < gates.length) await new Promise((resolve) => setTimeout(resolve, 5));
  t.same(json(await run({})), { accepted: true }, 'another evaluation ran meanwhile in this thread');
  for (const gate of gates.toReversed()) gate.resolve();
  t.same(
    (await Promise.all(answers)).map(json),
    gates.map((_, index) => ({ accepted: false, message: String(index) })),
  );
});

test('an evaluation that was ended is never resumed', async (t) => {
  const gate = Promise.withResolvers<void>();
  let calls = 0;
  const host = hostOf(async () => {
    calls++;
    await gate.promise;
    return new Uint8Array();
  });
  const evaluation = await prepared.begin('validate', host);
  const answer = evaluation.call({
    kind: 'kubernetes',
    request: encoder.encode('{}'),
    settings: encoder.encode('{"behaviour":"many-host-calls"}'),
  });
  while (calls === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  evaluation.end();
  t.match(await answer, { kind: 'failure', reason: 'limit', message: /the evaluation was cut short/ });
  gate.resolve();
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.equal(calls, 1, 'the guest did not go on to its next call');
});

test('limits end the evaluation, not the server', async (t) => {
  const limit = (message: RegExp) => ({ kind: 'failure', reason: 'limit', message });
  t.match(
    await run({ settings: { behaviour: 'many-host-calls' } }),
    limit(/made more than 20 host calls in one evaluation/),
  );
  t.match(
    await run({ settings: { behaviour: 'big-error' } }),
    limit(/response of 2097152 bytes exceeds the limit of 1048576 bytes/),
  );
  const settings = { behaviour: 'host-call', namespace: 'n', operation: 'o', payload: 'x'.repeat(1 << 16) };
  t.match(await run({ settings }), limit(/a host call of 65548 bytes exceeds the limit of 65536 bytes/));
  const host = hostOf(async () => new Uint8Array(70_000));
  t.match(
    await run({ settings: { ...settings, payload: '' }, host }),
    limit(/the answer of n\/o, 70000 bytes, exceeds the limit/),
  );
  t.match(
    await run({ settings: { behaviour: 'big-answer' } }),
    limit(/response of 2097\d{3} bytes exceeds the limit of 1048576 bytes/),
  );
});

test('all memories of a component together stay within the limit', async (t) => {
  t.match(await run({ settings: { behaviour: 'hoard' } }), {
    kind: 'failure',
    reason: 'guest-error',
    message: /out of memory/,
  });
  await t.rejects(compile(guest, undefined, 16), {
    code: 'module-invalid',
    message: /the component needs \d+ pages of memory at start, at most 16 are allowed/,
  });
  const sizes = (pages: number): string => `(memory (export "memory") ${pages})`;
  const two = `(component
    (core module $a ${sizes(1)}) (core instance (instantiate $a)) (core instance (instantiate $a))
    (core module $b ${sizes(3)} (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 8)
      (func (export "run") (param i32 i32) (result i32) (i32.store8 (i32.const 0) (i32.const 0)) (i32.store (i32.const 4) (i32.const 16))
        (i32.store (i32.const 8) (i32.const 1)) (i32.store8 (i32.const 16) (i32.add (i32.const 50) (memory.grow (i32.const 1)))) (i32.const 0)))
    (core instance $b (instantiate $b))
    (alias core export $b "memory" (core memory $memory)) (alias core export $b "run" (core func $run))
    (alias core export $b "realloc" (core func $realloc))
    (type $call (func (param "payload" (list u8)) (result (result (list u8) (error string)))))
    (func $lifted (type $call) (canon lift (core func $run) (memory $memory) (realloc $realloc)))
    (export "validate" (func $lifted)) (export "validate-settings" (func $lifted)))`;
  const bytes = Uint8Array.from(await parse(two));
  const grown = async (pages: number): Promise<string> => {
    const answer = await run({
      policy: await componentRuntime.prepare(await compile(bytes, undefined, pages), thread),
    });
    return answer.kind === 'response' ? decoder.decode(answer.bytes) : answer.message;
  };
  t.equal(await grown(5), '1', 'five pages at start leave no room: growing answers -1');
  t.equal(await grown(10), '5', 'with ten, the memory of three may become six: growing answers its old size, 3');
  await t.rejects(grown(4), { code: 'module-invalid' });
});

test('a cached transpilation is used, and one that was damaged is not', async (t) => {
  const cacheDir = t.testdir({});
  const first = await compile(guest, cacheDir);
  const folder = join(cacheDir, 'components');
  const [file = ''] = await readdir(folder);
  const path = join(folder, file);
  const intact = await readFile(path);
  const sha256 = first.sha256;
  t.equal((await componentCache(cacheDir).read(sha256))?.glue, first.glue);
  t.equal((await compile(guest, cacheDir)).glue, first.glue);
  t.equal(await componentCache(cacheDir).read('0'.repeat(64)), undefined, 'another component');

  const damages: (() => Promise<void>)[] = [
    () => truncate(path, intact.length - 1),
    () => truncate(path, 0),
    () => appendFile(path, 'x'),
    () => writeFile(path, Buffer.from(intact.toString('latin1').replace('use components', 'use COMPONENTS'), 'latin1')),
  ];
  for (const damage of damages) {
    await writeFile(path, intact);
    await damage();
    t.equal(await componentCache(cacheDir).read(sha256), undefined);
  }
  t.equal((await compile(guest, cacheDir)).glue, first.glue, 'made again');
  t.same(await readFile(path), intact);
  t.same(await readdir(folder), [file], 'no temporary files stay behind');

  await writeFile(join(folder, 'other'), 'x');
  await t.resolves(compile(guest, join(folder, 'other')), 'a cache that cannot be written costs time only');
});

test('versions that caches depend on are those in use', async (t) => {
  const manifest = new URL('../package.json', import.meta.resolve('@bytecodealliance/jco-transpile'));
  t.equal(JSON.parse(await readFile(manifest, 'utf8')).version, JCO_TRANSPILE_VERSION);
  const wit = await readFile(new URL('./policy.wit', import.meta.url), 'utf8');
  const [, name, version] = /^package (\S+)@(\S+);/m.exec(wit) ?? [];
  t.equal(`${name}/policy@${version}`, WORLD);
  const guestWit = fileURLToPath(new URL('../guests/component/policy.wit', import.meta.resolve('@portcullis/testkit')));
  t.equal(await readFile(guestWit, 'utf8'), wit, 'policy authors copy the file; so does the guest under test');
});

test('compiled components can be posted to other threads', async (t) => {
  const copy = structuredClone(compiled);
  const policy = await componentRuntime.prepare(copy, thread);
  t.same(json(await run({ policy })), { accepted: true });
});
