import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemErrorText } from '@portcullis/artifact';
import { cacheFolder, type CommandContext } from '../../environment.ts';
import { KwctlError } from '../../errors.ts';
import { writeWholeFile } from '../../file.ts';
import type { Measurement } from './measurement.ts';
import { CONFIDENCE } from './statistics.ts';

/** All that was measured of one policy. */
export interface PolicyResult {
  readonly policyId: string;
  readonly module: string;
  readonly measurements: readonly Measurement[];
}

/** The results as JSON; `withSamples` also every sample. */
export function resultsJson(results: readonly PolicyResult[], withSamples: boolean): string {
  const policies = results.map(({ policyId, module, measurements }) => ({
    policy: policyId,
    module,
    functions: measurements.map((measurement) => functionJson(measurement, withSamples)),
  }));
  return JSON.stringify({ confidence: CONFIDENCE, policies });
}

function functionJson(measurement: Measurement, withSamples: boolean): object {
  const { operation, warmUp, sampling, measured, samplesNs, summary } = measurement;
  const { min, max, mean, median, variance, standardDeviation } = summary;
  return {
    function: operation,
    warmUp,
    measured,
    sampling,
    samples: samplesNs.length,
    minNs: min,
    maxNs: max,
    meanNs: mean,
    medianNs: median,
    varianceNs2: variance,
    standardDeviationNs: standardDeviation,
    ...(withSamples && { samplesNs }),
  };
}

/** Writes the results, with all samples, to a new file of the cache folder. */
export async function dumpResults(
  results: readonly PolicyResult[],
  { environment, log }: CommandContext,
): Promise<void> {
  const folder = join(cacheFolder(environment), 'bench');
  const path = join(folder, `${environment.now().toISOString().replaceAll(':', '-')}.json`);
  try {
    await mkdir(folder, { recursive: true });
    await writeWholeFile(path, `${resultsJson(results, true)}\n`);
  } catch (error) {
    throw new KwctlError('file-unusable', `cannot write the results to ${path}: ${systemErrorText(error)}`, {
      cause: error,
    });
  }
  const fields = { destination: JSON.stringify(path) };
  log({ level: 'info', target: 'kwctl::bench', message: 'Benchmark results saved to file', fields });
}
