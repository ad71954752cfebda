/** A stopped guest must behave this many times before it may share a thread again. */
const GOOD_RUNS_TO_CLEAR = 10;

/**
 * Policies that were caught occupying a thread until their deadline. Their evaluations run on threads of their own, and not on
 * all threads at once: whoever can make a policy loop (a crafted object is enough) delays that policy, nobody else.
 */
export class Suspects {
  readonly #runsToClear = new Map<string, number>();

  has(policyId: string): boolean {
    return this.#runsToClear.has(policyId);
  }

  caught(policyId: string): void {
    this.#runsToClear.set(policyId, GOOD_RUNS_TO_CLEAR);
  }

  behaved(policyId: string): void {
    const runs = this.#runsToClear.get(policyId);
    if (runs === undefined) return;
    if (runs <= 1) this.#runsToClear.delete(policyId);
    else this.#runsToClear.set(policyId, runs - 1);
  }
}
