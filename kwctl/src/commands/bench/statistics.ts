/** A value found in samples, and between which bounds that of all calls lies. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** What samples come to, in the unit of their values. */
export interface Summary {
  readonly min: number;
  readonly max: number;
  readonly mean: Estimate;
  readonly median: Estimate;
  readonly variance: number;
  readonly standardDeviation: number;
}

/** How sure the bounds of an estimate are. */
export const CONFIDENCE = 0.95;

/**
 * Sums samples up. Bounds are found by resampling (bootstrap): as many samples are drawn from the samples, over and over, and the
 * bounds are those between which most of what they come to lies.
 *
 * @param samples - at least two
 * @param random - uniform in [0, 1)
 */
export function summarise(samples: readonly number[], resamples: number, random: () => number): Summary {
  const sorted = Float64Array.from(samples).sort();
  const mean = meanOf(sorted);
  const variance = sorted.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (sorted.length - 1);
  const drawn = resample(sorted, resamples, random);
  return {
    min: sorted[0] ?? Number.NaN,
    max: sorted.at(-1) ?? Number.NaN,
    mean: estimate(mean, drawn.means),
    median: estimate(medianOf(sorted), drawn.medians),
    variance,
    standardDeviation: Math.sqrt(variance),
  };
}

function meanOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function medianOf(sorted: Float64Array): number {
  return ((sorted[(sorted.length - 1) >> 1] ?? Number.NaN) + (sorted[sorted.length >> 1] ?? Number.NaN)) / 2;
}

/** Counts how often each sample was drawn: nothing needs to be sorted again to find a median. */
function resample(
  sorted: Float64Array,
  resamples: number,
  random: () => number,
): { means: Float64Array; medians: Float64Array } {
  const { length } = sorted;
  const counts = new Uint32Array(length);
  const means = new Float64Array(resamples);
  const medians = new Float64Array(resamples);
  for (let round = 0; round < resamples; round++) {
    counts.fill(0);
    let sum = 0;
    for (let draw = 0; draw < length; draw++) {
      const index = Math.floor(random() * length);
      counts[index] = (counts[index] ?? 0) + 1;
      sum += sorted[index] ?? Number.NaN;
    }
    means[round] = sum / length;
    medians[round] = countedMedian(sorted, counts);
  }
  return { means, medians };
}

function countedMedian(sorted: Float64Array, counts: Uint32Array): number {
  const { length } = sorted;
  const [lower, upper] = [(length - 1) >> 1, length >> 1];
  let passed = 0;
  let low: number | undefined;
  for (let index = 0; index < length; index++) {
    passed += counts[index] ?? 0;
    if (low === undefined && passed > lower) low = sorted[index];
    if (low !== undefined && passed > upper) return (low + (sorted[index] ?? Number.NaN)) / 2;
  }
  return Number.NaN;
}

function estimate(value: number, drawn: Float64Array): Estimate {
  drawn.sort();
  const tail = (1 - CONFIDENCE) / 2;
  return { value, low: quantile(drawn, tail), high: quantile(drawn, 1 - tail) };
}

function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.round(share * (sorted.length - 1))] ?? Number.NaN;
}

/** A small generator of random numbers (mulberry32): the same samples always have the same bounds. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
