import { messageOf } from '@portcullis/protocol';
import { EvaluationError } from '../../errors.ts';
import { capMemory } from '../../link/memory.ts';
import type { CompiledPolicy, CompileOptions } from '../runtime.ts';
import { checkImports, type Offer } from './offer.ts';

/** An export a guest must have, and what to say when it has not. */
export interface RequiredExport {
  readonly name: string;
  readonly kind: WebAssembly.ImportExportKind;
  readonly otherwise: string;
}

/** Compiles a core module within its memory limit and refuses it unless its imports and exports are those of a policy. */
export async function compileGuest(
  bytes: Uint8Array,
  options: CompileOptions,
  contract: { readonly offer: Offer; readonly exports: readonly RequiredExport[] },
): Promise<CompiledPolicy> {
  const module = await compileCapped(bytes, options.limits.memoryPages);
  const exported = WebAssembly.Module.exports(module);
  for (const { name, kind, otherwise } of contract.exports) {
    if (!exported.some((each) => each.name === name && each.kind === kind))
      throw new EvaluationError('module-invalid', otherwise);
  }
  checkImports(module, bytes, contract.offer);
  return { mode: options.mode, sha256: options.sha256, modules: [module] };
}

async function compileCapped(bytes: Uint8Array, maxPages: number): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(new Uint8Array(capMemory(bytes, maxPages)));
  } catch (error) {
    if (error instanceof EvaluationError) throw error;
    const detail = messageOf(error);
    throw new EvaluationError('module-invalid', `cannot compile the module: ${detail}`, { cause: error });
  }
}

/** The only module of a policy that is a core module. */
export function coreModule(compiled: CompiledPolicy): WebAssembly.Module {
  const [module] = compiled.modules;
  if (module === undefined) throw new EvaluationError('module-invalid', 'the compiled policy holds no module');
  return module;
}
