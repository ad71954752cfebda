import type { GuestLimits } from '../runtime.ts';
import type { RegoExports } from './abi.ts';
import { type Builtin, type BuiltinContext, BuiltinError, checkSize } from './builtins/builtin.ts';
import { BUILTINS } from './builtins/table.ts';
import { abortFailure, builtinFailure } from './errors.ts';
import { checkInterruption, watchControl } from './interruption.ts';
import type { RegoMemory } from './memory.ts';
import type { RegoValue } from './value.ts';
import { parseValue, printValue, ValueSyntaxError } from './value-text.ts';

interface ImportsParts {
  readonly memory: RegoMemory;
  readonly limits: GuestLimits;
  readonly context: BuiltinContext;
  /** The control memory of the thread, see `ThreadContext.control`. */
  readonly control: Int32Array;
}

interface NumberedBuiltin {
  readonly name: string;
  readonly run: Builtin | undefined;
}

/**
 * `env` of one instance.
 *
 * These are not the imports of npm's `opa-wasm`: its builtins read arguments with `JSON.parse` (integers beyond 2^53 are
 * rounded, sets become arrays), its own sprintf, yaml.*, regex.split and json.is_valid cannot be replaced and differ from
 * OPA's (backtracking regular expressions among them), it garbles non-ASCII abort messages, prints to stdout, and reads a
 * text without a terminator for ever.
 */
export class RegoImports {
  readonly #parts: ImportsParts;
  readonly #builtins = new Map<number, NumberedBuiltin>();
  #exports: RegoExports | undefined;
  #failure: unknown;

  constructor(parts: ImportsParts) {
    this.#parts = parts;
  }

  /** What an import threw, also when the guest caught it and went on. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Start code runs before the exports are known; builtins have their numbers from `builtins()`. */
  connect(exports: RegoExports, builtinNames: ReadonlyMap<string, number>): void {
    this.#exports = exports;
    for (const [name, id] of builtinNames) this.#builtins.set(id, { name, run: BUILTINS.get(name) });
  }

  /** The functions of the import object. */
  get functions(): WebAssembly.ModuleImports {
    const builtin = (id: number, _context: number, ...addresses: number[]): number =>
      this.#guarded(() => this.#callBuiltin(id, addresses));
    return {
      opa_abort: (address: number) => this.#guarded(() => this.#abort(address)),
      opa_println: (address: number) => this.#guarded(() => this.#parts.context.trace(this.#text(address))),
      opa_builtin0: builtin,
      opa_builtin1: builtin,
      opa_builtin2: builtin,
      opa_builtin3: builtin,
      opa_builtin4: builtin,
    };
  }

  /** A guest that does nothing but call imports passes none of its own checks: so every import looks, too. */
  #guarded<T>(action: () => T): T {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      watchControl(this.#parts.control);
      checkInterruption();
      return action();
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }

  #abort(address: number): never {
    throw abortFailure(this.#text(address), this.#parts.limits.memoryPages);
  }

  #callBuiltin(id: number, addresses: readonly number[]): number {
    const { name, run } = this.#builtins.get(id) ?? { name: `#${id}`, run: undefined };
    if (run === undefined || this.#exports === undefined) throw builtinFailure(name, 'not implemented');
    try {
      const operands = this.#operands(this.#exports, addresses);
      checkInterruption();
      const result = run(operands, this.#parts.context);
      checkInterruption();
      return result === undefined ? 0 : this.#store(this.#exports, result);
    } catch (error) {
      // A value nested too deeply for our recursion is the policy's doing, like any other refusal.
      if (error instanceof BuiltinError || error instanceof ValueSyntaxError || error instanceof RangeError) {
        throw builtinFailure(name, error.message);
      }
      throw error;
    }
  }

  #operands(exports: RegoExports, addresses: readonly number[]): RegoValue[] {
    return addresses.map((address) =>
      parseValue(this.#text(exports.opa_value_dump?.(address) ?? exports.opa_json_dump(address))),
    );
  }

  #store(exports: RegoExports, value: RegoValue): number {
    const { memory, context } = this.#parts;
    const bytes = Buffer.from(printValue(value, exports.opa_value_parse === undefined ? 'json' : 'rego'));
    checkSize(bytes.length, context);
    const address = exports.opa_malloc(bytes.length);
    memory.write(address, [bytes], bytes.length);
    const stored = exports.opa_value_parse?.(address, bytes.length) ?? exports.opa_json_parse(address, bytes.length);
    if (stored === 0) throw new BuiltinError('the policy cannot read the result');
    return stored;
  }

  #text(address: number): string {
    return this.#parts.memory.text(address, this.#parts.context.maxBytes);
  }
}
