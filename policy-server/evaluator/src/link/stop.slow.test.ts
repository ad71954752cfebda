import { watModule } from '@portcullis/testkit';
import { test } from 'tap';
import { SpinningThread } from './fixtures/spinning-thread.ts';

const TWICE_DOWN =
  '(i32.add (call $down (i32.sub (local.get 0) (i32.const 1))) (call $down (i32.sub (local.get 0) (i32.const 2))))';
const FIBONACCI_BY_TABLE = ['1', '2']
  .map((less) => `(call_indirect (type $t) (i32.sub (local.get 0) (i32.const ${less})) (i32.const 0))`)
  .join(' ');
const HUGE = '(memory (export "memory") 4096)';
const LENGTH = `(i32.const ${4096 * 65_536 - 16})`;

/** Ways not to end, each as the fields of a module with a function `spin`. */
const SHAPES: Readonly<Record<string, string>> = {
  'a loop': '(func (export "spin") (loop (br 0)))',
  'a loop with a condition': '(func (export "spin") (loop (br_if 0 (i32.const 1))))',
  'a loop with a value and work': `(memory (export "memory") 1) (global $g (mut i32) (i32.const 0))
    (func (export "spin") (drop (loop (result i32) (global.set $g (i32.add (global.get $g) (i32.const 1)))
      (i32.store (i32.const 8) (global.get $g)) (br_if 0 (i32.const 1) (i32.load (i32.const 8)) (drop)) (i32.const 1))))`,
  'loops that run hot in a called function': `(func $work (param i32) (loop (local.set 0 (i32.sub (local.get 0) (i32.const 1))) (br_if 0 (local.get 0))))
    (func (export "spin") (loop (call $work (i32.const 1000)) (br 0)))`,
  'calls of a leaf without a check': `(global $g (mut i32) (i32.const 0)) (func $leaf (global.set $g (i32.const 1)))
    (func (export "spin") (loop (call $leaf) (call $leaf) (br 0)))`,
  'recursion that fans out': `(func $down (param i32) (result i32)
    (if (result i32) (i32.lt_s (local.get 0) (i32.const 2)) (then (i32.const 1)) (else ${TWICE_DOWN})))
    (func (export "spin") (drop (call $down (i32.const 70))))`,
  'recursion through a table': `(type $t (func (param i32) (result i32))) (table funcref (elem $f))
    (func $f (type $t) (if (result i32) (i32.lt_s (local.get 0) (i32.const 2)) (then (i32.const 1)) (else (i32.add ${FIBONACCI_BY_TABLE}))))
    (func (export "spin") (drop (call_indirect (type $t) (i32.const 70) (i32.const 0))))`,
  'mutual tail calls': `(func $a (param i32) (return_call $b (local.get 0))) (func $b (param i32) (return_call $a (local.get 0)))
    (func (export "spin") (call $a (i32.const 0)))`,
  'tail calls through a table': `(type $t (func)) (table funcref (elem $a)) (func $a (return_call_indirect (type $t) (i32.const 0)))
    (func (export "spin") (call $a))`,
  'a handler that catches all': `(func $spin (loop (br 0)))
    (func (export "spin") (loop (try (do (call $spin)) (catch_all)) (br 0)))`,
  'calls of the host': '(import "env" "nothing" (func $nothing)) (func (export "spin") (loop (call $nothing) (br 0)))',
  'fills in a row': `${HUGE} (func (export "spin") ${`(memory.fill (i32.const 0) (i32.const 1) ${LENGTH})`.repeat(1000)})`,
  'copies in a row': `${HUGE} (func (export "spin") ${`(memory.copy (i32.const 16) (i32.const 0) ${LENGTH})`.repeat(1000)})`,
  'fills in a loop': `${HUGE} (func (export "spin") (loop (memory.fill (i32.const 0) (i32.const 1) ${LENGTH}) (br 0)))`,
  'fills of a table in a row': `(table 262144 funcref) (func (export "spin") ${'(table.fill 0 (i32.const 0) (ref.null func) (i32.const 262144))'.repeat(5000)})`,
};

/** Typical is a fraction of a millisecond. This machine may be busy: a guest that is not stopped at all would never end. */
const BOUND_MS = 1000;

test('a guest that does not end is stopped in place', async (t) => {
  await using thread = new SpinningThread();
  for (const [shape, fields] of Object.entries(SHAPES)) {
    const { outcome, afterMs } = await thread.stop(await watModule(`(module ${fields})`), 60);
    t.equal(outcome, 'RuntimeError: unreachable', `${shape}, after ${afterMs.toFixed(1)} ms`);
    t.ok(afterMs < BOUND_MS, shape);
  }
});

test('a guest that was optimised while it ran is stopped in place', async (t) => {
  await using thread = new SpinningThread();
  const { outcome } = await thread.stop(
    await watModule(`(module ${SHAPES['loops that run hot in a called function']})`),
    1200,
  );
  t.equal(outcome, 'RuntimeError: unreachable');
});
