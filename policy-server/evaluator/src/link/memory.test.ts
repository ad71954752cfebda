import { randomFrom, watModule } from '@portcullis/testkit';
import { test } from 'tap';
import { EvaluationError } from '../errors.ts';
import { linkedInstance, OPTIONS } from './fixtures/linked-instance.ts';
import { linkModule } from './link.ts';
import type { MemoryImport } from './plan.ts';

const PAGE = 65_536;

function canGrow(memory: WebAssembly.Memory, pages: number): boolean {
  try {
    return memory.grow(pages) >= 0;
  } catch {
    return false;
  }
}

/** A module with nothing but a memory section of this payload. */
function rawMemorySection(...payload: number[]): Uint8Array {
  return Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 5, payload.length, ...payload]);
}

/** What a module wants to be given under a cap. */
function wantedBy(bytes: Uint8Array, maxPages: number): MemoryImport | undefined {
  return linkModule(bytes, { ...OPTIONS, maxPages }).plan.memory;
}

test('caps the maximum of a memory at min(declared, cap)', async (t) => {
  const rest = '(func (export "f") (result i32) (i32.const 7)) (data (i32.const 0) "kept")';
  for (const [declared, cap, largest] of [
    ['1', 3, 3],
    ['1 2', 3, 2],
    ['1 3', 3, 3],
    ['1 60000', 200, 200],
    ['3', 3, 3],
  ] as const) {
    const module = await watModule(`(module (memory (export "memory") ${declared}) ${rest})`);
    const { memory, plan, module: linked } = linkedInstance(module, { maxPages: cap });
    if (memory === undefined) throw new TypeError('the module wants no memory');
    t.equal(new TextDecoder().decode(memory.buffer.slice(0, 4)), 'kept', 'the sections behind it are intact');
    t.equal(plan.memory?.maximumPages, largest, `(memory ${declared}) under a cap of ${cap}`);
    memory.grow(largest - memory.buffer.byteLength / PAGE);
    t.throws(() => memory.grow(1), RangeError);
    const larger = new WebAssembly.Memory({ initial: 3, maximum: largest + 1 });
    const control = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    t.throws(
      () => new WebAssembly.Instance(linked, { portcullis: { memory: larger, control } }),
      WebAssembly.LinkError,
    );
  }
});

test('wants no memory for modules without one, and caps one they import', async (t) => {
  t.equal(wantedBy(await watModule('(module)'), 5), undefined);
  t.equal(wantedBy(rawMemorySection(0), 5), undefined, 'an empty section');
  const imported = await watModule('(module (import "env" "memory" (memory 1)))');
  t.same(wantedBy(imported, 5), { module: 'env', name: 'memory', initialPages: 1, maximumPages: 5 });
});

test('refuses what could not run within the cap, or is no single 32-bit memory', async (t) => {
  const refused = (bytes: Uint8Array, message: RegExp): void =>
    void t.throws(() => wantedBy(bytes, 10), { name: 'EvaluationError', code: 'module-invalid', message });
  refused(await watModule('(module (memory 11))'), /needs 11 pages of memory at start, at most 10/);
  refused(rawMemorySection(1, 3, 1, 5), /memory shared between threads/);
  refused(rawMemorySection(2, 0, 1, 0, 1), /defines 2 memories, expected one/);
  refused(rawMemorySection(1, 4, 1), /64-bit memory or pages of an unusual size/);
  refused(rawMemorySection(1, 8, 1, 16), /64-bit memory or pages of an unusual size/);
  refused(rawMemorySection(1, 0), /malformed/);
  refused(rawMemorySection(1, 1, 1), /malformed/);
  refused(rawMemorySection(1, 0, 1, 0), /malformed/);
  refused(rawMemorySection(1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01), /malformed/);
  refused(rawMemorySection(1, 0, 0xff, 0xff, 0xff, 0xff, 0x7f), /malformed/);
});

test('a damaged module is refused or capped, never both let through and uncapped', async (t) => {
  const whole = await watModule('(module (memory (export "memory") 1 9) (data (i32.const 0) "x"))');
  const random = randomFrom(20_261);
  const uncapped: Uint8Array[] = [];
  let ran = 0;
  for (let round = 0; round < 3000; round++) {
    const bytes = Uint8Array.from(whole);
    for (let damage = random(3); damage >= 0; damage--) bytes[8 + random(bytes.length - 8)] = random(256);
    let memory: WebAssembly.Memory | undefined;
    try {
      ({ memory } = linkedInstance(bytes, { maxPages: 4 }));
    } catch (error) {
      if (
        error instanceof EvaluationError ||
        (error instanceof Error && /Module|Compile|Link|Runtime|Type/u.test(error.name))
      )
        continue;
      throw error;
    }
    if (memory === undefined) continue;
    ran++;
    if (memory.buffer.byteLength > 4 * PAGE || canGrow(memory, 4)) uncapped.push(bytes);
  }
  t.same(uncapped, []);
  t.ok(ran > 0, `${ran} damaged modules still ran`);
});
