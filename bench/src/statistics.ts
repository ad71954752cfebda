/** Middle of the sorted values; the mean of the middle two when their number is even. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('median of no values');
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

/** The smallest value that at least `percent` of all values do not exceed (nearest rank: always a value that was seen). */
export function percentile(values: readonly number[], percent: number): number {
  if (values.length === 0) throw new RangeError('percentile of no values');
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN;
}

export function mean(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('mean of no values');
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** What one round of one contender came to, in the unit of its values. */
export interface Summary {
  readonly count: number;
  readonly p50: number;
  readonly mean: number;
  readonly p99: number;
  readonly max: number;
}

export function summarise(values: readonly number[]): Summary {
  return {
    count: values.length,
    p50: median(values),
    mean: mean(values),
    p99: percentile(values, 99),
    max: percentile(values, 100),
  };
}

/** A median over rounds, and between which extremes it lies. */
export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), low: Math.min(...values), high: Math.max(...values) };
}

/**
 * `subject` relative to `reference`, round by round: both values of a pair were measured within moments of each other, so what
 * slows the whole machine for a while slows both.
 */
export function ratiosOf(subject: readonly number[], reference: readonly number[]): number[] {
  if (subject.length !== reference.length) throw new RangeError('ratios of rounds that are no pairs');
  return subject.map((value, round) => value / (reference[round] ?? Number.NaN));
}

/** `median (min–max)`, for people. */
export function spread(values: readonly number[], digits = 1): string {
  const { median: middle, low, high } = spreadOf(values);
  return `${middle.toFixed(digits)} (${low.toFixed(digits)}–${high.toFixed(digits)})`;
}

/** Growth of y per unit of x over all points (least squares): what a leak looks like. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  if (points.length < 2) throw new RangeError('slope of fewer than two points');
  const meanX = mean(points.map(([x]) => x));
  const meanY = mean(points.map(([, y]) => y));
  const covariance = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  const variance = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  return covariance / variance;
}
