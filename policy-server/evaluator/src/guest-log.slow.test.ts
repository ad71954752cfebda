import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import {
  decodeUtf8,
  encodedRawRequest,
  encodeUtf8,
  jsonFrom,
  parseCapabilityPatterns,
  type ExecutionMode,
} from '@portcullis/protocol';
import { guestModule, watModule, type GuestName } from '@portcullis/testkit';
import { test } from 'tap';
import {
  createEvaluator,
  type Evaluator,
  type EvaluatorEvents,
  type HostCallHandler,
  type PolicyRun,
} from './index.ts';

type Line = EvaluatorEvents['guest-logged'];

const REQUEST = jsonFrom({ uid: 'u-7' });

/** Everything guests print and log while `work` runs, in order. */
async function linesDuring(work: (evaluator: Evaluator) => Promise<void>): Promise<Line[]> {
  const lines: Line[] = [];
  const keep = (message: unknown): void => void lines.push(message as Line);
  const hostCalls: HostCallHandler = async ({ operation, payload }, { policyId }) => {
    const { level, message } = JSON.parse(decodeUtf8(payload));
    if (operation === 'log') keep({ policyId, uid: 'u-7', level, message });
    return new Uint8Array();
  };
  subscribe('portcullis:guest-logged', keep);
  const evaluator = createEvaluator({ workers: 1, cores: 1, hostCalls });
  try {
    await work(evaluator);
  } finally {
    unsubscribe('portcullis:guest-logged', keep);
    await evaluator.close();
  }
  return lines;
}

interface Guest {
  readonly bytes: Uint8Array;
  readonly mode: ExecutionMode;
}

async function policyOf(
  evaluator: Evaluator,
  { bytes, mode }: Guest,
  more: Partial<PolicyRun> = {},
): Promise<PolicyRun> {
  return {
    policyId: mode,
    module: await evaluator.prepare(bytes, mode),
    settings: encodeUtf8('{"behaviour":"log"}'),
    timeoutMs: 5000,
    allowList: parseCapabilityPatterns([]),
    contextAwareResources: [],
    ...more,
  };
}

/** A waPC policy whose answer is never right: its body is all it does. */
async function wapc(body: string): Promise<Guest> {
  const bytes = await watModule(`(module
    (import "wapc" "__console_log" (func $log (param i32 i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "before the loop")
    (func (export "__guest_call") (param i32 i32) (result i32) (local $left i32) ${body} (i32.const 0)))`);
  return { bytes, mode: 'kubewarden-wapc' };
}

const MODES: readonly (readonly [GuestName, ExecutionMode, Line['level'], string])[] = [
  ['wapc-rust', 'kubewarden-wapc', 'info', 'a line from the guest'],
  ['wapc-assemblyscript', 'kubewarden-wapc', 'info', 'a line from the guest'],
  ['wasi-go', 'wasi', 'warn', 'stderr: a line from the guest'],
  ['component', 'component', 'info', 'a line from the guest'],
];

test('what real guests print arrives, with every evaluation, and before its answer', async (t) => {
  for (const [name, mode, level, message] of MODES) {
    const bytes = await guestModule(name);
    const expected: Line = { policyId: mode, uid: 'u-7', level, message };
    const lines = await linesDuring(async (evaluator) => {
      const policy = await policyOf(evaluator, { bytes, mode });
      for (let round = 0; round < 5; round++) {
        const { allowed } = await evaluator.validate(policy, { kind: 'raw', request: encodedRawRequest(REQUEST) });
        t.ok(allowed, name);
      }
    });
    t.same(lines, Array<Line>(5).fill(expected), name);
  }
});

test('what a guest printed before it was cut or crashed arrives too', async (t) => {
  const bodies = {
    loop: '(call $log (i32.const 0) (i32.const 15)) (loop $for-ever (br $for-ever))',
    trap: '(call $log (i32.const 0) (i32.const 15)) unreachable',
  };
  for (const [name, body] of Object.entries(bodies)) {
    const guest = await wapc(body);
    const [first] = await linesDuring(async (evaluator) => {
      const policy = await policyOf(evaluator, guest, { timeoutMs: 300 });
      t.notOk((await evaluator.validate(policy, { kind: 'raw', request: encodedRawRequest(REQUEST) })).allowed);
    });
    t.match(first, { message: 'before the loop', policyId: 'kubewarden-wapc' }, name);
  }
});

test('lines are bounded in number and size, and the operator is told', async (t) => {
  const chatty = await wapc(`
    (local.set $left (i32.const 1000))
    (loop $next
      (call $log (i32.const 0) (i32.const 16))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $next (local.get $left)))`);
  const lines = await linesDuring(async (evaluator) => {
    await evaluator.validate(await policyOf(evaluator, chatty), { kind: 'raw', request: encodedRawRequest(REQUEST) });
  });
  t.equal(lines.length, 257);
  t.match(lines.at(-1), { level: 'warn', message: 'the policy logs more than 256 lines; the rest is left out' });
  const long = await wapc('(call $log (i32.const 0) (i32.const 60000))');
  const [line] = await linesDuring(async (evaluator) => {
    await evaluator.validate(await policyOf(evaluator, long), { kind: 'raw', request: encodedRawRequest(REQUEST) });
  });
  t.ok((line?.message.length ?? 0) <= 8193);
});
