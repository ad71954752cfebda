import { setImmediate as nextTurn } from 'node:timers/promises';
import { guestModule, watModule } from '@portcullis/testkit';
import { test } from 'tap';
import { createEvaluator } from './evaluator.ts';
import { collectGarbage } from './garbage.ts';
import { linkModule } from './link/link.ts';
import type { PreparedModule } from './modules.ts';
import { TEST_LIMITS } from './runtimes/guest/fake-host.ts';
import { Guest } from './runtimes/guest/guest.ts';
import { ImagedInstances } from './runtimes/guest/imaged-instances.ts';
import { instantiateLinked } from './runtimes/guest/instance.ts';
import { instancePoolOf } from './runtimes/guest/instance-pool.ts';
import { testThread } from './runtimes/guest/test-evaluation.ts';

const MEGABYTE = 1024 * 1024;
const GUESTS = [
  ['wasi-go', 'wasi'],
  ['wapc-rust', 'kubewarden-wapc'],
  ['rego-opa', 'opa'],
  ['component', 'component'],
] as const;

/** What is held outside of the heap by whatever can still be reached. */
async function heldBytes(): Promise<number> {
  // A weak reference that was read, and what was just awaited, are held until the turn ends.
  for (let round = 0; round < 3; round++) {
    await nextTurn();
    collectGarbage();
  }
  return process.memoryUsage().arrayBuffers;
}

test('nothing holds the bytes of a module once it is prepared: as given, as rewritten, or as a thread was given them', async (t) => {
  await using evaluator = createEvaluator({ workers: 1, hostCalls: async () => new Uint8Array() });
  // Guests of the testkit are kept by the testkit.
  for (const [name] of GUESTS) await guestModule(name);
  const given: WeakRef<ArrayBufferLike>[] = [];
  const prepareCopy = async ([name, mode]: (typeof GUESTS)[number]): Promise<PreparedModule> => {
    const bytes = new Uint8Array(await guestModule(name));
    given.push(new WeakRef(bytes.buffer));
    return evaluator.prepare(bytes, mode);
  };
  const before = await heldBytes();
  const prepared: PreparedModule[] = [];
  for (const guest of GUESTS) prepared.push(await prepareCopy(guest));
  const held = (await heldBytes()) - before;
  const totalBytes = prepared.reduce((size, { sizeBytes }) => size + sizeBytes, 0);
  t.ok(totalBytes > 4 * MEGABYTE, 'there is enough to see it');
  t.ok(held < MEGABYTE / 2, `${held} bytes are held of ${totalBytes}`);
  t.same(
    given.map((reference) => reference.deref()?.byteLength),
    given.map(() => undefined),
  );
});

test('memory of instances that are dropped for being idle is given back, though the thread has nothing else to do', async (t) => {
  let nowMs = 0;
  const thread = { ...testThread(), instancePool: { idleMs: 1000, garbageBytes: 2 * MEGABYTE, nowMs: () => nowMs } };
  const { bytes, plan } = linkModule(await watModule('(module (memory (export "memory") 64))'), {
    maxPages: 64,
    memory: 'import',
  });
  const source = { module: new WebAssembly.Module(bytes), plan, thread };
  const memories: WeakRef<WebAssembly.Memory>[] = [];
  const instances = new ImagedInstances({
    plan,
    thread,
    instantiate(memoryPages) {
      const made = instantiateLinked(new Guest(undefined, TEST_LIMITS), source, {}, memoryPages);
      if (made.state !== undefined) memories.push(new WeakRef(made.state.memory));
      return made;
    },
    surprise: () => undefined,
  });
  const use = async (): Promise<void> => instances.giveBack(await instances.make(() => {}), true);
  await use();
  await heldBytes();
  t.ok(memories[0]?.deref(), 'it is kept for the next request');
  await nextTurn();
  nowMs = 1000;
  instancePoolOf(thread).sweep();
  await nextTurn();
  t.equal(memories[0]?.deref(), undefined);
});
