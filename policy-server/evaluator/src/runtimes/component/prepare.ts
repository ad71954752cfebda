import { createHash } from 'node:crypto';
import type { LinkedModule } from '../../link/link.ts';
import { linkOnce } from '../../link/link-once.ts';
import type { CompileOptions, CompiledPolicy, Prepared, Runtime } from '../runtime.ts';
import { componentCache } from './cache.ts';
import { coreModules } from './core-module.ts';
import { invalidComponent, thrownText } from './errors.ts';
import { loadGlue } from './glue.ts';
import { inspectComponent, requirePolicyWorld } from './inspect.ts';
import { beginEvaluation } from './instance.ts';
import { memoryShares } from './memory.ts';
import { transpileComponent, type TranspiledComponent } from './transpile.ts';

/** Instances of a component refer to each other, and its glue keeps resources and tasks: no image of memories holds that. */
const FRESH = { kind: 'fresh', reason: 'a component keeps state outside of its memories' } as const;

/**
 * Policies as WebAssembly components (execution mode `component`, an addition to the modes of Kubewarden): the world is
 * `policy.wit`. Components are transpiled once per digest to JavaScript glue and core modules; every evaluation is a new
 * instance.
 */
export const componentRuntime: Runtime = {
  modes: ['component'],

  async compile(bytes, options): Promise<CompiledPolicy> {
    requirePolicyWorld(inspectComponent(bytes));
    const transpiled = await transpileOnce(bytes, options);
    const shares = memoryShares(transpiled, options.limits.memoryPages);
    const linked = await Promise.all(
      transpiled.coreModules.map((module, index) => linkCoreModule(module, shares[index] ?? 0, options.cacheDir)),
    );
    const { mode, sha256 } = options;
    const modules = await Promise.all(linked.map((each) => compileCoreModule(each.bytes)));
    return { mode, sha256, modules, plans: linked.map(({ plan }) => plan), instances: FRESH, glue: transpiled.glue };
  },

  async prepare({ glue, modules, plans, sha256 }, { limits, control }): Promise<Prepared> {
    if (glue === undefined) throw invalidComponent('the compiled component has no glue');
    const instantiate = loadGlue(glue, coreModules(modules, plans, control), `component-${sha256.slice(0, 12)}`);
    const guest = { instantiate, limits, control: new Int32Array(control.buffer) };
    return { instances: FRESH, begin: (operation, host) => beginEvaluation(guest, operation, host) };
  },
};

/** Deadline checks and a cap for the memory. A component names its core modules by their place: each has a digest of its own. */
async function linkCoreModule(
  bytes: Uint8Array,
  maxPages: number,
  cacheDir: string | undefined,
): Promise<LinkedModule> {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return linkOnce(bytes, { maxPages, memory: 'own', sha256, cacheDir });
}

async function transpileOnce(bytes: Uint8Array, options: CompileOptions): Promise<TranspiledComponent> {
  const cache = options.cacheDir === undefined ? undefined : componentCache(options.cacheDir);
  const cached = await cache?.read(options.sha256);
  if (cached !== undefined) return cached;
  const transpiled = await transpileComponent(bytes);
  await cache?.write(options.sha256, transpiled);
  return transpiled;
}

async function compileCoreModule(bytes: Uint8Array<ArrayBuffer>): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(bytes);
  } catch (error) {
    throw invalidComponent(`a core module of the component does not compile: ${thrownText(error)}`, error);
  }
}
