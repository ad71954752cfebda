import type { RequestContext } from '../backend.ts';
import { CapabilityError } from '../errors.ts';

/** The longest any question to a registry may keep a policy waiting. */
export const MAX_WAIT_MS = 2000;
/** What a policy needs to deal with a failure before its own time is over. */
const RESERVE_MS = 200;
const MIN_WAIT_MS = 50;
/** Whoever is given up has so long to come up with what is known. */
const GRACE_MS = 30;

/** Aborts when an answer would come too late for the policy to do anything about it, or nobody waits for it any more. */
export function registryBudget({ signal, remainingMs = Infinity }: RequestContext): AbortSignal {
  const waitMs = Math.max(MIN_WAIT_MS, Math.min(MAX_WAIT_MS, remainingMs - RESERVE_MS));
  return AbortSignal.any([signal, AbortSignal.timeout(waitMs)]);
}

/**
 * What a guest is told when its question took too long, naming who did not answer. It does not wait for what cannot be called
 * off: the program that knows a credential, the roots of signatures on their way from elsewhere.
 */
export async function withinBudget<T>(image: string, budget: AbortSignal, ask: () => Promise<T>): Promise<T> {
  const { promise: givenUp, reject } = Promise.withResolvers<never>();
  let timer: NodeJS.Timeout | undefined;
  const giveUp = (): void => {
    timer = setTimeout(() => reject(budget.reason), GRACE_MS);
  };
  budget.addEventListener('abort', giveUp, { once: true });
  if (budget.aborted) giveUp();
  try {
    return await Promise.race([ask(), givenUp]);
  } catch (error) {
    if (!budget.aborted) throw error;
    const text = `no answer about ${image} in time: its registry is slow or cannot be reached`;
    throw new CapabilityError('failed', text, { cause: error });
  } finally {
    clearTimeout(timer);
    budget.removeEventListener('abort', giveUp);
  }
}
