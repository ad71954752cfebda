import { guestModule } from '@portcullis/testkit';
import { test, type Test } from 'tap';
import { FakeHost, inputOf } from '../guest/fake-host.ts';
import type { InstancePoolOptions } from '../guest/instance-pool.ts';
import { evaluateOnce, type TestEvaluation, testThread, textOf } from '../guest/test-evaluation.ts';
import type { GuestOperation, InstanceMode, Prepared, ThreadContext } from '../runtime.ts';
import { goProgram, type GoProgram } from './fixtures/go-program.ts';
import { wasiRuntime } from './prepare.ts';

const LIMITS = { maxOutputBytes: 1 << 20, memoryPages: 4096 };
const AT_FIRST_READ = { kind: 'reset', image: 'at its first read of standard input' };

interface Options {
  readonly instances?: InstanceMode;
  readonly pool?: Partial<InstancePoolOptions>;
  readonly thread?: ThreadContext;
}

async function prepare(
  bytes: Uint8Array,
  { instances = 'reset', pool = {}, ...options }: Options = {},
): Promise<Prepared> {
  const thread = options.thread ?? { ...testThread(LIMITS, instances), instancePool: pool };
  const compiled = await wasiRuntime.compile(bytes, { mode: 'wasi', sha256: '0', ...thread, cacheDir: undefined });
  return wasiRuntime.prepare(compiled, thread);
}

/** Enough work that an image behind it is worth having. */
const WORK = `(local.set $kept (i32.const 6000000))
  (loop $again (br_if $again (local.tee $kept (i32.sub (local.get $kept) (i32.const 1)))))`;

function imitation(program: GoProgram, options?: Options): Promise<Prepared> {
  return goProgram({ ...program, before: `${WORK} ${program.before ?? ''}` }).then((bytes) => prepare(bytes, options));
}

/** What an evaluation shows to the outside: its answer, what it logs and asks. */
async function seen(prepared: Prepared, asked: TestEvaluation): Promise<unknown> {
  const host = new FakeHost();
  const answer = await evaluateOnce(prepared, { ...asked, host });
  return { answer, logged: host.logged, calls: host.calls.length, slept: host.sleptMs };
}

const POD = '{"uid":"1","object":{"metadata":{"name":"p"}}}';
const BEHAVIOURS = [
  ...['accept', 'reject', 'mutate', 'warn', 'echo', 'counter', 'leak', 'log', 'error', 'bad-response', 'trap'],
  ...['goroutines', 'map-order', 'random', 'clock', 'sleep', 'grow', 'collect', 'recover', 'set-up', 'size'],
  ...['panic', 'exit', 'deadlock'],
];
const CALL =
  '{"behaviour":"host-call","namespace":"net","operation":"v1/dns_lookup_host","payload":"\\"example.com\\""}';
const REQUESTS: readonly TestEvaluation[] = [
  ...BEHAVIOURS.map((behaviour) => ({ request: POD, settings: JSON.stringify({ behaviour }) })),
  { request: POD, settings: CALL },
  { request: `{"uid":"${'x'.repeat(400_000)}"}`, settings: '{"behaviour":"echo"}' },
  { request: 'no JSON' },
  { operation: 'validate_settings', settings: '{"valid":false,"message":"no"}' },
  { operation: 'validate_settings', settings: '{}' },
  { operation: 'validate_settings', settings: '{"behaviour":"trap-settings"}' },
];

test('a Go program answers from its first read as it does from its start', { timeout: 600_000 }, async (t) => {
  const bytes = await guestModule('wasi-go');
  const [fresh, reset] = [await prepare(bytes, { instances: 'fresh' }), await prepare(bytes)];
  for (const asked of [...REQUESTS, ...REQUESTS.toReversed()]) {
    t.same(await seen(reset, asked), await seen(fresh, asked), `${asked.settings} ${asked.request?.length}`);
  }
  t.same(reset.instances, AT_FIRST_READ);
  t.same(fresh.instances, { kind: 'fresh', reason: 'asked for' });
});
