import type { BenchContext } from '../bench.ts';
import type { LoadResult } from '../load/load.ts';
import { lineChart } from '../plot.ts';
import { writeResults } from '../results.ts';
import { slope } from '../statistics.ts';
import { textTable } from '../text-table.ts';

export interface Soaked {
  readonly load: LoadResult;
  /** VmRSS over the minutes since the start. */
  readonly rssMb: readonly (readonly [minutes: number, mb: number])[];
}

export interface Soak {
  readonly million: Soaked;
  readonly mixed: Soaked;
}

/** Heaps grow to their working size first; what comes after it is what a leak would show in. */
const SETTLED_SHARE = 1 / 3;
const METHOD =
  'VmRSS of the server once a second. The slope is that of least squares over the last two thirds of the time. One policy: eight ' +
  'connections, as fast as answers come. Mixed: an open loop over 13 policies that behave and four that leak, trap, mutate and loop, with ' +
  'requests of 4 kB to 1.5 MB.';

export async function report(context: BenchContext, soak: Soak): Promise<void> {
  const named = { 'one policy': soak.million, mixed: soak.mixed };
  const table = textTable([
    ['', 'answers', 'minutes', 'p50 ms', 'p99 ms', 'MB at ⅓', 'MB at end', 'most MB', 'slope MB/min', 'statuses'],
    ...Object.entries(named).map(([name, soaked]) => row(name, soaked)),
  ]);
  for (const line of table) context.print(line);
  const written = await writeResults(context, {
    bench: 'soak',
    peers: {},
    method: METHOD,
    samples: named,
    table,
    plots: { million: chart('One policy', soak.million), mixed: chart('Mixed load', soak.mixed) },
  });
  for (const path of written) context.print(path);
}

function row(name: string, { load, rssMb }: Soaked): string[] {
  const settled = settledPart(rssMb);
  const megabytes = (point: readonly [number, number] | undefined): string => (point?.[1] ?? Number.NaN).toFixed(0);
  return [
    name,
    String(load.answers),
    (load.elapsedMs / 60_000).toFixed(1),
    load.p50Ms.toFixed(2),
    load.p99Ms.toFixed(2),
    megabytes(settled[0]),
    megabytes(settled.at(-1)),
    Math.max(...rssMb.map(([, mb]) => mb)).toFixed(0),
    settled.length < 2 ? '–' : slope(settled).toFixed(3),
    JSON.stringify({ ...load.statuses, ...load.failures }),
  ];
}

function settledPart(points: Soaked['rssMb']): Soaked['rssMb'] {
  const [last] = points.at(-1) ?? [0];
  return points.filter(([minutes]) => minutes >= last * SETTLED_SHARE);
}

function chart(title: string, { load, rssMb }: Soaked): string {
  return lineChart({
    title: `${title}: ${load.answers} answers`,
    xAxis: 'minutes',
    yAxis: 'MB resident',
    series: [{ label: 'VmRSS', points: rssMb }],
  });
}
