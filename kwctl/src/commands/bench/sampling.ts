/** How often the function is called for each sample. */
export interface SamplingPlan {
  /** `linear`: a step more for every sample, so that what a sample costs by itself cancels out; `flat`: the same for all. */
  readonly kind: 'linear' | 'flat';
  readonly iterations: readonly number[];
  /** How long it will take; more than was asked for when calls are slow. */
  readonly expectedNs: number;
}

/** More than this times the wanted duration is too long for linear samples: slow calls get flat ones. */
const TOLERATED_EXCESS = 2;

/** Plans samples that take about `targetNs` when one call takes `callNs`. */
export function planSampling(samples: number, callNs: number, targetNs: number): SamplingPlan {
  const steps = (samples * (samples + 1)) / 2;
  const step = Math.max(1, Math.ceil(targetNs / callNs / steps));
  const linearNs = step * steps * callNs;
  if (linearNs <= TOLERATED_EXCESS * targetNs) {
    const iterations = Array.from({ length: samples }, (_, index) => step * (index + 1));
    return { kind: 'linear', iterations, expectedNs: linearNs };
  }
  const each = Math.max(1, Math.floor(targetNs / callNs / samples));
  return {
    kind: 'flat',
    iterations: Array.from({ length: samples }, () => each),
    expectedNs: each * samples * callNs,
  };
}
