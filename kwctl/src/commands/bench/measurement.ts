import type { MeasuredPolicy } from './measured-policy.ts';
import type { MeasuredOperation, Timing } from './messages.ts';
import type { BenchOptions } from './options.ts';
import { planSampling, type SamplingPlan } from './sampling.ts';
import { seededRandom, summarise, type Summary } from './statistics.ts';

/** What is known of one function in the end. */
export interface Measurement {
  readonly operation: MeasuredOperation;
  readonly warmUp: Timing;
  readonly sampling: SamplingPlan['kind'];
  /** All samples together. */
  readonly measured: Timing;
  /** Time of one call, for each sample. */
  readonly samplesNs: readonly number[];
  readonly summary: Summary;
}

/** Told while a function is measured. */
export interface MeasurementListener {
  onWarmUp(operation: MeasuredOperation): void;
  onWarm(operation: MeasuredOperation, warmUp: Timing): void;
  onPlan(plan: SamplingPlan): void;
}

/** Measures one function of a policy. */
export async function measureOperation(
  policy: Pick<MeasuredPolicy, 'runFor' | 'runTimes'>,
  operation: MeasuredOperation,
  { warmUpMs, measurementMs, samples, resamples }: BenchOptions,
  listener: MeasurementListener,
): Promise<Measurement> {
  listener.onWarmUp(operation);
  const warmUp = await policy.runFor(operation, warmUpMs);
  listener.onWarm(operation, warmUp);
  const plan = planSampling(samples, warmUp.elapsedNs / warmUp.iterations, measurementMs * 1e6);
  listener.onPlan(plan);
  const samplesNs: number[] = [];
  let [iterations, elapsedNs] = [0, 0];
  for (const count of plan.iterations) {
    const timing = await policy.runTimes(operation, count);
    samplesNs.push(timing.elapsedNs / timing.iterations);
    iterations += timing.iterations;
    elapsedNs += timing.elapsedNs;
  }
  return {
    operation,
    warmUp,
    sampling: plan.kind,
    measured: { iterations, elapsedNs },
    samplesNs,
    summary: summarise(samplesNs, resamples, seededRandom(samplesNs.length)),
  };
}
