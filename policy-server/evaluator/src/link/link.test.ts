import { randomFrom, watModule } from '@portcullis/testkit';
import { test } from 'tap';
import { FUEL_AT_START } from './fixtures/generated-body.ts';
import { generatedArguments, generatedModule } from './fixtures/generated-module.ts';
import { callable, globalOf, linkedInstance, OPTIONS, outcomeOf } from './fixtures/linked-instance.ts';
import { linkModule } from './link.ts';

const PAGE = 65_536;

test('the memory of a module becomes an import, within the cap', async (t) => {
  for (const [declared, maxPages, initialPages, maximumPages] of [
    ['1', 3, 1, 3],
    ['1 2', 3, 1, 2],
    ['2 60000', 200, 2, 200],
    ['0 0', 3, 0, 0],
  ] as const) {
    const bytes = await watModule(`(module (memory (export "memory") ${declared}) (func (export "f")))`);
    const { plan, exports, memory } = linkedInstance(bytes, { maxPages });
    t.same(plan.memory, { module: 'portcullis', name: 'memory', initialPages, maximumPages });
    t.equal(exports['memory'], memory, 'its export stays');
  }
  await t.rejects(async () => linkModule(await watModule('(module (memory 11))'), { ...OPTIONS, maxPages: 10 }), {
    code: 'module-invalid',
    message: 'the module needs 11 pages of memory at start, at most 10 are allowed',
  });
});

test('a module that imports its memory keeps that import, within the cap', async (t) => {
  const wat =
    '(module (import "env" "a" (func)) (import "env" "memory" (memory 2)) (import "env" "b" (func)) (data (i32.const 1) "x"))';
  const functions = { env: { a() {}, b() {} } };
  const { plan, memory } = linkedInstance(await watModule(wat), { maxPages: 7, imports: functions });
  t.same(plan.memory, { module: 'env', name: 'memory', initialPages: 2, maximumPages: 7 });
  t.equal(new Uint8Array(memory?.buffer ?? new ArrayBuffer(2))[1], 0x78);
  t.throws(() => linkModule(Uint8Array.from([]), OPTIONS), { code: 'module-invalid' });
});

test('a module without memory or code is left with its control memory', async (t) => {
  const { plan } = linkedInstance(await watModule('(module (global (export "g") (mut i32) (i32.const 3)))'));
  t.same(plan, {
    globals: [{ exportName: 'portcullis:g0', type: 'i32' }],
    image: { covered: true },
  });
  t.same(linkedInstance(await watModule('(module)')).plan, { globals: [], image: { covered: true } });
});

test('memory.size and memory.grow see a logical size, whatever the memory really has', async (t) => {
  const bytes = await watModule(`(module (memory (export "memory") 1 6)
    (func (export "size") (result i32) memory.size)
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))`);
  for (const room of [0, 2, 5]) {
    const { exports, plan, memory } = linkedInstance(bytes, { room });
    const [size, grow] = [callable(exports, 'size'), callable(exports, 'grow')];
    t.equal(plan.logicalPages, 'portcullis:g0');
    t.equal(size(), 1, `with room for ${room} pages`);
    t.equal(grow(0), 1);
    t.equal(grow(2), 1);
    t.equal(size(), 3);
    t.equal(memory?.buffer.byteLength, PAGE * Math.max(3, 1 + room), 'grows by what is missing only');
    for (const tooMuch of [4, 65_536, -1, 0x7fff_ffff]) t.equal(grow(tooMuch), -1);
    t.equal(size(), 3, 'a refused growth changes nothing');
    t.equal(grow(3), 3);
    t.equal(grow(1), -1);
    t.equal(globalOf(exports, 'portcullis:g0').value, 6);
    globalOf(exports, 'portcullis:g0').value = 1;
    t.equal(size(), 1, 'the host puts it back');
    t.equal(memory?.buffer.byteLength, 6 * PAGE);
  }
});

test('every mutable global is exported, behind those that are imported', async (t) => {
  const { exports, plan } = linkedInstance(
    await watModule(`(module (import "env" "g" (global $imported i32)) (global $c i64 (i64.const 9)) (memory 1)
      (global $a (mut i32) (i32.const 5)) (global $b (mut i64) (i64.const -1)) (global $f (mut f64) (f64.const 0.5))
      (func (export "set") (global.set $a (i32.const 6))))`),
    { imports: { env: { g: 1 } } },
  );
  t.same(plan.globals, [
    { exportName: 'portcullis:g2', type: 'i32' },
    { exportName: 'portcullis:g3', type: 'i64' },
    { exportName: 'portcullis:g4', type: 'f64' },
    { exportName: 'portcullis:g5', type: 'i32' },
  ]);
  t.equal(plan.logicalPages, 'portcullis:g5');
  callable(exports, 'set')();
  t.equal(globalOf(exports, 'portcullis:g2').value, 6);
  t.equal(globalOf(exports, 'portcullis:g3').value, -1n);
});

test('the start function is left to the host, also among imported functions', async (t) => {
  const bytes = await watModule(`(module (import "env" "log" (func $log (param i32))) (import "env" "x" (func))
    (func (export "f") (call $log (i32.const 1))) (func $begin (call $log (i32.const 2))) (start $begin))`);
  const logged: unknown[] = [];
  const imports = { env: { log: (value: unknown) => void logged.push(value), x() {} } };
  const { plan, exports } = linkedInstance(bytes, { imports });
  t.same(logged, []);
  t.equal(plan.startFunction, 'portcullis:start');
  callable(exports, plan.startFunction ?? '')();
  callable(exports, 'f')();
  t.same(logged, [2, 1]);
});

test('a module whose memory is left to it gets checks and nothing else', async (t) => {
  const bytes = await watModule(`(module (memory (export "memory") 1 3) (global (mut i32) (i32.const 0))
    (func $begin (i32.store (i32.const 0) (i32.const 7))) (start $begin)
    (func (export "grow") (result i32) (drop (memory.grow (i32.const 1))) memory.size)
    (func (export "spin") (loop (br 0))))`);
  const { plan, exports, memory, control } = linkedInstance(bytes, { memory: 'own' });
  t.match(plan, { globals: [], image: { covered: false }, memory: { initialPages: 1, maximumPages: 3 } });
  t.notOk('startFunction' in plan || 'logicalPages' in plan);
  t.same(Object.keys(exports), ['memory', 'grow', 'spin']);
  t.equal(new Uint8Array(memory?.buffer ?? new ArrayBuffer(1))[0], 7, 'it started by itself');
  t.equal(callable(exports, 'grow')(), 2);
  new Int32Array(control.buffer)[0] = 1;
  t.throws(() => callable(exports, 'spin')(), WebAssembly.RuntimeError);
});

test('names of the host are refused', async (t) => {
  const refused = async (wat: string, message: RegExp): Promise<void> => {
    const bytes = await watModule(wat);
    t.throws(() => linkModule(bytes, OPTIONS), { code: 'module-invalid', message });
  };
  await refused('(module (import "portcullis" "control" (memory 1)))', /imports from "portcullis"/);
  await refused('(module (import "portcullis" "x" (func)))', /imports from "portcullis"/);
  await refused('(module (func (export "portcullis:start")))', /exports "portcullis:…"/);
  const component = await watModule(
    '(module (import "portcullis:policy/host" "call" (func)) (func (export "portcullis:x")))',
  );
  t.ok(WebAssembly.validate(linkModule(component, { ...OPTIONS, memory: 'own' }).bytes), 'core modules of components');
});

test('several memories, shared ones and 64-bit ones are refused', async (t) => {
  const refused = (bytes: Uint8Array, message: RegExp): void =>
    void t.throws(() => linkModule(bytes, OPTIONS), { code: 'module-invalid', message });
  const preamble = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  refused(Uint8Array.of(...preamble, 5, 5, 2, 0, 1, 0, 1), /defines 2 memories, expected one/);
  refused(Uint8Array.of(...preamble, 2, 7, 1, 1, 0x65, 1, 0x6d, 2, 0, 1, 5, 3, 1, 0, 1), /malformed/);
  refused(
    Uint8Array.of(...preamble, 2, 8, 1, 1, 0x65, 1, 0x6d, 2, 0, 1, 5, 3, 1, 0, 1),
    /has 2 memories, expected one/,
  );
  refused(Uint8Array.of(...preamble, 5, 3, 1, 4, 1), /64-bit memory/);
  refused(Uint8Array.of(...preamble, 5, 4, 1, 3, 1, 2), /shared between threads/);
  refused(Uint8Array.of(...preamble, 2, 9, 1, 1, 0x65, 1, 0x6d, 2, 3, 1, 2), /shared between threads/);
});

test('the image is covered only if memory and globals are all there is', async (t) => {
  const imageOf = async (fields: string): Promise<unknown> =>
    linkModule(await watModule(`(module ${fields})`), OPTIONS).plan.image;
  const table = '(table $t 2 funcref) (func $f) (elem $e func $f) (memory 1) (data $d "x")';
  for (const fields of [
    `${table} (func (call_indirect (i32.const 0)) (drop (table.get (i32.const 0))) (drop (table.size 0)))`,
    `${table} (func (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1)))`,
    '(global externref (ref.null extern))',
  ]) {
    t.same(await imageOf(fields), { covered: true }, fields);
  }
  for (const code of [
    '(table.set (i32.const 0) (ref.null func))',
    '(drop (table.grow (ref.null func) (i32.const 1)))',
    '(table.fill (i32.const 0) (ref.null func) (i32.const 1))',
    '(table.copy (i32.const 0) (i32.const 1) (i32.const 1))',
    '(table.init $e (i32.const 0) (i32.const 0) (i32.const 1))',
  ]) {
    t.same(await imageOf(`${table} (func ${code})`), { covered: false, reason: 'its code writes to a table' }, code);
  }
  const dropped = { covered: false, reason: 'its code drops data it was loaded with' };
  t.same(await imageOf(`${table} (func (data.drop $d))`), dropped);
  t.same(await imageOf(`${table} (func (elem.drop $e))`), dropped);
  t.match(await imageOf('(global (mut externref) (ref.null extern))'), { reason: /holds a reference or a vector/ });
  t.match(await imageOf('(global (mut v128) (v128.const i32x4 0 0 0 0))'), { reason: /holds a reference or a vector/ });
  t.match(await imageOf('(import "e" "t" (table 1 funcref))'), { reason: 'it imports a table' });
  t.match(await imageOf('(import "e" "g" (global (mut i32)))'), { reason: 'it imports a mutable global' });
  t.match(await imageOf('(global (mut i32) (i32.const 0))'.repeat(1001)), { reason: /1001 mutable globals/ });
});

/** What a generated module does, as text: results, traps with their backtraces, globals, memory. */
function historyOf(seed: number, { module, exports }: Running, prefix: string): string {
  const { functions, globals } = generatedModule(seed);
  const random = randomFrom(seed);
  const history: unknown[] = [];
  for (let calls = 0; calls < 6; calls++) {
    const called = functions[random(functions.length)];
    if (called === undefined) continue;
    const args = generatedArguments(called, random);
    globalOf(exports, 'g0').value = FUEL_AT_START;
    history.push([called.name, ...args, outcomeOf(() => callable(exports, called.name)(...args), module)].join(' '));
    for (let global = 0; global < globals; global++) history.push(globalOf(exports, `${prefix}${global}`).value);
  }
  return [...history, ...digestOf(exports)].join('\n');
}

interface Running {
  readonly module: WebAssembly.Module;
  readonly exports: WebAssembly.Exports;
}

/** What became of it, or of its start function. */
function runOriginal(seed: number, bytes: Uint8Array<ArrayBuffer>): string {
  const module = new WebAssembly.Module(bytes);
  return outcomeOf(() => {
    const { exports } = new WebAssembly.Instance(module);
    return historyOf(seed, { module, exports }, 'g');
  }, module);
}

function runLinked(seed: number, bytes: Uint8Array): string {
  const linked = linkedInstance(bytes);
  const { startFunction } = linked.plan;
  return outcomeOf(() => {
    if (startFunction !== undefined) callable(linked.exports, startFunction)();
    return historyOf(seed, linked, 'portcullis:g');
  }, linked.module);
}

test('generated modules do the same before and after, and trap at the same places', (t) => {
  const seeds = 80;
  let different = 0;
  for (let seed = 1; seed <= seeds; seed++) {
    const { bytes } = generatedModule(seed);
    const [before, after] = [runOriginal(seed, bytes), runLinked(seed, bytes)];
    if (before !== after && ++different < 4) t.equal(after, before, `seed ${seed}`);
    if (!linkModule(bytes, OPTIONS).plan.image.covered) t.fail(`seed ${seed} is not covered`);
  }
  t.equal(different, 0, `${seeds} modules`);
  t.end();
});

function digestOf(exports: WebAssembly.Exports): number[] {
  const { memory } = exports;
  if (!(memory instanceof WebAssembly.Memory)) throw new TypeError('no memory is exported');
  const words = new Int32Array(memory.buffer);
  let sum = 0;
  for (let at = 0; at < words.length; at++) sum = (Math.imul(sum, 31) + (words[at] ?? 0)) | 0;
  return [words.length, sum];
}

test('memory is filled and copied as before, in strides or not', async (t) => {
  const bytes = await watModule(`(module (memory (export "memory") 64 64)
    (func (export "fill") (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2)))
    (func (export "copy") (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2))))`);
  const originalModule = new WebAssembly.Module(Uint8Array.from(bytes));
  const original = new WebAssembly.Instance(originalModule).exports;
  const { exports, module } = linkedInstance(bytes);
  const [before, after] = [original, exports].map(({ memory }) => Buffer.from((memory as WebAssembly.Memory).buffer));
  const random = randomFrom(7);
  for (let at = 0; at < 4 * 1024 * 1024; at += 4) {
    const word = random(2 ** 32);
    before?.writeUInt32LE(word, at);
    after?.writeUInt32LE(word, at);
  }
  const MIB = 1024 * 1024;
  for (const [name, ...args] of [
    ['fill', 5, 1, 3 * MIB + 1],
    ['fill', 0, 2, MIB],
    ['fill', 0, 3, MIB + 1],
    ['copy', 1, 0, 2 * MIB + 3],
    ['copy', 0, 1, 2 * MIB + 3],
    ['copy', MIB / 2, 0, 3 * MIB],
    ['copy', 0, MIB / 2, 3 * MIB],
    ['copy', 2 * MIB, 0, 2 * MIB],
    ['copy', 7, 7, 3 * MIB],
    ['copy', 2 * MIB, 0, 2 * MIB + 1],
    ['copy', 0, 2 * MIB, 2 * MIB + 1],
    ['copy', -1, 0, 2 * MIB],
    ['fill', 3 * MIB, 9, MIB + 1],
    ['fill', 3 * MIB, 9, -1],
    ['fill', -5, 9, 10],
    ['fill', 4 * MIB, 9, 0],
    ['fill', 4 * MIB + 1, 9, 0],
  ] as const) {
    const expected = outcomeOf(() => callable(original, name)(...args), originalModule);
    const found = outcomeOf(() => callable(exports, name)(...args), module);
    t.equal(found, expected, `${name} ${args.join(' ')}: ${expected.slice(0, 40)}`);
    t.ok(before?.equals(after ?? Buffer.alloc(0)));
  }
});
