import { barChart } from '../plot.ts';
import { median, percentile, ratiosOf, spread, spreadOf } from '../statistics.ts';
import type { EngineSample } from './contender.ts';

/** All rounds of all contenders over one case. */
export interface CaseResult {
  readonly name: string;
  readonly requestBytes: number;
  readonly moduleBytes: number;
  readonly evaluationsPerRound: number;
  readonly loadMs: Readonly<Record<string, number>>;
  readonly rounds: Readonly<Record<string, readonly EngineSample[]>>;
}

/** Below this a p99 is no more than the slowest but one of a handful. */
const LEAST_FOR_P99 = 200;

const METRICS = {
  p50: ({ latencyUs }: EngineSample) => latencyUs.p50,
  mean: ({ latencyUs }: EngineSample) => latencyUs.mean,
  p99: ({ latencyUs }: EngineSample) => latencyUs.p99,
  CPU: ({ cpuUs }: EngineSample) => cpuUs,
} as const;

type Metric = keyof typeof METRICS;

const OURS = ['portcullis reset', 'portcullis fresh'];

function metricsOf({ evaluationsPerRound }: CaseResult): Metric[] {
  const all: Metric[] = ['p50', 'mean', 'p99', 'CPU'];
  return evaluationsPerRound < LEAST_FOR_P99 ? all.filter((metric) => metric !== 'p99') : all;
}

/** For people: what every contender took, and how ours compare with each of the others, round by round. */
export function caseTable(result: CaseResult): string[] {
  const { name, requestBytes, moduleBytes, evaluationsPerRound, rounds } = result;
  const metrics = metricsOf(result);
  const count = Object.values(rounds)[0]?.length ?? 0;
  const head = `${name}: module ${kilobytes(moduleBytes)}, request ${kilobytes(requestBytes)}; ${count} rounds of ${evaluationsPerRound} evaluations`;
  const lines = ['', head, row('µs per evaluation', metrics)];
  for (const [contender, samples] of Object.entries(rounds))
    lines.push(
      row(
        contender,
        metrics.map((metric) => microseconds(samples.map(METRICS[metric]))),
      ),
    );
  return [...lines, ...OURS.flatMap((ours) => ratioLines(ours, result))];
}

function ratioLines(ours: string, result: CaseResult): string[] {
  const mine = result.rounds[ours];
  if (mine === undefined) return [];
  const metrics = metricsOf(result);
  const lines = Object.entries(result.rounds)
    .filter(([other]) => !OURS.includes(other) || (ours === OURS[0] && other !== ours))
    .map(([other, theirs]) =>
      row(
        `  ÷ ${other}`,
        metrics.map((metric) => spread(ratiosOf(mine.map(METRICS[metric]), theirs.map(METRICS[metric])), 2)),
      ),
    );
  return lines.length === 0 ? [] : [`${ours}`, ...lines];
}

function row(label: string, cells: readonly string[]): string {
  return label.padEnd(32) + cells.map((cell) => cell.padStart(24)).join('');
}

function microseconds(values: readonly number[]): string {
  return spread(values, median(values) < 1000 ? 1 : 0);
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toFixed(bytes < 10_000 ? 1 : 0)} kB`;
}

/** One picture per metric: absolute times, all cases, logarithmic since cases lie orders of magnitude apart. */
export function enginePlots(results: readonly CaseResult[]): Record<string, string> {
  const contenders = [...new Set(results.flatMap(({ rounds }) => Object.keys(rounds)))];
  const plot = (metric: Metric, title: string): string =>
    barChart({
      title,
      axis: 'µs per evaluation (logarithmic); whiskers: extremes over rounds',
      contenders,
      groups: results
        .filter((result) => metricsOf(result).includes(metric))
        .map(({ name, rounds }) => ({
          label: name,
          bars: contenders.map((contender) => {
            const samples = rounds[contender];
            return samples === undefined ? undefined : spreadOf(samples.map(METRICS[metric]));
          }),
        })),
      scale: 'log',
    });
  return {
    mean: plot('mean', 'Mean time of an evaluation'),
    p99: plot('p99', '99th percentile of an evaluation'),
    cpu: plot('CPU', 'CPU time of an evaluation, all threads'),
  };
}

/** How many evaluations make a round of about `roundMs` for the contender in the middle. */
export function evaluationsFor(meansUs: readonly number[], roundMs: number): number {
  const middleUs = median(meansUs);
  const slowestUs = percentile(meansUs, 100);
  const wanted = Math.min((roundMs * 1000) / middleUs, (4 * roundMs * 1000) / slowestUs);
  return Math.max(5, Math.min(5000, Math.round(wanted)));
}
