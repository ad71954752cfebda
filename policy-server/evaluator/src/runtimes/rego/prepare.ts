import { createContext, Script } from 'node:vm';
import { EvaluationError } from '../../errors.ts';
import { compileLinked, coreModule, reportOf } from '../guest/compile.ts';
import type {
  CompiledPolicy,
  CompileOptions,
  Evaluation,
  GuestAnswer,
  GuestHost,
  GuestInput,
  GuestLimits,
  GuestOperation,
  Prepared,
  Runtime,
  ThreadContext,
} from '../runtime.ts';
import { missingExports, unknownImports } from './abi.ts';
import { BUILTINS } from './builtins/table.ts';
import { gatekeeperDocuments, opaDocuments, type RegoDocuments } from './documents.ts';
import { evaluationFailed, regoFailureFrom, unsupported } from './errors.ts';
import { type RegoInstance, RegoModule } from './instance.ts';
import type { BuiltinHost } from './imports.ts';

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
  const unknown = unknownImports(module);
  if (unknown.length > 0) {
    throw new EvaluationError('import-unknown', `no Rego policy is offered the import ${unknown.join(', ')}`);
  }
  refuseMissingBuiltins(probe(module, limits));
  return { mode, sha256, modules: [module], plans: [plan], instances: reportOf(plan, instances) };
}

/** What a module needs is known only to an instance. A hostile one must not hang the thread: the time is limited. */
function probe(module: WebAssembly.Module, limits: GuestLimits): string[] {
  const host: BuiltinHost = { log: () => undefined, nowNs: () => 0n, randomFill: () => undefined };
  let names: string[] = [];
  const context = createContext({
    probe: () => {
      names = [...new RegoModule(module, limits).instantiate(host).builtins.keys()];
    },
  });
  try {
    new Script('probe()').runInContext(context, { timeout: PROBE_TIMEOUT_MS });
  } catch (error) {
    if (isTimeout(error)) {
      throw new EvaluationError('timeout', `the module's start code runs for more than ${PROBE_TIMEOUT_MS} ms`);
    }
    throw initialisationFailed(error, limits);
  }
  return names;
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

function initialisationFailed(error: unknown, limits: GuestLimits): EvaluationError {
  const failure = regoFailureFrom(error, limits.memoryPages);
  return new EvaluationError('initialisation-failed', `the module cannot be started: ${failure.message}`, {
    cause: failure,
  });
}

async function prepare(compiled: CompiledPolicy, { limits }: ThreadContext): Promise<Prepared> {
  const rego = new RegoModule(coreModule(compiled), limits);
  const { mode } = compiled;
  return {
    instances: compiled.instances,
    async begin(operation, host) {
      try {
        return new RegoEvaluation(rego.instantiate(host), {
          gatekeeper: mode === 'gatekeeper',
          operation,
          host,
          limits,
        });
      } catch (error) {
        throw initialisationFailed(error, limits);
      }
    },
  };
}

interface EvaluationOptions {
  readonly gatekeeper: boolean;
  readonly operation: GuestOperation;
  readonly host: GuestHost;
  readonly limits: GuestLimits;
}

class RegoEvaluation implements Evaluation {
  #instance: RegoInstance | undefined;
  readonly #options: EvaluationOptions;

  constructor(instance: RegoInstance, options: EvaluationOptions) {
    this.#instance = instance;
    this.#options = options;
  }

  async call(input: GuestInput): Promise<GuestAnswer> {
    const { operation, gatekeeper, limits } = this.#options;
    if (operation === 'protocol_version') return unsupported('Rego policies do not speak the waPC protocol');
    // Rego policies cannot judge their settings: that they load is all there is to know.
    if (operation === 'validate_settings') return { kind: 'response', bytes: Buffer.from('{"valid":true}') };
    if (gatekeeper && input.kind === 'raw') {
      return unsupported('internal server error: Gatekeeper does not support raw validation requests');
    }
    try {
      const { data, input: document } = this.#documents(input);
      if (this.#instance === undefined) throw new TypeError('the evaluation has ended');
      return { kind: 'response', bytes: this.#instance.evaluate(data, document) };
    } catch (error) {
      return evaluationFailed(regoFailureFrom(error, limits.memoryPages));
    }
  }

  end(): void {
    this.#instance = undefined;
  }

  #documents(input: GuestInput): RegoDocuments {
    const { gatekeeper, host } = this.#options;
    return gatekeeper ? gatekeeperDocuments(input) : opaDocuments(input, (message) => host.log('warn', message));
  }
}
