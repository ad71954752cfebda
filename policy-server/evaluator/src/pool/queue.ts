import type { Flight } from './flight.ts';

/**
 * `again` = its thread was taken from under it; `alone` = it must have a thread to itself; `warming` = it is meant for one thread.
 */
export type Line = 'again' | 'ordinary' | 'alone' | 'warming';

/**
 * Who waits for a thread. Innocents whose thread was taken from under them go first. The others stand in one line per policy, so
 * that a policy with many waiting costs those behind it nothing; who must have a thread alone holds nobody up either.
 */
export class EvaluationQueue {
  readonly #again = new Set<Flight>();
  readonly #ordinary = new Map<string, Set<Flight>>();
  readonly #alone = new Set<Flight>();
  readonly #warming = new Set<Flight>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(flight: Flight, line: Line): void {
    this.#size++;
    if (line === 'again') this.#again.add(flight);
    else if (line === 'alone') this.#alone.add(flight);
    else if (line === 'warming') this.#warming.add(flight);
    else this.#lineOf(flight.work.policyId).add(flight);
  }

  remove(flight: Flight): boolean {
    const found =
      this.#removeOrdinary(flight) ||
      this.#again.delete(flight) ||
      this.#alone.delete(flight) ||
      this.#warming.delete(flight);
    if (found) this.#size--;
    return found;
  }

  /** From now on all waiting evaluations of this policy need a thread to themselves; these they are. */
  separate(policyId: string): Flight[] {
    for (const line of [this.#again, this.#ordinary.get(policyId) ?? []]) {
      for (const flight of line) {
        if (flight.work.policyId !== policyId) continue;
        this.remove(flight);
        this.add(flight, 'alone');
      }
    }
    return [...this.#alone].filter((flight) => flight.work.policyId === policyId);
  }

  /**
   * The next of each policy that may share a thread. First the innocents, then the policies with the fewest evaluations at work,
   * and among those who came first: each policy has its share of the threads.
   */
  shared(running: (policyId: string) => number): readonly Flight[] {
    const heads = [...this.#ordinary.values()].flatMap((line) => first(line) ?? []);
    if (heads.length > 1) {
      heads.sort((a, b) => running(a.work.policyId) - running(b.work.policyId) || a.queuedAtMs - b.queuedAtMs);
    }
    return this.#again.size === 0 ? heads : [...this.#again, ...heads];
  }

  /** Those that need a thread to themselves, in order of arrival. */
  alone(): Iterable<Flight> {
    return this.#alone;
  }

  /** Those that are meant for one thread. */
  warming(): Iterable<Flight> {
    return this.#warming;
  }

  /** How many wait to share a thread, by policy. */
  *sharedCounts(): Iterable<readonly [policyId: string, count: number]> {
    for (const { work } of this.#again) yield [work.policyId, 1];
    for (const [policyId, line] of this.#ordinary) yield [policyId, line.size];
  }

  all(): Flight[] {
    return [
      ...this.#again,
      ...[...this.#ordinary.values()].flatMap((line) => [...line]),
      ...this.#alone,
      ...this.#warming,
    ];
  }

  #lineOf(policyId: string): Set<Flight> {
    const known = this.#ordinary.get(policyId);
    if (known !== undefined) return known;
    const line = new Set<Flight>();
    this.#ordinary.set(policyId, line);
    return line;
  }

  #removeOrdinary(flight: Flight): boolean {
    const { policyId } = flight.work;
    const line = this.#ordinary.get(policyId);
    if (line?.delete(flight) !== true) return false;
    if (line.size === 0) this.#ordinary.delete(policyId);
    return true;
  }
}

function first(line: Set<Flight>): Flight | undefined {
  for (const flight of line) return flight;
  return undefined;
}
