import { createContext, Script } from 'node:vm';
import { EvaluationError } from '../../errors.ts';
import type { Lease } from '../guest/imaged-instances.ts';
import { compileLinked, coreModule, corePlan, importsOf, reportOf } from '../guest/compile.ts';
import type {
  CompiledPolicy,
  CompileOptions,
  Evaluation,
  GuestAnswer,
  GuestHost,
  GuestInput,
  GuestOperation,
  Prepared,
  Runtime,
  ThreadContext,
} from '../runtime.ts';
import { missingExports, unknownImports } from './abi.ts';
import { BUILTINS } from './builtins/table.ts';
import { gatekeeperDocuments, opaDocuments, type RegoDocuments } from './documents.ts';
import { evaluationFailed, regoFailureFrom, unsupported } from './errors.ts';
import type { RegoInstance, RegoParts } from './instance.ts';
import { instantiateRego, RegoModule } from './module.ts';

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
  const unknown = unknownImports(importsOf(module, plan));
  if (unknown.length > 0) {
    throw new EvaluationError('import-unknown', `no Rego policy is offered the import ${unknown.join(', ')}`);
  }
  refuseMissingBuiltins(probe({ module, plan, thread: { limits, control: controlOfNobody() } }));
  return { mode, sha256, modules: [module], plans: [plan], instances: reportOf(plan, instances) };
}

/** What a module needs is known only to an instance. A hostile one must not hang the thread: the time is limited. */
function probe(parts: RegoParts): string[] {
  let names: string[] = [];
  const context = createContext({
    probe: () => {
      names = [...instantiateRego(parts, undefined).start().keys()];
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
  const { mode } = compiled;
  const rego = new RegoModule({ module: coreModule(compiled), plan: corePlan(compiled), thread });
  return {
    get instances() {
      return rego.report;
    },
    async begin(operation, host) {
      try {
        const lease = await rego.take(host);
        return new RegoEvaluation(rego, lease, { gatekeeper: mode === 'gatekeeper', operation, host });
      } catch (error) {
        throw initialisationFailed(error);
      }
    },
  };
}

interface EvaluationOptions {
  readonly gatekeeper: boolean;
  readonly operation: GuestOperation;
  readonly host: GuestHost;
}

class RegoEvaluation implements Evaluation {
  readonly #module: RegoModule;
  readonly #options: EvaluationOptions;
  #lease: Lease<RegoInstance> | undefined;
  /** Whether nothing ran in the instance, or what ran came to its proper end. */
  #clean = true;

  constructor(module: RegoModule, lease: Lease<RegoInstance>, options: EvaluationOptions) {
    this.#module = module;
    this.#lease = lease;
    this.#options = options;
  }

  async call(input: GuestInput): Promise<GuestAnswer> {
    const { operation, gatekeeper } = this.#options;
    if (operation === 'protocol_version') return unsupported('Rego policies do not speak the waPC protocol');
    // Rego policies cannot judge their settings: that they load is all there is to know.
    if (operation === 'validate_settings') return { kind: 'response', bytes: Buffer.from('{"valid":true}') };
    if (gatekeeper && input.kind === 'raw') {
      return unsupported('internal server error: Gatekeeper does not support raw validation requests');
    }
    try {
      return { kind: 'response', bytes: this.#evaluate(this.#documents(input)) };
    } catch (error) {
      return evaluationFailed(regoFailureFrom(error));
    }
  }

  end(): void {
    if (this.#lease === undefined) return;
    this.#module.giveBack(this.#lease, this.#clean);
    this.#lease = undefined;
  }

  #evaluate(documents: RegoDocuments): Uint8Array {
    if (this.#lease === undefined) throw new TypeError('the evaluation has ended');
    this.#clean = false;
    const result = this.#lease.instance.evaluate(documents);
    this.#clean = true;
    return result;
  }

  #documents(input: GuestInput): RegoDocuments {
    const { gatekeeper, host } = this.#options;
    return gatekeeper ? gatekeeperDocuments(input) : opaDocuments(input, (message) => host.log('warn', message));
  }
}
