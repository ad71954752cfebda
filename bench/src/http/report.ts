import type { BenchContext } from '../bench.ts';
import type { Figures, Round, RoundOptions } from './round.ts';
import { barChart } from '../plot.ts';
import { writeResults } from '../results.ts';
import { ratiosOf, spread, spreadOf } from '../statistics.ts';
import { textTable } from '../text-table.ts';

const BASELINE = 'OPA';
const METHOD =
  'All servers run at once and are loaded one after the other, in rounds that start with another one each time. Saturation is a closed ' +
  'loop. The fixed rate is an open loop: send times are fixed in advance and latency counts from them. Ratios are medians over ' +
  'rounds of the value divided by that of OPA in the same round. The load generator shares the cores with the server.';

type Pick = (round: Round) => number;

const COLUMNS: readonly (readonly [heading: string, pick: Pick, digits: number])[] = [
  ['req/s', ({ saturation }) => saturation.perSecond, 0],
  ['p50 ms', ({ saturation }) => saturation.p50Ms, 2],
  ['p99 ms', ({ saturation }) => saturation.p99Ms, 2],
  ['CPU ms/req', ({ saturation }) => saturation.cpuMsPerRequest, 3],
  ['RSS MB', ({ saturation }) => saturation.rssMb, 0],
  ['p50 ms at rate', ({ steady }) => steady.p50Ms, 2],
  ['p99 ms at rate', ({ steady }) => steady.p99Ms, 2],
  ['CPU ms/req at rate', ({ steady }) => steady.cpuMsPerRequest, 3],
];

export async function report(
  context: BenchContext,
  samples: ReadonlyMap<string, readonly Round[]>,
  options: RoundOptions,
): Promise<void> {
  const table = [...tableOf(samples), '', ...ratiosTable(samples), ...warnings(samples)];
  for (const line of table) context.print(line);
  const written = await writeResults(context, {
    bench: 'http',
    peers: { OPA: '1.22.0' },
    method: `${METHOD} Saturation by ${options.client}.`,
    samples: Object.fromEntries(samples),
    table,
    plots: {
      saturation: chart(samples, ({ saturation }) => saturation.perSecond, 'Requests per second at saturation'),
      steady: chart(samples, ({ steady }) => steady.p99Ms, `p99 in ms at ${options.rate} requests/s`),
    },
  });
  for (const path of written) context.print(path);
}

function tableOf(samples: ReadonlyMap<string, readonly Round[]>): string[] {
  const rows = [...samples].map(([name, rounds]) => [
    name,
    ...COLUMNS.map(([, pick, digits]) => {
      const values = rounds.map(pick);
      return values.every(Number.isFinite) ? spread(values, digits) : '–';
    }),
  ]);
  return textTable([['median (min–max)', ...COLUMNS.map(([heading]) => heading)], ...rows]);
}

function ratiosTable(samples: ReadonlyMap<string, readonly Round[]>): string[] {
  const baseline = samples.get(BASELINE) ?? [];
  const rows = [...samples].flatMap(([name, rounds]) => {
    if (name === BASELINE) return [];
    const cells = COLUMNS.map(([, pick]) => {
      const ratios = ratiosOf(rounds.map(pick), baseline.map(pick));
      return ratios.every(Number.isFinite) ? spread(ratios, 2) : '–';
    });
    return [[name, ...cells]];
  });
  return textTable([[`relative to ${BASELINE}`, ...COLUMNS.map(([heading]) => heading)], ...rows]);
}

/** What would make the figures of a contender worthless. */
function warnings(samples: ReadonlyMap<string, readonly Round[]>): string[] {
  return [...samples].flatMap(([name, rounds]) => {
    const failed = rounds.reduce((sum, { saturation, steady }) => sum + saturation.failed + steady.failed, 0);
    const delays = rounds.map(({ steady }) => steady.latenessP99Ms);
    return [
      ...(failed > 0 ? [`! ${name}: ${failed} requests failed`] : []),
      ...(Math.max(...delays) > 1 ? [`! ${name}: the driver itself was late, p99 ${spread(delays, 2)} ms`] : []),
    ];
  });
}

function chart(
  samples: ReadonlyMap<string, readonly Round[]>,
  pick: (round: Round) => Figures[keyof Figures],
  title: string,
): string {
  const bars = [...samples.values()].map((rounds) => spreadOf(rounds.map(pick)));
  return barChart({ title, axis: title, contenders: [...samples.keys()], groups: [{ label: '', bars }] });
}
