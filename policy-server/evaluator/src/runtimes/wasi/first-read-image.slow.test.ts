import { guestModule } from '@portcullis/testkit';
import { test } from 'tap';
import { coreModule, corePlan, importsOf } from '../guest/compile.ts';
import { FakeHost } from '../guest/fake-host.ts';
import { evaluateOnce, type TestEvaluation, testThread } from '../guest/test-evaluation.ts';
import { FirstReadImage } from './first-read-image.ts';
import { AT_FIRST_READ, LIMITS, prepare, seen } from './fixtures/seen.ts';
import { wasiRuntime } from './prepare.ts';

const POD = '{"uid":"1","object":{"metadata":{"name":"p"}}}';
const BEHAVIOURS = `
  accept reject mutate warn echo counter leak log error bad-response trap
  goroutines map-order random clock sleep grow collect recover set-up size panic exit deadlock`;
const CALL =
  '{"behaviour":"host-call","namespace":"net","operation":"v1/dns_lookup_host","payload":"\\"example.com\\""}';
const REQUESTS: readonly TestEvaluation[] = [
  ...BEHAVIOURS.trim()
    .split(/\s+/)
    .map((behaviour) => ({ request: POD, settings: JSON.stringify({ behaviour }) })),
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
  const expected = new Map<TestEvaluation, unknown>();
  for (const asked of REQUESTS) expected.set(asked, await seen(fresh, asked));
  for (const asked of [...REQUESTS, ...REQUESTS.toReversed()])
    t.same(await seen(reset, asked), expected.get(asked), `${asked.settings} ${asked.request?.length}`);
  t.same(reset.instances, AT_FIRST_READ);
  t.same(fresh.instances, { kind: 'fresh', reason: 'asked for' });
});

test('evaluations that wait for the host do not meet each other', { timeout: 600_000 }, async (t) => {
  const prepared = await prepare(await guestModule('wasi-go'));
  for (let round = 0; round < 3; round += 1) await evaluateOnce(prepared, { settings: CALL });
  t.same(prepared.instances, AT_FIRST_READ);
  const waiting = Array.from({ length: 4 }, (_, index) => {
    const host = new FakeHost();
    const gate = Promise.withResolvers<Uint8Array>();
    host.answer = () => gate.promise;
    return { gate, answer: evaluateOnce(prepared, { host, settings: CALL }), text: `"answer ${index}"` };
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  for (const { gate, text } of waiting.toReversed()) gate.resolve(new TextEncoder().encode(text));
  for (const { answer, text } of waiting) t.equal(JSON.parse(await answer).message, text);
});

test(
  'after every kind of evaluation a Go program stands at its first read as if nothing had been',
  { timeout: 600_000 },
  async (t) => {
    const thread = testThread(LIMITS);
    const compiled = await wasiRuntime.compile(await guestModule('wasi-go'), {
      mode: 'wasi',
      sha256: '0',
      ...thread,
      cacheDir: undefined,
    });
    const [module, plan] = [coreModule(compiled), corePlan(compiled)];
    const image = new FirstReadImage({ module, plan, thread, imports: importsOf(module) }, 'validate');
    const encoder = new TextEncoder();
    const first = await image.take(new FakeHost());
    const bytes = first?.instance.state?.bytes.slice();
    const globals = first?.instance.state?.globals.map(({ value }) => value);
    if (first !== undefined) image.giveBack(first, true);
    let reused = 0;
    for (const { request = '{}', settings = '{}' } of REQUESTS.filter(({ operation }) => operation === undefined)) {
      const lease = await image.take(new FakeHost());
      if (lease === undefined) throw new Error('there is no image');
      if (lease === first) reused += 1;
      const { instance } = lease;
      t.ok(Buffer.compare(instance.state?.bytes ?? new Uint8Array(), bytes ?? new Uint8Array()) === 0, settings);
      t.same(
        instance.state?.globals.map(({ value }) => value),
        globals,
      );
      const outcome = await instance.goOn(encoder.encode(`{"request":${request},"settings":${settings}}`));
      image.giveBack(lease, instance.isReusableAfter(outcome));
    }
    t.ok(reused > 5, `the same instance ${reused} times`);
  },
);
