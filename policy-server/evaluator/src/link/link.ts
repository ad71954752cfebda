import { capMemory } from './memory.ts';
import type { LinkPlan } from './plan.ts';

export interface LinkOptions {
  /** Pages of 64 KiB the module's memory may have. */
  readonly maxPages: number;
  /** Whether the module's own memory becomes an import, so that the host owns it, or stays where it is. */
  readonly memory: 'import' | 'own';
}

export interface LinkedModule {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly plan: LinkPlan;
}

/**
 * Rewrites a core module so that the host can bound it, stop it and bring it back to its image.
 *
 * @throws EvaluationError `module-invalid`
 */
export function linkModule(bytes: Uint8Array, { maxPages }: LinkOptions): LinkedModule {
  const reason = 'the link step is not made yet';
  return {
    bytes: new Uint8Array(capMemory(bytes, maxPages)),
    plan: { unlinked: reason, globals: [], image: { covered: false, reason } },
  };
}

export interface LinkOnceOptions extends LinkOptions {
  /** Of `bytes`, lower-case hex: names the result in the cache. */
  readonly sha256: string;
  readonly cacheDir: string | undefined;
}

/** As `linkModule`, on a thread of its own where that is worth it, and once per digest as long as the disk cache lasts. */
export async function linkOnce(bytes: Uint8Array, options: LinkOnceOptions): Promise<LinkedModule> {
  return linkModule(bytes, options);
}
