import type { GuestHost, GuestLimits } from '../runtime.ts';
import { decodeText, readText, type RegoExports } from './abi.ts';
import { type BuiltinContext, BuiltinError } from './builtins/builtin.ts';
import { BUILTINS } from './builtins/table.ts';
import { abortFailure, builtinFailure, RegoFailure } from './errors.ts';
import type { RegoValue } from './value.ts';
import { parseValue, printValue, ValueSyntaxError } from './value-text.ts';

/** What builtins may ask of the outside. */
export type BuiltinHost = Pick<GuestHost, 'log' | 'nowNs' | 'randomFill'>;

/**
 * `env` of one instance.
 *
 * These are not the imports of `opa-wasm`: its builtins read arguments with `JSON.parse` (integers beyond 2^53 are
 * rounded, sets become arrays), its own sprintf, yaml.*, regex.split and json.is_valid cannot be replaced and differ from
 * OPA's (backtracking regular expressions among them), it garbles non-ASCII abort messages, prints to stdout, and reads a
 * text without a terminator for ever.
 */
export class RegoImports {
  readonly #memory: WebAssembly.Memory;
  readonly #limits: GuestLimits;
  readonly #host: BuiltinHost;
  readonly #context: BuiltinContext;
  #builtinNames = new Map<number, string>();
  #exports: RegoExports | undefined;
  #failure: RegoFailure | undefined;
  #logBytesLeft: number;
  #nowNs: bigint | undefined;

  constructor(memory: WebAssembly.Memory, limits: GuestLimits, host: BuiltinHost) {
    this.#memory = memory;
    this.#limits = limits;
    this.#host = host;
    this.#logBytesLeft = limits.maxOutputBytes;
    this.#context = {
      nowNs: () => (this.#nowNs ??= host.nowNs()),
      randomFill: (bytes) => host.randomFill(bytes),
      trace: (message) => this.#log(message),
      memo: new Map(),
      maxBytes: limits.maxHostCallBytes,
    };
  }

  /** The failure an import reported, also when the guest caught it and went on. */
  get failure(): RegoFailure | undefined {
    return this.#failure;
  }

  /** Start code runs before the exports are known; builtins have their numbers from `builtins()`. */
  connect(exports: RegoExports, builtinNames: ReadonlyMap<string, number>): void {
    this.#exports = exports;
    this.#builtinNames = new Map([...builtinNames].map(([name, id]) => [id, name]));
  }

  /** The import object. */
  get env(): WebAssembly.ModuleImports {
    const builtin = (id: number, _context: number, ...addresses: number[]): number =>
      this.#guarded(() => this.#callBuiltin(id, addresses));
    return {
      memory: this.#memory,
      opa_abort: (address: number) => this.#guarded(() => this.#abort(address)),
      opa_println: (address: number) => this.#guarded(() => this.#log(this.#read(address))),
      opa_builtin0: builtin,
      opa_builtin1: builtin,
      opa_builtin2: builtin,
      opa_builtin3: builtin,
      opa_builtin4: builtin,
    };
  }

  #guarded<T>(action: () => T): T {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return action();
    } catch (error) {
      if (error instanceof RegoFailure) this.#failure = error;
      throw error;
    }
  }

  #abort(address: number): never {
    throw abortFailure(this.#read(address), this.#limits.memoryPages);
  }

  #callBuiltin(id: number, addresses: readonly number[]): number {
    const name = this.#builtinNames.get(id) ?? `#${id}`;
    const builtin = BUILTINS.get(name);
    if (builtin === undefined || this.#exports === undefined) throw builtinFailure(name, 'not implemented');
    try {
      const operands = addresses.map((address) => this.#load(address));
      const result = builtin(operands, this.#context);
      return result === undefined ? 0 : this.#store(result);
    } catch (error) {
      // A value nested too deeply for our recursion is the policy's doing, like any other refusal.
      if (error instanceof BuiltinError || error instanceof ValueSyntaxError || error instanceof RangeError) {
        throw builtinFailure(name, error.message);
      }
      throw error;
    }
  }

  #load(address: number): RegoValue {
    const exports = this.#connected();
    return parseValue(this.#read(exports.opa_value_dump?.(address) ?? exports.opa_json_dump(address)));
  }

  #store(value: RegoValue): number {
    const exports = this.#connected();
    const bytes = Buffer.from(printValue(value, exports.opa_value_parse === undefined ? 'json' : 'rego'));
    if (bytes.length > this.#limits.maxHostCallBytes) {
      throw new BuiltinError(`the result is longer than ${this.#limits.maxHostCallBytes} bytes`);
    }
    const address = exports.opa_malloc(bytes.length) >>> 0;
    const memory = new Uint8Array(this.#memory.buffer);
    if (address + bytes.length > memory.length)
      throw new RegoFailure('guest-error', 'opa_malloc returned no usable address');
    memory.set(bytes, address);
    const stored = exports.opa_value_parse?.(address, bytes.length) ?? exports.opa_json_parse(address, bytes.length);
    if (stored === 0) throw new BuiltinError('the policy cannot read the result');
    return stored;
  }

  #connected(): RegoExports {
    if (this.#exports === undefined) throw new RegoFailure('guest-error', 'builtin called by start code');
    return this.#exports;
  }

  #read(address: number): string {
    return decodeText(readText(this.#memory, address, this.#limits.maxHostCallBytes));
  }

  /** Debug output of a policy, bounded as a whole. */
  #log(message: string): void {
    if (this.#logBytesLeft <= 0) return;
    const text = message.slice(0, this.#logBytesLeft);
    this.#logBytesLeft -= text.length + 1;
    this.#host.log('debug', text);
  }
}
