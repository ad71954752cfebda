import { createContext, Script } from 'node:vm';
import { EvaluationError } from '../../errors.ts';
import { compileLinked, coreModule, corePlan, importsOf, reportOf } from '../guest/compile.ts';
import type { CompiledPolicy, CompileOptions, Prepared, Runtime, ThreadContext } from '../runtime.ts';
import { missingExports, unknownImports } from './abi.ts';
import { BUILTINS } from './builtins/table.ts';
import { DataImages } from './data-images.ts';
import { regoFailureFrom } from './errors.ts';
import { RegoEvaluation } from './evaluation.ts';
import type { RegoParts } from './instance.ts';
import { instantiateRego, RegoInstances } from './instances.ts';
import { opaLibrary } from './loaded-policy.ts';

/** Start code and `builtins()` of a real module take a fraction of a millisecond. */
const PROBE_TIMEOUT_MS = 2_000;

/** Policies in Rego, built by `opa build -t wasm`, in the shape of OPA or of Gatekeeper. */
export const regoRuntime: Runtime = { modes: ['opa', 'gatekeeper'], compile, prepare };

async function compile(bytes: Uint8Array, options: CompileOptions): Promise<CompiledPolicy> {
  const { mode, sha256, limits, instances } = options;
  const { module, plan } = await compileLinked(bytes, options);
  const missing = missingExports(module);
  if (missing.length > 0) {
    throw new EvaluationError(
      'module-invalid',
      `the module is no Rego policy: it does not export ${missing.join(', ')}`,
    );
  }
  const unknown = unknownImports(importsOf(module));
  if (unknown.length > 0) {
    throw new EvaluationError('import-unknown', `no Rego policy is offered the import ${unknown.join(', ')}`);
  }
  refuseMissingBuiltins(probe({ module, plan, thread: { limits, control: controlOfNobody() } }));
  return { mode, sha256, modules: [module], plans: [plan], instances: reportOf(plan, instances) };
}

/** What a module needs is known only to an instance. A hostile one must not hang the thread: the time is limited. */
function probe(parts: RegoParts): string[] {
  // Not within the limit: a library whose loading was cut off would stay half loaded.
  opaLibrary();
  let names: string[] = [];
  const context = createContext({
    probe: () => {
      names = [...instantiateRego(parts, undefined).start().builtins.keys()];
    },
  });
  try {
    new Script('probe()').runInContext(context, { timeout: PROBE_TIMEOUT_MS });
  } catch (error) {
    if (isTimeout(error)) {
      throw new EvaluationError('timeout', `the module's start code runs for more than ${PROBE_TIMEOUT_MS} ms`);
    }
    throw initialisationFailed(error);
  }
  return names;
}

/** The probe is stopped by the time limit of its script. */
function controlOfNobody(): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
}

/** The error belongs to the other context: it is no instance of this one's `Error`. */
function isTimeout(error: unknown): boolean {
  return (
    typeof error === 'object' && error !== null && 'code' in error && error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT'
  );
}

function refuseMissingBuiltins(names: readonly string[]): void {
  const missing = names.filter((name) => !BUILTINS.has(name)).sort();
  if (missing.length > 0) throw new EvaluationError('missing-builtins', `Missing Rego builtins: ${missing.join(', ')}`);
}

function initialisationFailed(error: unknown): EvaluationError {
  const failure = regoFailureFrom(error);
  return new EvaluationError('initialisation-failed', `the module cannot be started: ${failure.message}`, {
    cause: failure,
  });
}

async function prepare(compiled: CompiledPolicy, thread: ThreadContext): Promise<Prepared> {
  const parts = { module: coreModule(compiled), plan: corePlan(compiled), thread };
  const instances = new RegoInstances(parts);
  const dataImages = new DataImages(parts);
  const gatekeeper = compiled.mode === 'gatekeeper';
  return {
    get instances() {
      return instances.report;
    },
    async begin(operation, host) {
      try {
        return new RegoEvaluation(await instances.take(host), {
          instances,
          dataImages,
          gatekeeper,
          operation,
          host,
        });
      } catch (error) {
        throw initialisationFailed(error);
      }
    },
  };
}
