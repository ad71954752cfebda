/** Sub-buckets of every power of two: a value is known to within 1/128, whatever its size. */
const SUB_BITS = 7;
const SUB_COUNT = 1 << SUB_BITS;
const BUCKETS = (32 - SUB_BITS) * SUB_COUNT + SUB_COUNT;
const MAX_VALUE = 0xffff_ffff;

/** What crosses from the driver's process to ours. */
export interface HistogramCounts {
  readonly counts: Float64Array;
  readonly max: number;
}

/**
 * Latencies in whole microseconds, in 26 kB however many are recorded: a driver that keeps every sample would measure its own
 * garbage collector.
 */
export class Histogram {
  #counts: Float64Array;
  #max: number;

  constructor({ counts, max }: HistogramCounts = { counts: new Float64Array(BUCKETS), max: 0 }) {
    this.#counts = counts;
    this.#max = max;
  }

  record(microseconds: number): void {
    const value = Math.min(Math.max(Math.round(microseconds), 0), MAX_VALUE);
    const index = bucketOf(value);
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    if (value > this.#max) this.#max = value;
  }

  add(other: Histogram): void {
    for (let index = 0; index < BUCKETS; index++) {
      this.#counts[index] = (this.#counts[index] ?? 0) + (other.#counts[index] ?? 0);
    }
    this.#max = Math.max(this.#max, other.#max);
  }

  get count(): number {
    return this.#counts.reduce((sum, count) => sum + count, 0);
  }

  get max(): number {
    return this.#max;
  }

  /** Nearest rank: the smallest recorded value that at least `share` of all values do not exceed. */
  percentile(share: number): number {
    const rank = Math.max(1, Math.ceil(share * this.count));
    let seen = 0;
    for (let index = 0; index < BUCKETS; index++) {
      seen += this.#counts[index] ?? 0;
      if (seen >= rank) return Math.min(upperEdge(index), this.#max);
    }
    return Number.NaN;
  }

  toCounts(): HistogramCounts {
    return { counts: this.#counts, max: this.#max };
  }
}

function bucketOf(value: number): number {
  if (value < 2 * SUB_COUNT) return value;
  const shift = 31 - Math.clz32(value) - SUB_BITS;
  return shift * SUB_COUNT + (value >>> shift);
}

/** Largest value of a bucket: a percentile is never told smaller than it was. */
function upperEdge(index: number): number {
  if (index < 2 * SUB_COUNT) return index;
  const shift = Math.floor(index / SUB_COUNT) - 1;
  return (index - shift * SUB_COUNT + 1) * 2 ** shift - 1;
}
