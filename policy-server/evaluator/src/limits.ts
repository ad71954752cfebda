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

/** What a policy without a time limit has to start and to judge its settings; the dearest ones need well below a second. */
export const DEFAULT_LOAD_TIMEOUT_MS = 30_000;
