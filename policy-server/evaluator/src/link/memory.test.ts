import { randomFrom, watModule } from '@portcullis/testkit';
import { test } from 'tap';
import { EvaluationError } from '../errors.ts';
import { capMemory } from './memory.ts';

const PAGE = 65_536;

function memoryOf(bytes: Uint8Array): WebAssembly.Memory {
  const { memory } = new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.from(bytes))).exports;
  if (!(memory instanceof WebAssembly.Memory)) throw new TypeError('the module exports no memory');
  return memory;
}

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

test('caps the maximum of a memory at min(declared, cap)', async (t) => {
  const rest = '(func (export "f") (result i32) (i32.const 7)) (data (i32.const 0) "kept")';
  for (const [declared, cap, largest] of [
    ['1', 3, 3],
    ['1 2', 3, 2],
    ['1 3', 3, 3],
    ['1 60000', 200, 200],
    ['3', 3, 3],
  ] as const) {
    const capped = capMemory(await watModule(`(module (memory (export "memory") ${declared}) ${rest})`), cap);
    const memory = memoryOf(capped);
    t.equal(new TextDecoder().decode(memory.buffer.slice(0, 4)), 'kept', 'the sections behind it are intact');
    memory.grow(largest - memory.buffer.byteLength / PAGE);
    t.throws(() => memory.grow(1), RangeError, `(memory ${declared}) under a cap of ${cap}`);
  }
});

test('leaves modules alone that have no memory of their own or keep within the cap', async (t) => {
  for (const wat of ['(module)', '(module (import "env" "memory" (memory 1)))', '(module (memory 1 5))']) {
    const bytes = await watModule(wat);
    t.same(capMemory(bytes, 5), bytes, wat);
  }
  t.same(capMemory(rawMemorySection(0), 5), rawMemorySection(0), 'an empty section');
  t.same(capMemory(rawMemorySection(1, 3, 1, 5), 5), rawMemorySection(1, 3, 1, 5), 'a shared memory');
  t.same(capMemory(rawMemorySection(1, 3, 1, 9), 5), rawMemorySection(1, 3, 1, 5), 'stays shared');
});

test('refuses what could not run within the cap, or is no single 32-bit memory', async (t) => {
  const refused = (bytes: Uint8Array, message: RegExp): void =>
    void t.throws(() => capMemory(bytes, 10), { name: 'EvaluationError', code: 'module-invalid', message });
  refused(await watModule('(module (memory 11))'), /needs 11 pages of memory at start, at most 10/);
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
    let memory: WebAssembly.Memory;
    try {
      memory = memoryOf(capMemory(bytes, 4));
    } catch (error) {
      if (
        error instanceof EvaluationError ||
        (error instanceof Error && /Module|Compile|Link|Runtime|Type/u.test(error.name))
      )
        continue;
      throw error;
    }
    ran++;
    if (memory.buffer.byteLength > 4 * PAGE || canGrow(memory, 4)) uncapped.push(bytes);
  }
  t.same(uncapped, []);
  t.ok(ran > 0, `${ran} damaged modules still ran`);
});
