import { createRequire } from 'node:module';
import type * as opaWasm from '@open-policy-agent/opa-wasm';
import type { GuestLimits } from '../runtime.ts';
import { abiMinorVersion, decodeText, readText, type RegoExports } from './abi.ts';
import { RegoFailure, regoFailureFrom } from './errors.ts';
import { type BuiltinHost, RegoImports } from './imports.ts';
import { RegoNumber, RegoObject } from './value.ts';
import { parseValue } from './value-text.ts';

// The package's ES module forgets this one of its exports; its types and its CommonJS module have it.
const { LoadedPolicy } = createRequire(import.meta.url)('@open-policy-agent/opa-wasm') as typeof opaWasm;

/** What `opa build` modules are made for; one with much static data declares more. */
const USUAL_PAGES = 5;

/** The entrypoint that decides: policies have exactly one. */
const ENTRYPOINT = 0;

/** A compiled policy and the memory it was seen to start with. */
export class RegoModule {
  readonly module: WebAssembly.Module;
  readonly limits: GuestLimits;
  #initialPages: number;

  constructor(module: WebAssembly.Module, limits: GuestLimits) {
    this.module = module;
    this.limits = limits;
    this.#initialPages = Math.min(USUAL_PAGES, limits.memoryPages);
  }

  /**
   * A fresh instance: start code has run, no request has been seen.
   *
   * @throws RegoFailure when start code traps or what the module says about itself makes no sense.
   */
  instantiate(host: BuiltinHost): RegoInstance {
    for (;;) {
      const memory = new WebAssembly.Memory({ initial: this.#initialPages, maximum: this.limits.memoryPages });
      const imports = new RegoImports(memory, this.limits, host);
      try {
        const instance = new WebAssembly.Instance(this.module, { env: imports.env });
        return new RegoInstance({ memory, instance, imports, limits: this.limits });
      } catch (error) {
        // The engine does not tell how large a memory a module wants to be given, only that this one is too small.
        const full = this.#initialPages === this.limits.memoryPages;
        if (!(error instanceof WebAssembly.LinkError) || full) throw regoFailureFrom(error, this.limits.memoryPages);
        this.#initialPages = Math.min(this.#initialPages * 2, this.limits.memoryPages);
      }
    }
  }
}

interface InstanceParts {
  readonly memory: WebAssembly.Memory;
  readonly instance: WebAssembly.Instance;
  readonly imports: RegoImports;
  readonly limits: GuestLimits;
}

/** One instance of a Rego policy, good for one evaluation. */
export class RegoInstance {
  readonly #parts: InstanceParts;
  readonly #policy: InstanceType<typeof LoadedPolicy>;
  /** Names of the builtins the policy imports, and their numbers. */
  readonly builtins: ReadonlyMap<string, number>;
  #result: Uint8Array | undefined;

  constructor(parts: InstanceParts) {
    this.#parts = parts;
    const exports = parts.instance.exports as unknown as RegoExports;
    this.builtins = this.#numberedNames(exports.opa_json_dump(exports.builtins()));
    parts.imports.connect(exports, this.builtins);
    const entrypoints = this.#numberedNames(exports.opa_json_dump(exports.entrypoints()));
    if (![...entrypoints.values()].includes(ENTRYPOINT)) {
      throw new RegoFailure('guest-error', `the policy has no entrypoint with number ${ENTRYPOINT}`);
    }
    // Heap pointers, loading of documents and both calling conventions are the library's.
    const facade = { module: undefined, instance: { exports: this.#observed(exports) } };
    this.#policy = new LoadedPolicy(facade as never, parts.memory, abiMinorVersion(parts.instance.exports));
  }

  /**
   * Evaluates and returns the JSON array of results as the guest wrote it.
   *
   * @throws RegoFailure
   */
  evaluate(data: Uint8Array<ArrayBuffer>, input: Uint8Array<ArrayBuffer>): Uint8Array {
    const { imports, limits } = this.#parts;
    try {
      this.#policy.setData(data.buffer);
      this.#result = undefined;
      this.#policy.evaluate(input.buffer, ENTRYPOINT);
    } catch (error) {
      // The library parses the result, of which we only want the bytes: what it thinks of their syntax is not asked.
      if (!(error instanceof SyntaxError && this.#result !== undefined)) {
        throw imports.failure ?? regoFailureFrom(error, limits.memoryPages);
      }
    }
    // A module with exception handlers can swallow what an import throws.
    if (imports.failure !== undefined) throw imports.failure;
    if (this.#result === undefined) throw new RegoFailure('guest-error', 'the policy returned no result');
    return this.#result;
  }

  /**
   * The exports as the library sees them. `LoadedPolicy.evaluate` returns the result after `JSON.parse`, which rounds
   * integers beyond 2^53, and looks for its end without a bound: so the text is checked and kept where it leaves the guest.
   */
  #observed(exports: RegoExports): Record<string, unknown> {
    const observe = (address: number): number => {
      this.#result = readText(this.#parts.memory, address, this.#parts.limits.maxOutputBytes).slice();
      return address;
    };
    return {
      ...exports,
      opa_json_dump: (value: number) => observe(exports.opa_json_dump(value)),
      opa_eval: (...args: number[]) => observe(exports.opa_eval?.(...args) ?? 0),
    };
  }

  #numberedNames(address: number): Map<string, number> {
    const { memory, limits } = this.#parts;
    const value = parseValue(decodeText(readText(memory, address, limits.maxHostCallBytes)));
    const names = new Map<string, number>();
    if (!(value instanceof RegoObject)) throw new RegoFailure('guest-error', 'the policy does not list its builtins');
    for (const [name, id] of value.entries()) {
      if (typeof name === 'string' && id instanceof RegoNumber) names.set(name, Number(id.text));
    }
    return names;
  }
}
