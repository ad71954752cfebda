import { barChart } from '../plot.ts';
import { median, ratiosOf, spread, spreadOf } from '../statistics.ts';
import { textTable } from '../text-table.ts';
import type { EngineSample } from './contender.ts';
import type { CaseResult } from './measurement.ts';

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
  const { name, requestBytes, moduleBytes, evaluationsPerRound, rounds, unable } = result;
  const metrics = metricsOf(result);
  const count = Object.values(rounds)[0]?.length ?? 0;
  const head = `${name}: module ${kilobytes(moduleBytes)}, request ${kilobytes(requestBytes)}; ${count} rounds of ${evaluationsPerRound} evaluations`;
  const times = Object.entries(rounds).map(([contender, samples]) => [
    contender,
    ...metrics.map((metric) => microseconds(samples.map(METRICS[metric]))),
  ]);
  const reasons = Object.entries(unable).map(([contender, reason]) => `${contender} cannot run this module: ${reason}`);
  const ratios = OURS.flatMap((ours) => ratioRows(ours, result));
  return ['', head, ...textTable([['µs per evaluation', ...metrics], ...times, ...ratios]), ...reasons];
}

function ratioRows(ours: string, result: CaseResult): string[][] {
  const mine = result.rounds[ours];
  if (mine === undefined) return [];
  const rows = Object.entries(result.rounds)
    .filter(([other]) => !OURS.includes(other) || (ours === OURS[0] && other !== ours))
    .map(([other, theirs]) => [
      `  ÷ ${other}`,
      ...metricsOf(result).map((metric) => spread(ratiosOf(mine.map(METRICS[metric]), theirs.map(METRICS[metric])), 2)),
    ]);
  return rows.length === 0 ? [] : [[ours], ...rows];
}

function microseconds(values: readonly number[]): string {
  return spread(values, median(values) < 1000 ? 1 : 0);
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toFixed(bytes < 10_000 ? 1 : 0)} kB`;
}

/** One picture per metric: absolute times, all cases. */
export function enginePlots(results: readonly CaseResult[]): Record<string, string> {
  const contenders = [...new Set(results.flatMap(({ rounds }) => Object.keys(rounds)))];
  const plot = (metric: Metric, title: string): string =>
    barChart({
      title,
      axis: 'µs per evaluation: median over rounds (lowest–highest); each group has a scale of its own',
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
      scale: 'per-group',
    });
  return {
    mean: plot('mean', 'Mean time of an evaluation'),
    p99: plot('p99', '99th percentile of an evaluation'),
    cpu: plot('CPU', 'CPU time of an evaluation, all threads'),
  };
}
