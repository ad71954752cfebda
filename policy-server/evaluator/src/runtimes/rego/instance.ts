import { CONTROL_IMPORT, LINK_MODULE, type LinkPlan } from '../../link/plan.ts';
import { type ImagedInstance } from '../guest/imaged-instances.ts';
import { InstanceState } from '../guest/image.ts';
import type { GuestLimits, ThreadContext } from '../runtime.ts';
import type { RegoExports } from './abi.ts';
import { EvaluationContext } from './context.ts';
import { type DocumentParts, isEmpty, lengthOf, type RegoDocuments } from './documents.ts';
import { RegoFailure, unreadableDocument } from './errors.ts';
import { RegoImports } from './imports.ts';
import { loadPolicy } from './loaded-policy.ts';
import { RegoMemory } from './memory.ts';
import { RegoNumber, RegoObject } from './value.ts';
import { parseValue } from './value-text.ts';

/** The entrypoint that decides: policies have exactly one. */
const ENTRYPOINT = 0;

/** The format of a result that is JSON, as `opa_eval` has it. */
const JSON_FORMAT = 0;

/** What an instance is made of: a module as it was linked, and the thread it runs on. */
export interface RegoParts {
  readonly module: WebAssembly.Module;
  readonly plan: LinkPlan;
  readonly thread: Pick<ThreadContext, 'limits' | 'control'>;
}

/** What start code told of an instance, and tells of every other that begins at its image. */
export interface StartTables {
  /** Names of the builtins a policy imports, and their numbers. */
  readonly builtins: ReadonlyMap<string, number>;
  /** Where the value of the data document is that the policy was loaded with. */
  readonly dataAddress: number;
  /** Whether this is a document of its own, the same that every evaluation brings; otherwise it is the empty one. */
  readonly hasData: boolean;
}

/** One instance of a Rego policy. It serves many evaluations, each from the image, and one at a time. */
export class RegoInstance implements ImagedInstance {
  readonly state: InstanceState | undefined;
  /** What the JavaScript side knows of the evaluation. */
  readonly context: EvaluationContext;
  readonly #limits: GuestLimits;
  readonly #memory: RegoMemory;
  readonly #imports: RegoImports;
  readonly #exports: RegoExports;
  readonly #startFunction: string | undefined;
  #dataAddress = 0;
  #hasData = false;

  /** @throws WebAssembly.LinkError when the memory is not of the size the module wants */
  constructor({ module, plan, thread }: RegoParts, memory: WebAssembly.Memory) {
    const { limits, control } = thread;
    this.#limits = limits;
    this.#memory = new RegoMemory(memory);
    this.context = new EvaluationContext(limits);
    const words = new Int32Array(control.buffer);
    this.#imports = new RegoImports({ memory: this.#memory, limits, context: this.context, control: words });
    const { exports } = new WebAssembly.Instance(module, {
      env: { ...this.#imports.functions, memory },
      [LINK_MODULE]: { [CONTROL_IMPORT]: control },
    });
    this.#exports = exports as unknown as RegoExports;
    this.#startFunction = plan.startFunction;
    this.state = plan.image.covered ? InstanceState.of(plan, exports, memory) : undefined;
  }

  /**
   * Runs start code, asks the policy for its builtins and loads it, with its data if given: what an image is taken after.
   *
   * @throws RegoFailure when start code traps or what the module says about itself makes no sense
   */
  start(data?: DocumentParts): StartTables {
    const exports = this.#exports;
    if (this.#startFunction !== undefined) startCode(exports, this.#startFunction)();
    const builtins = this.#builtinNumbers(exports.opa_json_dump(exports.builtins()));
    this.#imports.connect(exports, builtins);
    const { maxHostCallBytes: maxTextBytes } = this.#limits;
    const { entrypoints, dataAddress } = loadPolicy(exports, this.#memory, { data, maxTextBytes });
    if (!entrypoints.includes(ENTRYPOINT)) {
      throw new RegoFailure('guest-error', `the policy has no entrypoint with number ${ENTRYPOINT}`);
    }
    const tables = { builtins, dataAddress, hasData: data !== undefined };
    this.connect(tables);
    return tables;
  }

  /** Tells an instance what is known since `start`, its own or that of the instance of whose image it begins. */
  connect({ builtins, dataAddress, hasData }: StartTables): void {
    this.#imports.connect(this.#exports, builtins);
    this.#dataAddress = dataAddress;
    this.#hasData = hasData;
  }

  /**
   * Evaluates and returns the JSON array of results as the guest wrote it.
   *
   * @throws what came out of the guest or its imports; the instance is of no use any more
   */
  evaluate({ data, input }: RegoDocuments): Uint8Array {
    let result: number;
    try {
      result = this.#run(data, input);
    } catch (error) {
      throw this.#imports.failure ?? error;
    }
    // A module with exception handlers can swallow what an import throws.
    if (this.#imports.failure !== undefined) throw this.#imports.failure;
    return this.#memory.copy(result, this.#limits.maxOutputBytes);
  }

  /** Returns where the text of the result is. */
  #run(data: DocumentParts, input: DocumentParts): number {
    const exports = this.#exports;
    const dataValue = this.#hasData || isEmpty(data) ? this.#dataAddress : this.#parse(data);
    if (exports.opa_eval === undefined) return this.#runStepwise(exports, dataValue, this.#parse(input));
    // The input is allocated, so that the policy's own allocator finds the room, and the heap goes on behind it.
    const length = lengthOf(input);
    const address = this.#put(input, length);
    const heap = exports.opa_heap_ptr_get();
    return exports.opa_eval(0, ENTRYPOINT, dataValue, address, length, heap, JSON_FORMAT);
  }

  /** As it was before ABI 1.2. */
  #runStepwise(exports: RegoExports, data: number, input: number): number {
    const context = exports.opa_eval_ctx_new();
    exports.opa_eval_ctx_set_input(context, input);
    exports.opa_eval_ctx_set_data(context, data);
    exports.opa_eval_ctx_set_entrypoint(context, ENTRYPOINT);
    exports.eval(context);
    return exports.opa_json_dump(exports.opa_eval_ctx_get_result(context));
  }

  /** A JSON text as a value of the policy's. */
  #parse(parts: DocumentParts): number {
    const length = lengthOf(parts);
    const value = this.#exports.opa_json_parse(this.#put(parts, length), length);
    if (value === 0) throw unreadableDocument();
    return value;
  }

  #put(parts: DocumentParts, length: number): number {
    const address = this.#exports.opa_malloc(length);
    this.#memory.write(address, parts, length);
    return address;
  }

  #builtinNumbers(address: number): Map<string, number> {
    const value = parseValue(this.#memory.text(address, this.#limits.maxHostCallBytes));
    const names = new Map<string, number>();
    if (!(value instanceof RegoObject)) throw new RegoFailure('guest-error', 'the policy does not list its builtins');
    for (const [name, id] of value.entries()) {
      if (typeof name === 'string' && id instanceof RegoNumber) names.set(name, Number(id.text));
    }
    return names;
  }
}

function startCode(exports: object, name: string): () => void {
  const value: unknown = Reflect.get(exports, name);
  if (typeof value === 'function') return value as () => void;
  throw new RegoFailure('guest-error', 'the linked module has lost its start code');
}
