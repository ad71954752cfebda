import type { CompileOptions, CompiledPolicy, Prepared, Runtime } from '../runtime.ts';
import { componentCache } from './cache.ts';
import { invalidComponent, thrownText } from './errors.ts';
import { loadGlue } from './glue.ts';
import { inspectComponent, requirePolicyWorld } from './inspect.ts';
import { beginEvaluation } from './instance.ts';
import { capMemories } from './memory.ts';
import { transpileComponent, type TranspiledComponent } from './transpile.ts';

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
    const modules = await Promise.all(capMemories(transpiled, options.limits.memoryPages).map(compileCoreModule));
    const { mode, sha256 } = options;
    const reason = 'a component keeps state outside of its memories';
    const plans = modules.map(() => ({ unlinked: reason, globals: [], image: { covered: false, reason } }) as const);
    return { mode, sha256, modules, plans, instances: { kind: 'fresh', reason }, glue: transpiled.glue };
  },

  async prepare({ glue, modules, sha256, instances }, { limits }): Promise<Prepared> {
    if (glue === undefined) throw invalidComponent('the compiled component has no glue');
    const instantiate = loadGlue(glue, modules, `component-${sha256.slice(0, 12)}`);
    return { instances, begin: (operation, host) => beginEvaluation(instantiate, limits, operation, host) };
  },
};

async function transpileOnce(bytes: Uint8Array, options: CompileOptions): Promise<TranspiledComponent> {
  const cache = options.cacheDir === undefined ? undefined : componentCache(options.cacheDir);
  const cached = await cache?.read(options.sha256);
  if (cached !== undefined) return cached;
  const transpiled = await transpileComponent(bytes);
  await cache?.write(options.sha256, transpiled);
  return transpiled;
}

async function compileCoreModule(bytes: Uint8Array): Promise<WebAssembly.Module> {
  try {
    // The copy is never backed by shared memory, which `compile` does not accept.
    return await WebAssembly.compile(Uint8Array.from(bytes));
  } catch (error) {
    throw invalidComponent(`a core module of the component does not compile: ${thrownText(error)}`, error);
  }
}
