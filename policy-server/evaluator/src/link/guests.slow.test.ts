import { GUEST_CASES, type GuestName, guestModule, randomFrom } from '@portcullis/testkit';
import type { ExecutionMode } from '@portcullis/protocol';
import { test } from 'tap';
import { FakeHost } from '../runtimes/guest/fake-host.ts';
import { behaviourOf, testThread } from '../runtimes/guest/test-evaluation.ts';
import { runtimeFor } from '../runtimes/registry.ts';
import type { CompiledPolicy, InstanceMode, Prepared } from '../runtimes/runtime.ts';
import { OPTIONS } from './fixtures/linked-instance.ts';
import { linkModule } from './link.ts';

const GUESTS: Readonly<Partial<Record<GuestName, ExecutionMode>>> = {
  'wapc-rust': 'kubewarden-wapc',
  'wapc-assemblyscript': 'kubewarden-wapc',
  'wasi-go': 'wasi',
  'rego-opa': 'opa',
  'rego-gatekeeper': 'gatekeeper',
};

/** The module as it is: nothing but what the engine makes of it. */
async function asItWas(compiled: CompiledPolicy, bytes: Uint8Array): Promise<CompiledPolicy> {
  const reason = 'for comparison';
  const plan = { globals: [], image: { covered: false, reason } } as const;
  const module = await WebAssembly.compile(Uint8Array.from(bytes));
  return { ...compiled, modules: [module], plans: [plan], instances: { kind: 'fresh', reason } };
}

async function preparedAs(compiled: CompiledPolicy, instances: InstanceMode): Promise<Prepared> {
  const runtime = await runtimeFor(compiled.mode);
  return runtime.prepare(compiled, testThread({}, instances));
}

/** What the guest answers and logs, backtraces with their offsets included. */
async function answerOf(
  prepared: Prepared,
  settings: object,
  operation: 'validate' | 'validate_settings',
): Promise<string> {
  const host = new FakeHost();
  const answer = await behaviourOf(prepared)(settings, host, operation);
  return [answer, ...host.logged].join('\n');
}

for (const [name, mode] of Object.entries(GUESTS) as [GuestName, ExecutionMode][]) {
  test(`${name} answers as it did before it was rewritten`, async (t) => {
    const bytes = await guestModule(name);
    const runtime = await runtimeFor(mode);
    const linked = await runtime.compile(bytes, { mode, sha256: '0', ...testThread(), cacheDir: undefined });
    const before = await preparedAs(await asItWas(linked, bytes), 'fresh');
    const fresh = await preparedAs(linked, 'fresh');
    const reset = await preparedAs(linked, 'reset');
    for (const { guest, behaviour, settings } of GUEST_CASES) {
      if (guest !== name || behaviour === 'timeout') continue;
      for (const operation of ['validate', 'validate_settings'] as const) {
        const expected = await answerOf(before, settings, operation);
        t.equal(await answerOf(fresh, settings, operation), expected, `${behaviour}, ${operation}`);
        t.equal(await answerOf(reset, settings, operation), expected, `${behaviour}, ${operation}, brought back`);
      }
    }
  });
}

test('policies of all kinds are rewritten, and covered by images', async (t) => {
  for (const name of Object.keys(GUESTS) as GuestName[]) {
    const { bytes, plan } = linkModule(await guestModule(name), OPTIONS);
    t.ok(WebAssembly.validate(bytes), name);
    t.same(plan.image, { covered: true }, name);
    t.equal(plan.checkpoint === undefined, name !== 'wasi-go', `${name} has a checkpoint`);
  }
});

test('a damaged policy is linked in no more time than it takes to read it', async (t) => {
  const guest = Uint8Array.from(await guestModule('wasi-go'));
  const random = randomFrom(20_265);
  for (let round = 0; round < 12; round++) {
    const bytes = Uint8Array.from(guest);
    for (let flips = random(20); flips >= 0; flips--) bytes[8 + random(bytes.length - 8)] = random(256);
    try {
      const { bytes: linked } = linkModule(bytes, OPTIONS);
      t.ok(linked.length < bytes.length * 1.2 + 65_536);
    } catch (error) {
      t.match(error, { code: 'module-invalid' });
    }
  }
});
