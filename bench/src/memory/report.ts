import type { BenchContext } from '../bench.ts';
import { lineChart } from '../plot.ts';
import { writeResults } from '../results.ts';
import { median, ratiosOf, slope, spread } from '../statistics.ts';
import { textTable } from '../text-table.ts';

/** Everything in MB of resident memory (VmRSS). */
export interface Point {
  readonly workers: number;
  readonly readyMb: number;
  readonly afterLoadMb: number;
  /** After the idle time, with 13 policies and with none. */
  readonly loaded: readonly number[];
  readonly empty: readonly number[];
  /** Answers that were not what the policy must say. */
  readonly wrong: number;
}

/** One module with one policy at one worker, after its requests. */
export interface Alone {
  readonly module: string;
  readonly moduleMb: number;
  readonly rssMb: number;
}

export interface Memory {
  readonly points: readonly Point[];
  readonly alone: readonly Alone[];
  readonly oneModule: OneModule;
}

export interface OneModule {
  readonly one: readonly number[];
  readonly fifty: readonly number[];
}

const TARGET_MB = 200;
const TARGET_SLOPE_MB = 2;
const METHOD =
  'A server with 13 policies (4 on one large module, 5 against privileged Pods, 2 Go programs of 20 MB, 1 Rego, 1 Rust) and one without ' +
  'policies run side by side; the first is asked 200 times per policy; after an idle time VmRSS of both is read ten times. The slope ' +
  '(least squares over workers) of the second is what workers cost by themselves. 1 and 50 policies on one module: after equally many requests.';

export async function report(context: BenchContext, memory: Memory): Promise<void> {
  const { points, alone, oneModule } = memory;
  const table = [
    ...pointTable(points),
    '',
    ...slopeLines(points),
    '',
    ...aloneTable(alone, points),
    '',
    ...oneModuleLines(oneModule),
    ...wrongLines(points),
  ];
  for (const line of table) context.print(line);
  const series = [
    { label: '13 policies', points: points.map((point) => [point.workers, median(point.loaded)] as const) },
    { label: 'no policies', points: points.map((point) => [point.workers, median(point.empty)] as const) },
  ];
  const title = 'Resident memory by workers';
  const mark = { value: TARGET_MB, label: `target ${TARGET_MB} MB` };
  const written = await writeResults(context, {
    bench: 'memory',
    peers: {},
    method: METHOD,
    samples: memory,
    table,
    plots: { '': lineChart({ title, xAxis: 'workers', yAxis: 'MB', series, mark }) },
  });
  for (const path of written) context.print(path);
}

function pointTable(points: readonly Point[]): string[] {
  const rows = points.map(({ workers, readyMb, afterLoadMb, loaded, empty }) => [
    String(workers),
    readyMb.toFixed(0),
    afterLoadMb.toFixed(0),
    spread(loaded),
    spread(empty),
  ]);
  return textTable([['workers', 'ready MB', 'after load MB', 'idle MB', 'no policies MB'], ...rows]);
}

function slopeLines(points: readonly Point[]): string[] {
  if (points.length < 2) return [];
  const of = (pick: (point: Point) => readonly number[]): number =>
    slope(points.map((point) => [point.workers, median(pick(point))] as const));
  const [loaded, empty] = [of((point) => point.loaded), of((point) => point.empty)];
  return [
    `per worker: ${loaded.toFixed(2)} MB with 13 policies, ${empty.toFixed(2)} MB without: ` +
      `${(loaded - empty).toFixed(2)} MB for the policies (target ≤ ${TARGET_SLOPE_MB})`,
  ];
}

function aloneTable(alone: readonly Alone[], points: readonly Point[]): string[] {
  const empty = points[0] === undefined ? Number.NaN : median(points[0].empty);
  const rows = alone.map(({ module, moduleMb, rssMb }) => [
    module,
    moduleMb.toFixed(1),
    rssMb.toFixed(0),
    (rssMb - empty).toFixed(0),
  ]);
  return textTable([['alone, 1 worker', 'module MB', 'RSS MB', 'over no policies'], ...rows]);
}

function oneModuleLines({ one, fifty }: OneModule): string[] {
  const more = fifty.map((value, round) => value - (one[round] ?? Number.NaN));
  return [
    `1 policy on one module ${spread(one)} MB, 50 policies ${spread(fifty)} MB: ${spread(more)} MB more, ` +
      `ratio ${spread(ratiosOf(fifty, one), 3)} (target ≤ 1 MB more)`,
  ];
}

function wrongLines(points: readonly Point[]): string[] {
  return points
    .filter(({ wrong }) => wrong > 0)
    .map(({ workers, wrong }) => `! ${workers} workers: ${wrong} wrong answers`);
}
