import { guestModule } from '@portcullis/testkit';
import { type Test, test } from 'tap';
import { evaluateOnce, prepareOn, testThread } from '../guest/test-evaluation.ts';
import type { Prepared } from '../runtime.ts';
import { regoWat, type RegoWatParts } from './fixtures/rego-wat.ts';
import { Stopper } from './fixtures/stopper.ts';
import { regoRuntime } from './prepare.ts';

const LIMITS = { memoryPages: 1000, maxOutputBytes: 1 << 20, maxHostCallBytes: 64 << 20 };

/** A guest is gone within a few milliseconds; the machine that runs the tests may be busy with others. */
const PATIENCE_MS = 400;

interface Guest {
  readonly module: Uint8Array;
  readonly mode?: 'opa' | 'gatekeeper';
  readonly settings?: string;
}

/** Whatever the guest does, it is off the thread soon after it was told to stop, and so is the next one. */
async function checkStops(t: Test, { module, mode = 'opa', settings }: Guest): Promise<Prepared> {
  const thread = testThread(LIMITS);
  const prepared = await prepareOn(thread, regoRuntime, mode, module);
  await using stopper = await Stopper.of(thread.control);
  for (let round = 0; round < 2; round++) {
    const { outcome, lateMs } = await stopper.stop(() =>
      evaluateOnce(prepared, settings === undefined ? {} : { settings }),
    );
    t.match(outcome, /^trap: .*error invoking opa_eval/u);
    t.ok(lateMs < PATIENCE_MS, `stopped after ${lateMs} ms`);
  }
  return prepared;
}

test('a policy that loops is stopped in place, and its next evaluation is as good as any', async (t) => {
  const module = await guestModule('rego-gatekeeper');
  const prepared = await checkStops(t, { module, mode: 'gatekeeper', settings: '{"behaviour":"loop"}' });
  t.same(prepared.instances, { kind: 'reset' });
  t.equal(await evaluateOnce(prepared), '[{"result":[]}]');
  t.match(await evaluateOnce(prepared, { settings: '{"behaviour":"reject"}' }), /rejected by guest/u);
});

test('a policy that does nothing but call a builtin is stopped', async (t) => {
  const evaluate =
    '(loop $again (drop (call $builtin1 (i32.const 0) (i32.const 0) (i32.const 1280))) (br $again)) (unreachable)';
  await checkStops(t, { module: await regoWat({ evaluate, builtins: '{"hex.encode":0}' }) });
});

/** Calls a builtin for ever, with a short operand and with one of 3 MB that \`fill\` puts behind the address 65536. */
function longBuiltin(
  builtin: string,
  fill: string,
  operands: readonly ('short' | 'long')[],
  short = '""',
): RegoWatParts {
  const addresses = operands.map((operand) => `(i32.const ${operand === 'short' ? 1280 : 65_536})`);
  return {
    imports: '(import "env" "opa_builtin2" (func $builtin2 (param i32 i32 i32 i32) (result i32)))',
    builtins: `{"${builtin}":0}`,
    operand: short,
    evaluate: `(local $at i32)
      (drop (memory.grow (i32.const 64)))
      ${fill}
      (loop $again (drop (call $builtin2 (i32.const 0) (i32.const 0) ${addresses.join(' ')})) (br $again))
      (unreachable)`,
  };
}

/** `"aaa…"` */
const LETTERS = `
  (memory.fill (i32.const 65536) (i32.const 97) (i32.const 3000000))
  (i32.store8 (i32.const 65536) (i32.const 34))
  (i32.store16 (i32.const 3065536) (i32.const 34))`;

/** `{1,1,…,}`: many values, one member; that its end is wrong is found out last. */
const NUMBERS = `
  (i32.store8 (i32.const 65536) (i32.const 123))
  (loop $fill
    (i32.store16 (i32.add (i32.const 65537) (local.get $at)) (i32.const 0x2c31))
    (local.set $at (i32.add (local.get $at) (i32.const 2)))
    (br_if $fill (i32.lt_u (local.get $at) (i32.const 3000000))))`;

const LONG_BUILTINS: readonly (readonly [what: string, parts: RegoWatParts])[] = [
  // Every match looks at the whole text before it is content with one letter: that takes hours.
  ['a regular expression', longBuiltin('regex.split', LETTERS, ['short', 'long'], '"a.*z|a"')],
  ['reading values', longBuiltin('object.subset', NUMBERS, ['short', 'long'])],
  ['a search', longBuiltin('indexof_n', LETTERS, ['long', 'short'], '"a"')],
];

for (const [what, parts] of LONG_BUILTINS) {
  test(`a builtin that has much to do is stopped in its midst: ${what}`, async (t) => {
    await checkStops(t, { module: await regoWat(parts) });
  });
}
