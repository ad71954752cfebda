import { messageOf } from '@portcullis/protocol';
import { EvaluationError } from '../../errors.ts';
import { linkOnce } from '../../link/link-once.ts';
import { LINK_MODULE, type LinkPlan } from '../../link/plan.ts';
import type { CompiledPolicy, CompileOptions, InstanceMode, InstanceReport } from '../runtime.ts';
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
  const { module, plan } = await compileLinked(bytes, options);
  const exported = WebAssembly.Module.exports(module);
  for (const { name, kind, otherwise } of contract.exports) {
    if (!exported.some((each) => each.name === name && each.kind === kind))
      throw new EvaluationError('module-invalid', otherwise);
  }
  checkImports(importsOf(module), bytes, contract.offer);
  const { mode, sha256, instances } = options;
  return { mode, sha256, modules: [module], plans: [plan], instances: reportOf(plan, instances) };
}

/** What a plan promises under a mode. */
export function reportOf({ image }: LinkPlan, mode: InstanceMode): InstanceReport {
  if (mode === 'fresh') return { kind: 'fresh', reason: 'asked for' };
  return image.covered ? { kind: 'reset' } : { kind: 'fresh', reason: image.reason };
}

/**
 * Links and compiles a core module.
 *
 * @throws EvaluationError `module-invalid`
 */
export async function compileLinked(
  bytes: Uint8Array,
  { limits, sha256, cacheDir }: CompileOptions,
): Promise<{ readonly module: WebAssembly.Module; readonly plan: LinkPlan }> {
  try {
    const linked = await linkOnce(bytes, { maxPages: limits.memoryPages, memory: 'import', sha256, cacheDir });
    return { module: await WebAssembly.compile(linked.bytes), plan: linked.plan };
  } catch (error) {
    if (error instanceof EvaluationError) throw error;
    const detail = messageOf(error);
    throw new EvaluationError('module-invalid', `cannot compile the module: ${detail}`, { cause: error });
  }
}

/** What a module imports, without what the link step added: it lets no module import under that name itself. */
export function importsOf(module: WebAssembly.Module): readonly WebAssembly.ModuleImportDescriptor[] {
  return WebAssembly.Module.imports(module).filter((each) => each.module !== LINK_MODULE);
}

/** What was done to the only module of a policy that is a core module. */
export function corePlan(compiled: CompiledPolicy): LinkPlan {
  const [plan] = compiled.plans;
  if (plan === undefined) throw new EvaluationError('module-invalid', 'the compiled policy holds no link plan');
  return plan;
}

/** The only module of a policy that is a core module. */
export function coreModule(compiled: CompiledPolicy): WebAssembly.Module {
  const [module] = compiled.modules;
  if (module === undefined) throw new EvaluationError('module-invalid', 'the compiled policy holds no module');
  return module;
}
