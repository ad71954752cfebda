import type { BenchContext } from '../bench.ts';
import type { LoadResult } from '../load/load.ts';
import { barChart } from '../plot.ts';
import { writeResults } from '../results.ts';
import { ratiosOf, spread, spreadOf } from '../statistics.ts';
import { textTable } from '../text-table.ts';

export interface TailRound {
  readonly before: LoadResult;
  readonly beside: LoadResult;
  readonly after: LoadResult;
  readonly neighbour: Pick<LoadResult, 'answers' | 'wrong' | 'statuses'>;
  /** Of the server, while the neighbour was at work. */
  readonly rssMb: number;
}

const METHOD =
  'Each neighbour gets a server of its own. The fast policy (Rust, no privileged containers) is asked at a fixed rate (open loop, latency from ' +
  'the intended time): alone, while clients ask the neighbour without a pause, and again alone. Ratios are p99 beside / p99 before of ' +
  'the same server. The looping policy runs until its deadline of 2 s, the sleeping one sleeps 0.5 s, the leaking one keeps 1 MiB a call.';
const TARGET_RATIO = 1.5;

type Samples = ReadonlyMap<string, readonly TailRound[]>;

export async function report(
  context: BenchContext,
  samples: Samples,
  { rate, workers }: { readonly rate: number; readonly workers: number },
): Promise<void> {
  const table = [...tableOf(samples), ...warnings(samples)];
  context.print(
    `a fast policy at ${rate}/s, ${workers} workers; target: p99 beside a looping one < ${TARGET_RATIO} × alone`,
  );
  for (const line of table) context.print(line);
  const groups = [...samples].map(([label, rounds]) => ({
    label,
    bars: PHASES.map(([, pick]) => spreadOf(rounds.map((round) => pick(round).p99Ms))),
  }));
  const contenders = PHASES.map(([name]) => name);
  const title = `p99 of a fast policy at ${rate} requests/s, ${workers} workers`;
  const written = await writeResults(context, {
    bench: 'tail',
    peers: {},
    method: METHOD,
    samples: Object.fromEntries(samples),
    table,
    plots: { '': barChart({ title, axis: 'ms', contenders, groups, scale: 'log' }) },
  });
  for (const path of written) context.print(path);
}

const PHASES: readonly (readonly [name: string, pick: (round: TailRound) => LoadResult])[] = [
  ['alone', ({ before }) => before],
  ['beside', ({ beside }) => beside],
  ['afterwards', ({ after }) => after],
];

function tableOf(samples: Samples): string[] {
  const rows = [...samples].map(([name, rounds]) => {
    const p50 = PHASES.map(([, pick]) =>
      spread(
        rounds.map((round) => pick(round).p50Ms),
        2,
      ),
    );
    const p99 = PHASES.map(([, pick]) => rounds.map((round) => pick(round).p99Ms));
    const [alone = [], beside = []] = p99;
    const answers = rounds.map(({ neighbour }) => neighbour.answers);
    const rss = rounds.map(({ rssMb }) => rssMb);
    return [
      name,
      ...p50.slice(0, 2),
      ...p99.map((values) => spread(values, 2)),
      spread(ratiosOf(beside, alone), 2),
      spread(answers, 0),
      spread(rss, 0),
    ];
  });
  const heading = ['beside', 'p50 alone', 'p50 beside', 'p99 alone', 'p99 beside', 'p99 after', 'p99 ratio'];
  return textTable([[...heading, 'its answers', 'RSS MB'], ...rows]);
}

function warnings(samples: Samples): string[] {
  return [...samples].flatMap(([name, rounds]) => {
    const results = rounds.flatMap(({ before, beside, after }) => [before, beside, after]);
    const wrong = results.reduce((sum, result) => sum + result.wrong + result.unsent, 0);
    const lost = results.flatMap(({ failures }) => Object.values(failures)).reduce((sum, count) => sum + count, 0);
    const late = Math.max(...results.map(({ latenessP99Ms }) => latenessP99Ms));
    return [
      ...(wrong + lost > 0
        ? [`! beside ${name}: ${wrong} wrong or missing answers of the fast policy, ${lost} lost connections`]
        : []),
      ...(late > 1 ? [`! beside ${name}: the driver itself was late, p99 up to ${late.toFixed(2)} ms`] : []),
    ];
  });
}
