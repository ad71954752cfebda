import { compileGuest, coreModule, corePlan, importsOf } from '../guest/compile.ts';
import { ImagedInstances } from '../guest/imaged-instances.ts';
import type { CompiledPolicy, Runtime, ThreadContext } from '../runtime.ts';
import { NO_GUEST_CALL, NO_MEMORY } from './errors.ts';
import { WapcEvaluation } from './evaluation.ts';
import { WAPC_OFFER } from './imports.ts';
import { WapcInstance, type WapcModule } from './instance.ts';

const EXPORTS = [
  { name: '__guest_call', kind: 'function', otherwise: NO_GUEST_CALL },
  { name: 'memory', kind: 'memory', otherwise: NO_MEMORY },
] as const;

/** Policies that speak waPC: those of the Rust SDK, TinyGo, AssemblyScript, and our own TypeScript. */
export const wapcRuntime: Runtime = {
  modes: ['kubewarden-wapc'],
  compile: (bytes, options) => compileGuest(bytes, options, { offer: WAPC_OFFER, exports: EXPORTS }),
  async prepare(compiled, thread) {
    const instances = wapcInstances(compiled, thread);
    return {
      get instances() {
        return instances.report;
      },
      begin: (operation, host) => WapcEvaluation.begin(instances, operation, host),
    };
  },
};

/** The instances of a policy on one thread. */
export function wapcInstances(compiled: CompiledPolicy, thread: ThreadContext): ImagedInstances<WapcInstance> {
  const module = coreModule(compiled);
  const plan = corePlan(compiled);
  const source: WapcModule = { module, plan, thread, imports: importsOf(module) };
  return new ImagedInstances<WapcInstance>({
    plan,
    thread,
    instantiate: (memoryPages) => new WapcInstance(source, memoryPages),
    surprise: (instance) => instance.surprise,
  });
}
