import type { Flight } from './flight.ts';

/**
 * Who waits for a thread, in order of arrival. Innocents whose thread was taken from under them go first; those who must have a
 * thread to themselves wait in a line of their own, so that they hold nobody up.
 */
export class EvaluationQueue {
  readonly #again = new Set<Flight>();
  readonly #ordinary = new Set<Flight>();
  readonly #alone = new Set<Flight>();

  get size(): number {
    return this.#again.size + this.#ordinary.size + this.#alone.size;
  }

  add(flight: Flight, line: 'again' | 'ordinary' | 'alone'): void {
    if (line === 'again') this.#again.add(flight);
    else if (line === 'alone') this.#alone.add(flight);
    else this.#ordinary.add(flight);
  }

  remove(flight: Flight): boolean {
    return this.#again.delete(flight) || this.#ordinary.delete(flight) || this.#alone.delete(flight);
  }

  /** From now on all waiting evaluations of this policy need a thread to themselves; these they are. */
  separate(policyId: string): Flight[] {
    for (const line of [this.#again, this.#ordinary]) {
      for (const flight of line) {
        if (flight.work.policyId !== policyId) continue;
        line.delete(flight);
        this.#alone.add(flight);
      }
    }
    return [...this.#alone].filter((flight) => flight.work.policyId === policyId);
  }

  /** The next that may share a thread. */
  nextShared(): Flight | undefined {
    return first(this.#again) ?? first(this.#ordinary);
  }

  /** The next that needs a thread to itself. */
  nextAlone(): Flight | undefined {
    return first(this.#alone);
  }

  all(): Flight[] {
    return [...this.#again, ...this.#ordinary, ...this.#alone];
  }
}

function first(line: Set<Flight>): Flight | undefined {
  for (const flight of line) return flight;
  return undefined;
}
