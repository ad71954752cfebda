import type { Measurement, MeasurementListener } from './measurement.ts';
import type { BenchOptions } from './options.ts';
import { histogram } from './histogram.ts';
import { CONFIDENCE, type Estimate } from './statistics.ts';
import { formatCount, formatTime, formatVariance } from './units.ts';

export interface ReportOptions extends BenchOptions {
  readonly write: (text: string) => void;
  readonly color: boolean;
  /** Of the terminal that is written to; `undefined` = there is none, and nothing is drawn. */
  readonly columns: number | undefined;
  /** Before the name of the function, where several policies are measured. */
  readonly prefix: string;
}

/** What is told of a function: its first lines while it is measured, the others at the end. */
export interface Report extends MeasurementListener {
  onMeasured(measurement: Measurement): void;
}

export const SILENT_REPORT: Report = { onWarmUp() {}, onWarm() {}, onPlan() {}, onMeasured() {} };

/** Lines as scripts know them; those of intervals come after them. */
export function createReport(options: ReportOptions): Report {
  const { write, color, prefix, warmUpMs, measurementMs, samples } = options;
  const label = (operation: string): string => {
    const text = `${prefix}${operation}`;
    return color ? `\u001b[1;32m${text}\u001b[0m` : text;
  };
  return {
    onWarmUp: (operation) => write(`${label(operation)} warming up for ${formatTime(warmUpMs * 1e6)}\n`),
    onWarm(operation, { elapsedNs, iterations }) {
      const mean = formatTime(elapsedNs / iterations);
      write(`${label(operation)} mean warm up execution time ${mean} running ${formatCount(iterations)} iterations\n`);
    },
    onPlan({ expectedNs }) {
      if (measurementMs === 0 || expectedNs <= 2 * measurementMs * 1e6) return;
      const seconds = (ns: number): string => `${(ns / 1e9).toFixed(1)}s`;
      const target = seconds(measurementMs * 1e6);
      write(
        `Unable to complete ${samples} samples in ${target} You may wish to increase target time to ${seconds(expectedNs)} or to reduce the number of samples\n`,
      );
    },
    onMeasured: (measurement) => write(resultLines(measurement, label(measurement.operation), options)),
  };
}

function resultLines(measurement: Measurement, label: string, { columns }: ReportOptions): string {
  const { measured, samplesNs, summary } = measurement;
  const { min, max, mean, median, variance, standardDeviation } = summary;
  const iterations = `${formatCount(measured.iterations)} iterations in ${formatTime(measured.elapsedNs)}`;
  const range = [min, mean.value, max].map(formatTime).join(' ');
  const data = `med = ${formatTime(median.value)}, var = ${formatVariance(variance)}, stddev = ${formatTime(standardDeviation)}`;
  const lines = [
    `${label} [${iterations} with ${formatCount(samplesNs.length)} samples]:`,
    `\telapsed\t[min mean max]:\t[${range}] (sample data: ${data})`,
    intervalLine('mean', mean),
    intervalLine('median', median),
    ...(columns === undefined ? [] : histogram(samplesNs, columns)),
  ];
  return `${lines.join('\n')}\n`;
}

function intervalLine(name: string, { low, value, high }: Estimate): string {
  const times = [low, value, high].map(formatTime).join(' ');
  return `\t${name}\t[low estimate high]:\t[${times}] (${CONFIDENCE * 100}% confidence)`;
}
