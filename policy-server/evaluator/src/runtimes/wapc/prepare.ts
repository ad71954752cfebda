import { compileGuest, coreModule } from '../guest/compile.ts';
import type { Runtime } from '../runtime.ts';
import { NO_GUEST_CALL, NO_MEMORY } from './errors.ts';
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
  async prepare(compiled, { limits }) {
    const module = coreModule(compiled);
    const source: WapcModule = { module, imports: WebAssembly.Module.imports(module), limits };
    return { instances: compiled.instances, begin: (operation, host) => WapcInstance.atImage(source, operation, host) };
  },
};
