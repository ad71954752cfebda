import { watModule } from '@portcullis/testkit';
import { test } from 'tap';
import { callable, linkedInstance, OPTIONS } from './fixtures/linked-instance.ts';
import { leb, rawSection, section, sized, text } from './fixtures/module-bytes.ts';
import { linkModule } from './link.ts';
import { originalPositions } from './positions.ts';
import { MAX_TABLE_ENTRIES } from './tables.ts';

// Modules made to make the host hang or to take its memory where no limit of an instance counts.

test('tables are bounded, at their start and as they grow', async (t) => {
  const refused = async (wat: string): Promise<void> => {
    const bytes = await watModule(`(module ${wat})`);
    t.throws(() => linkModule(bytes, OPTIONS), {
      code: 'module-invalid',
      message: /^the module needs tables of \d+ entries at start, at most 262144 are allowed together$/,
    });
  };
  await refused('(table 10000000 funcref)');
  await refused('(table 200000 externref) (table 100000 10000000 funcref)');

  const bytes = await watModule(`(module (memory (export "memory") 1)
    (table $a (export "a") 10 externref) (table $b (export "b") 20 1000 externref)
    (table $c (export "c") 7 funcref)
    (func (export "grow a") (param i32) (result i32) (table.grow $a (ref.null extern) (local.get 0)))
    (func (export "grow b") (param i32) (result i32) (table.grow $b (ref.null extern) (local.get 0))))`);
  const { exports, plan } = linkedInstance(bytes);
  t.equal(plan.tableEntries, 37);
  const share = Math.floor((MAX_TABLE_ENTRIES - 37) / 3);
  t.same([callable(exports, 'grow a')(share), callable(exports, 'grow a')(1)], [10, -1]);
  t.same([callable(exports, 'grow b')(980), callable(exports, 'grow b')(1)], [20, -1]);
  t.equal((exports['c'] as WebAssembly.Table).length, 7, 'what was declared stays');
});

/** A module of nothing but these tables. */
function moduleOfTables(tables: readonly number[][]): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, ...section(4, tables));
}

test('tables of other kinds are refused', (t) => {
  const refused = (table: readonly number[], message: RegExp): void =>
    void t.throws(() => linkModule(moduleOfTables([[...table]]), OPTIONS), { code: 'module-invalid', message });
  refused([0x6f, 0x04, 0x03], /needs a shared or 64-bit table/);
  // With an i31 in every entry.
  refused([0x40, 0x00, 0x6c, 0x00, 0x03, 0x41, 0x00, 0xfb, 0x1c, 0x0b], /the instruction 0xfb .* is not supported/);
  t.end();
});

test('a function without loops and calls is checked all the same if it is long', (t) => {
  const checksIn = (stores: number): number => {
    const module = functionOf(0, repeated(stores, [0x20, 0x00, 0x20, 0x00, 0x3a, 0x00, 0x00]));
    const { bytes } = linkModule(module, OPTIONS);
    t.ok(WebAssembly.validate(bytes));
    const check = Buffer.from([0x41, 0x00, 0xfe, 0x10, 0x42, 0x01, 0x00]);
    let count = 0;
    for (let at = bytes.indexOf(0x41); at >= 0; at = bytes.indexOf(0x41, at + 1)) {
      if (check.equals(bytes.subarray(at, at + check.length))) count++;
    }
    return count;
  };
  const [short, long] = [checksIn(1), checksIn(100_000)];
  t.equal(long - short, 1 + Math.floor((100_000 * 7) / 32_768), 'at its start and every 32 KiB');
  t.end();
});

test('a module has no more of anything than instances can be made of in no time', async (t) => {
  const exported = (count: number): string =>
    Array.from({ length: count }, (_, index) => `(export "${index}" (func 0))`).join(' ');
  const refused = async (bytes: Uint8Array | Promise<Uint8Array>, message: string): Promise<void> => {
    const module = await bytes;
    t.throws(() => linkModule(module, OPTIONS), { code: 'module-invalid', message });
  };
  await refused(
    watModule(`(module (func) ${exported(10_001)})`),
    'the module has 10001 exports, at most 10000 are allowed',
  );
  await refused(
    watModule(`(module ${'(import "e" "f" (func))'.repeat(10_001)})`),
    'the module has 10001 imports, at most 10000 are allowed',
  );
  const tables = Array.from({ length: 101 }, () => [0x6f, 0x00, 0x00]);
  await refused(moduleOfTables(tables), 'the module has 101 tables, at most 100 are allowed');
  t.ok(WebAssembly.validate(linkModule(await watModule(`(module (func) ${exported(10_000)})`), OPTIONS).bytes));
});

test('what a module says about how it was rewritten is not believed', async (t) => {
  const mark = [...text('portcullis.positions'), ...leb(1), ...leb(1), ...leb(2000)];
  const positionsIn = (bytes: Uint8Array): unknown => {
    const { bytes: linked } = linkModule(Uint8Array.from([...bytes, ...rawSection(0, mark)]), OPTIONS);
    return originalPositions(new WebAssembly.Module(Uint8Array.from(linked)));
  };
  t.equal(positionsIn(moduleOfTables([])), undefined, 'a module without code');
  const rewritten = await watModule('(module (func (export "f") (loop (br 0))) (func))');
  t.match(positionsIn(rewritten), { functionCount: 2 });
});

/** One function with one parameter, this many locals, and this code. */
function functionOf(locals: number, code: readonly number[]): Uint8Array<ArrayBuffer> {
  const body = [0x01, ...leb(locals), 0x7f, ...code, 0x0b];
  return Uint8Array.from(
    [
      [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
      section(1, [[0x60, 0x01, 0x7f, 0x00]]),
      section(3, [[0x00]]),
      section(5, [[0x00, 0x01]]),
      section(6, [[0x7f, 0x00, 0x41, 0x00, 0x0b]]),
      section(7, [[...text('f'), 0x00, 0x00]]),
      rawSection(10, [0x01, ...sized(body)]),
    ].flat(),
  );
}

const repeated = (count: number, code: readonly number[]): number[] => Array.from({ length: count }, () => code).flat();

test('a function that a compiler would take gigabytes for is refused', (t) => {
  const refused = (locals: number, code: readonly number[]): void =>
    void t.throws(() => linkModule(functionOf(locals, code), OPTIONS), {
      code: 'module-invalid',
      message: /a function is too large to compile: for its \d+ blocks \d+ locals and operands would be noted/,
    });
  refused(49_000, repeated(1000, [0x03, 0x40, 0x0b]));
  refused(49_000, [...repeated(500, [0x02, 0x40]), ...repeated(500, [0x0b])]);
  refused(20_000, repeated(1000, [0x20, 0x00, 0x04, 0x40, 0x0b]));
  refused(0xffff_ffff, repeated(10, [0x02, 0x40, 0x0b]));
  refused(49_000, repeated(1000, [0x1f, 0x40, 0x00, 0x0b]));
  const nested = (level: readonly number[], end: readonly number[]): number[] => [
    ...repeated(5000, level),
    ...repeated(5000, end),
  ];
  refused(0, nested([0x20, 0x00, 0x03, 0x40], [0x0b, 0x1a]));
  refused(0, nested([0x41, 0x00, 0x20, 0x00, 0x04, 0x40], [0x0b, 0x1a]));
  refused(0, [...repeated(5000, [0x20, 0x00, 0x20, 0x00, 0x04, 0x40, 0x0b]), ...repeated(5000, [0x1a])]);
  refused(0, [...repeated(5000, [0x23, 0x00, 0x02, 0x40, 0x0b]), ...repeated(5000, [0x1a])]);
  // What is taken from the stack again does not count.
  for (const balanced of [
    [0x20, 0x00, 0x1a],
    [0x20, 0x00, 0x10, 0x00],
    [0x20, 0x00, 0x04, 0x7f, 0x20, 0x00, 0x05, 0x20, 0x00, 0x0b, 0x21, 0x00],
    [0x20, 0x00, 0x45, 0x41, 0x00, 0x6a, 0x41, 0x00, 0x41, 0x00, 0x1b, 0x0e, 0x00, 0x00],
    [0x20, 0x00, 0x20, 0x00, 0x41, 0x00, 0xfc, 0x0b, 0x00],
    [0xfd, 0x0c, ...new Uint8Array(16), 0x1a],
  ]) {
    const code = repeated(4000, [0x02, 0x40, ...balanced, 0x0b]);
    t.ok(WebAssembly.validate(linkModule(functionOf(0, code), OPTIONS).bytes));
  }
  for (const [locals, blocks] of [
    [49_000, 80],
    [100, 20_000],
  ] as const) {
    const { bytes } = linkModule(functionOf(locals, repeated(blocks, [0x02, 0x40, 0x0b])), OPTIONS);
    t.ok(WebAssembly.validate(bytes));
  }
  t.end();
});
