import { compileGuest, coreModule, corePlan, importsOf } from '../guest/compile.ts';
import type { Runtime } from '../runtime.ts';
import { NO_MEMORY, NO_START } from './errors.ts';
import { WASI_OFFER } from './imports.ts';
import { promisedInstances, WasiPolicy } from './policy.ts';

const EXPORTS = [
  { name: '_start', kind: 'function', otherwise: NO_START },
  { name: 'memory', kind: 'memory', otherwise: NO_MEMORY },
] as const;

/** Policies that are command line programs: those of the Go and JavaScript SDKs and whatever compiles to WASI. */
export const wasiRuntime: Runtime = {
  modes: ['wasi'],
  async compile(bytes, options) {
    const compiled = await compileGuest(bytes, options, { offer: WASI_OFFER, exports: EXPORTS });
    return { ...compiled, instances: promisedInstances(corePlan(compiled), compiled.instances) };
  },
  async prepare(compiled, thread) {
    const [module, plan] = [coreModule(compiled), corePlan(compiled)];
    return new WasiPolicy({ module, plan, thread, imports: importsOf(module) });
  },
};
