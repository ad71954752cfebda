import type { BenchContext } from '../bench.ts';
import { barChart } from '../plot.ts';
import { writeResults } from '../results.ts';
import { spread, spreadOf } from '../statistics.ts';
import { textTable } from '../text-table.ts';

interface Ready {
  readonly readyMs: number;
  /** What the start cost on all cores together. */
  readonly cpuMs: number;
  readonly rssMb: number;
}

export interface Start {
  readonly cold: Ready;
  readonly warm: Ready;
}

const TARGET_MS = 2000;
const METHOD =
  'Time from the start of the process until the readiness probe first answers 200, asked every 10 ms; cold with an empty --cache-dir, warm ' +
  'with what that start left there. Compilers of native runtimes are no part of this: their times are known from elsewhere only.';

export async function report(
  context: BenchContext,
  samples: ReadonlyMap<string, readonly Start[]>,
  workers: number,
): Promise<void> {
  const table = tableOf(samples, workers);
  for (const line of table) context.print(line);
  const groups = [...samples].map(([label, starts]) => ({
    label,
    bars: [spreadOf(starts.map(({ cold }) => cold.readyMs)), spreadOf(starts.map(({ warm }) => warm.readyMs))],
  }));
  const chart = {
    title: 'From start to ready',
    axis: 'ms',
    contenders: ['empty cache', 'full cache'],
    mark: { value: TARGET_MS, label: 'target 2 s' },
    groups,
  };
  const written = await writeResults(context, {
    bench: 'startup',
    peers: {},
    method: METHOD,
    samples: Object.fromEntries(samples),
    table,
    plots: { '': barChart(chart) },
  });
  for (const path of written) context.print(path);
}

const COLUMNS: readonly (readonly [heading: string, pick: (start: Start) => number])[] = [
  ['cold ms', ({ cold }) => cold.readyMs],
  ['warm ms', ({ warm }) => warm.readyMs],
  ['cold CPU ms', ({ cold }) => cold.cpuMs],
  ['warm CPU ms', ({ warm }) => warm.cpuMs],
  ['cold MB', ({ cold }) => cold.rssMb],
  ['warm MB', ({ warm }) => warm.rssMb],
];

function tableOf(samples: ReadonlyMap<string, readonly Start[]>, workers: number): string[] {
  const rows = [...samples].map(([name, starts]) => [name, ...COLUMNS.map(([, pick]) => spread(starts.map(pick), 0))]);
  return textTable([[`${workers} workers`, ...COLUMNS.map(([heading]) => heading)], ...rows]);
}
