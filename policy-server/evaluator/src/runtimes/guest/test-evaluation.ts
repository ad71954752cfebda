import type { ExecutionMode } from '@portcullis/protocol';
import type { Test } from 'tap';
import type {
  GuestAnswer,
  GuestLimits,
  GuestOperation,
  InstanceMode,
  Prepared,
  Runtime,
  ThreadContext,
} from '../runtime.ts';
import { FakeHost, inputOf, TEST_LIMITS } from './fake-host.ts';

/** What a test asks of a guest: by default to validate a request that is nothing but a uid. */
export interface TestEvaluation {
  readonly operation?: GuestOperation;
  readonly host?: FakeHost;
  readonly request?: string;
  readonly settings?: string;
}

/** A policy as a worker thread has it: compiled, posted there, prepared. */
export async function prepareForTest(
  runtime: Runtime,
  mode: ExecutionMode,
  bytes: Uint8Array,
  limits: Partial<GuestLimits> = {},
): Promise<Prepared> {
  return prepareOn(testThread(limits), runtime, mode, bytes);
}

export async function prepareOn(
  thread: ThreadContext,
  runtime: Runtime,
  mode: ExecutionMode,
  bytes: Uint8Array,
): Promise<Prepared> {
  const compiled = await runtime.compile(bytes, { mode, sha256: '0', ...thread, cacheDir: undefined });
  return runtime.prepare(structuredClone(compiled), thread);
}

/** A thread nobody else is on. */
export function testThread(limits: Partial<GuestLimits> = {}, instances: InstanceMode = 'reset'): ThreadContext {
  const control = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  return { limits: { ...TEST_LIMITS, ...limits }, control, instances };
}

/** One evaluation, from its begin to its end, and its answer as text. */
export async function evaluateOnce(prepared: Prepared, asked: TestEvaluation = {}): Promise<string> {
  const evaluation = await prepared.begin(asked.operation ?? 'validate', asked.host ?? new FakeHost());
  try {
    return textOf(await evaluation.call(inputOf(asked.request ?? '{"uid":"1"}', asked.settings)));
  } finally {
    evaluation.end();
  }
}

export function textOf(answer: GuestAnswer): string {
  return answer.kind === 'response' ? new TextDecoder().decode(answer.bytes) : `${answer.reason}: ${answer.message}`;
}

/** Asks a guest of the testkit for one of its behaviours. */
export type Behave = (settings: object, host?: FakeHost, operation?: GuestOperation) => Promise<string>;

export function behaviourOf(prepared: Prepared): Behave {
  return (settings, host = new FakeHost(), operation = 'validate') =>
    evaluateOnce(prepared, { operation, host, request: POD_REQUEST, settings: JSON.stringify(settings) });
}

const POD_REQUEST =
  '{"uid":"1","kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},"operation":"CREATE","userInfo":{},"object":{"metadata":{"name":"p"}}}';

/** What policies do alike whichever SDK they are made with, but for `refusedCall`: how they put a host call that fails. */
export async function checkSdkBehaviour(t: Test, behave: Behave, refusedCall: RegExp): Promise<void> {
  t.same(JSON.parse(await behave({})).accepted, true);
  t.match(JSON.parse(await behave({ behaviour: 'reject', message: 'no', code: 418 })), {
    accepted: false,
    message: 'no',
    code: 418,
  });
  t.equal(JSON.parse(await behave({ behaviour: 'counter' })).message, '1');
  t.equal(JSON.parse(await behave({ behaviour: 'counter' })).message, '1', 'a clean slate');
  t.match(JSON.parse(await behave({ behaviour: 'mutate' })).mutated_object, {
    metadata: { labels: { guest: 'mutated' } },
  });
  const host = new FakeHost();
  t.equal(JSON.parse(await behave(HOST_CALL, host)).message, '"example.com"');
  host.answer = async () => {
    throw new Error('unknown operation: v1/dns_lookup_host');
  };
  t.match(JSON.parse(await behave(HOST_CALL, host)).message, refusedCall);
  t.same(JSON.parse(await behave({ valid: false }, host, 'validate_settings')), {
    valid: false,
    message: 'refused by guest',
  });
}

const HOST_CALL = {
  behaviour: 'host-call',
  namespace: 'net',
  operation: 'v1/dns_lookup_host',
  payload: '"example.com"',
};
