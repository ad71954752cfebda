import { type Random, randomFrom } from '@portcullis/testkit';
import { test } from 'tap';
import { FUEL_AT_START } from '../../link/fixtures/generated-body.ts';
import { generatedArguments, type GeneratedModule, generatedModule } from '../../link/fixtures/generated-module.ts';
import { linkModule } from '../../link/link.ts';
import type { InstanceMode } from '../runtime.ts';
import { Guest } from './guest.ts';
import { type ImagedInstance, ImagedInstances, type Lease } from './imaged-instances.ts';
import { exportedFunction, instantiateLinked, type LinkedModule } from './instance.ts';
import { TEST_LIMITS } from './fake-host.ts';
import { testThread } from './test-evaluation.ts';

interface Generated extends ImagedInstance {
  readonly exports: WebAssembly.Exports;
}

/** Hands out instances of a module, each at its image. */
type Take = () => Promise<Lease<Generated>>;

function instancesOf(linked: Pick<LinkedModule, 'module' | 'plan'>, mode: InstanceMode, roomPages: number) {
  const thread = { ...testThread({}, mode), instancePool: { roomPages } };
  const source = { ...linked, thread };
  const instances = new ImagedInstances<Generated>({
    plan: linked.plan,
    thread,
    instantiate: (memoryPages) => instantiateLinked(new Guest(undefined, TEST_LIMITS), source, {}, memoryPages),
    surprise: () => undefined,
  });
  const start = ({ exports }: Generated): void =>
    void exportedFunction(exports, linked.plan.startFunction ?? 'nothing')?.();
  const take: Take = async () => instances.takeIdle() ?? instances.make(start);
  return { instances, take };
}

/** Some calls, what each came to, and the state they left behind. */
function run({ instance }: Lease<Generated>, { functions }: GeneratedModule, random: Random): unknown[] {
  const history: unknown[] = [];
  for (let calls = 0; calls < 4; calls += 1) {
    const called = functions[random(functions.length)];
    if (called === undefined) continue;
    const fuel = instance.exports['g0'];
    if (fuel instanceof WebAssembly.Global) fuel.value = FUEL_AT_START;
    try {
      history.push(exportedFunction(instance.exports, called.name)?.(...generatedArguments(called, random)));
    } catch (error) {
      history.push(`trap: ${String(error)}`);
    }
  }
  return [...history, ...stateOf(instance)];
}

function stateOf({ state }: Generated): unknown[] {
  return [Buffer.from(state?.bytes ?? []).toString('base64'), ...(state?.globals.map((global) => global.value) ?? [])];
}

test('used instances of generated modules do what new ones do, even after a trap', async (t) => {
  let reused = 0;
  let compared = 0;
  for (let seed = 1; seed <= 60; seed += 1) {
    const generated = generatedModule(seed);
    const { bytes, plan } = linkModule(generated.bytes, { maxPages: 16, memory: 'import' });
    const linked = { module: new WebAssembly.Module(bytes), plan };
    const roomPages = seed % 3;
    const used = instancesOf(linked, 'reset', roomPages);
    try {
      await used.take();
    } catch {
      continue;
    }
    let last: Lease<Generated> | undefined;
    for (let round = 0; round < 6; round += 1) {
      // Without room a new instance is what it is in a module that is never brought back.
      const other = instancesOf(linked, roomPages === 0 ? 'fresh' : 'reset', roomPages);
      const [lease, fresh] = [await used.take(), await other.take()];
      if (lease === last) reused += 1;
      compared += 1;
      const what = `seed ${seed}, round ${round}`;
      if (stateOf(lease.instance).join() !== stateOf(fresh.instance).join()) t.fail(`${what}: another image`);
      const left = run(lease, generated, randomFrom(seed * 100 + round));
      const right = run(fresh, generated, randomFrom(seed * 100 + round));
      if (left.join() !== right.join()) t.fail(`${what}: another outcome`);
      used.instances.giveBack(lease, true);
      last = lease;
    }
  }
  t.ok(compared > 250 && reused > 120, `${reused} of ${compared} on used instances`);
});
