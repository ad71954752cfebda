import {
  checkMinimumVersion,
  parseModuleLocation,
  shownModuleLocation,
  type LoadedModule,
  type ModuleLocation,
} from '@portcullis/artifact';
import pLimit, { type LimitFunction } from 'p-limit';
import type { PreparedModule } from '@portcullis/evaluator';
import type { ExecutionMode, PolicyMetadata } from '@portcullis/protocol';
import { ServerError } from './errors.ts';
import { logFor, type Log } from './telemetry/log.ts';

export interface ModuleCatalogueOptions {
  /** Brings a module to this machine's disk; what it returns reads it from there. */
  readonly fetch: (location: ModuleLocation) => Promise<() => Promise<LoadedModule>>;
  readonly prepare: (bytes: Uint8Array, mode: ExecutionMode, sha256: string) => Promise<PreparedModule>;
  readonly log: Log;
}

/** Read and compiled at the same time: each may take 100 MB while it is. */
const PREPARATIONS = 4;

/**
 * The modules of all policies. Each distinct location is loaded once, and each distinct content prepared once: fifty policies
 * on one module cost one compilation.
 */
export class ModuleCatalogue {
  readonly #options: ModuleCatalogueOptions;
  readonly #modules = new Map<string, Promise<PreparedModule>>();
  readonly #digests = new Set<string>();
  readonly #preparations: LimitFunction = pLimit(PREPARATIONS);

  constructor(options: ModuleCatalogueOptions) {
    this.#options = options;
  }

  /** Distinct modules that are ready, whatever they are called. */
  get uniqueModules(): number {
    return this.#digests.size;
  }

  /** @throws ArtifactError or EvaluationError, the same for everyone who asks for this location. */
  module(location: string): Promise<PreparedModule> {
    const known = this.#modules.get(location);
    if (known !== undefined) return known;
    const module = this.#fetchAndPrepare(location);
    this.#modules.set(location, module);
    return module;
  }

  async #fetchAndPrepare(location: string): Promise<PreparedModule> {
    const read = await this.#options.fetch(parseModuleLocation(location));
    return this.#preparations(() => this.#prepare(read));
  }

  async #prepare(read: () => Promise<LoadedModule>): Promise<PreparedModule> {
    const loaded = await read();
    checkMinimumVersion(loaded.metadata);
    const mode = executionModeOf(loaded.metadata);
    const prepared = await this.#options.prepare(loaded.bytes, mode, loaded.sha256);
    this.#digests.add(`${prepared.sha256} ${prepared.mode}`);
    logFor(this.#options.log, 'policy_server::bootstrap').info('policy module ready', {
      path: shownModuleLocation(loaded.location),
      sha256sum: loaded.sha256,
      mutating: loaded.metadata?.mutating,
      execution_mode: mode,
    });
    return prepared;
  }
}

/** waPC modules must name their protocol version; the other modes have none. */
function executionModeOf(metadata: PolicyMetadata | undefined): ExecutionMode {
  const mode = metadata?.executionMode ?? 'kubewarden-wapc';
  if (mode !== 'kubewarden-wapc' || metadata?.protocolVersion === 'v1') return mode;
  if (metadata?.protocolVersion === undefined) {
    throw new ServerError(
      'policy-refused',
      'Policy is missing protocol version, which is required for KubewardenWapc execution mode – annotate the module (kwctl annotate)',
    );
  }
  throw new ServerError(
    'policy-refused',
    `Policy uses protocol version ${metadata.protocolVersion} but only V1 is supported`,
  );
}
