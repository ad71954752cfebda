import { EvaluationError } from '../../errors.ts';
import { CONTROL_IMPORT, LINK_MODULE, type LinkPlan } from '../../link/plan.ts';

/** A core module of a component and what the link step made it import, which the glue knows nothing of. */
export interface CoreModule {
  readonly module: WebAssembly.Module;
  /** All imports of a new instance; `imports` are those that other parts of the component make up. */
  completeImports(imports: WebAssembly.Imports | undefined): WebAssembly.Imports | undefined;
}

export function coreModules(
  modules: readonly WebAssembly.Module[],
  plans: readonly LinkPlan[],
  control: WebAssembly.Memory,
): CoreModule[] {
  return modules.map((module, index) => {
    const plan = plans[index];
    if (plan === undefined) throw new EvaluationError('module-invalid', 'the compiled component lacks a link plan');
    return { module, completeImports: (imports) => ({ ...imports, [LINK_MODULE]: suppliedTo(plan, control) }) };
  });
}

/** A memory that became an import is made anew for every instance, as the module would have done. */
function suppliedTo({ memory }: LinkPlan, control: WebAssembly.Memory): WebAssembly.ModuleImports {
  const supplied: WebAssembly.ModuleImports = { [CONTROL_IMPORT]: control };
  if (memory?.module === LINK_MODULE) {
    supplied[memory.name] = new WebAssembly.Memory({ initial: memory.initialPages, maximum: memory.maximumPages });
  }
  return supplied;
}
