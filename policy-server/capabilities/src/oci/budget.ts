import type { RequestContext } from '../backend.ts';

/** The longest any question to a registry may keep a policy waiting. */
const MAX_WAIT_MS = 2000;
/** What a policy needs to deal with a failure before its own time is over. */
const RESERVE_MS = 200;
const MIN_WAIT_MS = 50;

/** Aborts when an answer would come too late for the policy to do anything about it, or nobody waits for it any more. */
export function registryBudget({ signal, remainingMs = Infinity }: RequestContext): AbortSignal {
  const waitMs = Math.max(MIN_WAIT_MS, Math.min(MAX_WAIT_MS, remainingMs - RESERVE_MS));
  return AbortSignal.any([signal, AbortSignal.timeout(waitMs)]);
}

/** What a guest is told when its question took too long, naming who did not answer. */
export async function withinBudget<T>(image: string, budget: AbortSignal, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!budget.aborted) throw error;
    throw new Error(`no answer about ${image} in time: its registry is slow or cannot be reached`, { cause: error });
  }
}
