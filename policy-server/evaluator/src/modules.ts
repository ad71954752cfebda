import { createHash } from 'node:crypto';
import type { ExecutionMode } from '@portcullis/protocol';
import { publish } from './events.ts';
import { runtimeFor } from './runtimes/registry.ts';
import type { CompiledPolicy, GuestLimits, InstanceMode, InstanceReport } from './runtimes/runtime.ts';

/** A module that is ready to run, in whatever number of policies. */
export interface PreparedModule {
  /** Of the bytes as they were given, lower-case hex. */
  readonly sha256: string;
  readonly mode: ExecutionMode;
  readonly sizeBytes: number;
  /** How its evaluations come to their image, as far as its bytes tell. */
  readonly instances: InstanceReport;
}

export interface ModulesOptions {
  readonly limits: GuestLimits;
  readonly instances: InstanceMode;
  readonly cacheDir: string | undefined;
  readonly nowMs: () => number;
}

/**
 * Compiles each module once, however many policies run it and however often it is asked for: the key is the digest of the bytes,
 * so two locations of one module share it. The mode belongs to the key because it decides how the module is compiled.
 */
export class Modules {
  readonly #options: ModulesOptions;
  readonly #flights = new Map<string, Promise<PreparedModule>>();
  readonly #compiled = new WeakMap<PreparedModule, CompiledPolicy>();
  #count = 0;

  constructor(options: ModulesOptions) {
    this.#options = options;
  }

  /** How often a module was compiled. */
  get count(): number {
    return this.#count;
  }

  /** @throws EvaluationError `module-invalid`, `import-unknown`, `missing-builtins` */
  prepare(
    bytes: Uint8Array,
    mode: ExecutionMode,
    sha256 = createHash('sha256').update(bytes).digest('hex'),
  ): Promise<PreparedModule> {
    const key = moduleKey({ sha256, mode });
    const known = this.#flights.get(key);
    if (known !== undefined) return known;
    const flight = this.#compile(bytes, mode, sha256);
    this.#flights.set(key, flight);
    // A failure is not kept: what it hung on (a cache folder, say) may be mended.
    flight.catch(() => this.#flights.delete(key));
    return flight;
  }

  /** What the threads are given; `undefined` for a module of some other evaluator. */
  compiled(module: PreparedModule): CompiledPolicy | undefined {
    return this.#compiled.get(module);
  }

  async #compile(bytes: Uint8Array, mode: ExecutionMode, sha256: string): Promise<PreparedModule> {
    const { limits, instances, cacheDir, nowMs } = this.#options;
    const startedAtMs = nowMs();
    const runtime = await runtimeFor(mode);
    const compiled = await runtime.compile(bytes, { mode, sha256, limits, instances, cacheDir });
    this.#count++;
    const module: PreparedModule = Object.freeze({
      sha256,
      mode,
      sizeBytes: bytes.byteLength,
      instances: compiled.instances,
    });
    this.#compiled.set(module, compiled);
    publish('prepared', { sha256, mode, sizeBytes: bytes.byteLength, durationMs: nowMs() - startedAtMs });
    return module;
  }
}

/** Names a compiled module in threads and caches. */
export function moduleKey({ sha256, mode }: Pick<PreparedModule, 'sha256' | 'mode'>): string {
  return `${mode}:${sha256}`;
}
