import type { GuestLimits } from './runtimes/runtime.ts';

/** Bounds on what any guest may take, see {@link DEFAULT_LIMITS}. */
export interface EvaluatorLimits extends GuestLimits {
  /** Evaluations that may wait for a thread. */
  readonly maxQueueLength: number;
}

/** 512 MiB of memory, 16 MiB of output, 64 MiB for a host call, 1,000 host calls, 1,000 evaluations waiting. */
export const DEFAULT_LIMITS: EvaluatorLimits = {
  memoryPages: 8192,
  maxOutputBytes: 16 * 2 ** 20,
  maxHostCallBytes: 64 * 2 ** 20,
  maxHostCalls: 1000,
  maxQueueLength: 1000,
};

/**
 * The engine compiles functions when they are first called, which takes some ten milliseconds for each megabyte of a module on a
 * core of one's own. That is not the policy's doing: its first run has this much more time, twenty times of what is usual.
 */
const COMPILING_MS_PER_MEGABYTE = 200;

/** What the first run of a module may take, if any other may take `limitMs`. */
export function firstRunLimitMs(limitMs: number, sizeBytes: number, mostMs: number): number {
  if (limitMs <= 0) return limitMs;
  return Math.max(limitMs, Math.min(limitMs + (sizeBytes / 1e6) * COMPILING_MS_PER_MEGABYTE, mostMs));
}

/** What a policy without a time limit has to start and to judge its settings; the dearest ones need well below a second. */
export const DEFAULT_LOAD_TIMEOUT_MS = 30_000;
