import type { Bench, BenchContext } from '../bench.ts';
import { readFlags } from '../flags.ts';
import { interleave } from '../interleave.ts';
import { writeResults } from '../results.ts';
import { ratiosOf, spread } from '../statistics.ts';
import { textTable } from '../text-table.ts';
import { type Carrier, channels, piscinaTasks, sharedRings } from './carriers.ts';

const DEFAULTS = { rounds: 7, evaluations: 8000, threads: 2, concurrency: 8, work: 60, bytes: 3400 };
const CARRIERS = { 'piscina task': piscinaTasks, channel: channels, 'shared ring': sharedRings };

/** The way to a worker thread and back, without what happens there. */
export const hop: Bench = {
  summary: 'the way to a worker thread and back: as a task of piscina, over a channel, through shared memory',
  flags: ['--rounds 7 --evaluations 8000 --threads 2 --concurrency 8 --work 60 --bytes 3400   (work in µs)'],
  run: (context) => measure(context),
};

async function measure(context: BenchContext): Promise<void> {
  const flags = readFlags(context.args, DEFAULTS);
  await using carriers = new AsyncDisposableStack();
  const contenders = Object.entries(CARRIERS).map(([name, open]) => {
    const carrier = carriers.use(open({ threads: flags.threads, workUs: flags.work }));
    return { name, run: () => cpuUs(carrier, flags) };
  });
  const samples = await interleave(contenders, { rounds: flags.rounds });
  const channel = samples.get('channel') ?? [];
  const rows = [...samples].map(([name, values]) => [name, spread(values), spread(ratiosOf(values, channel), 2)]);
  const table = textTable([['median (min–max)', 'CPU µs per hop', 'relative to channel'], ...rows]);
  for (const line of table) context.print(line);
  const method =
    `Each hop carries ${flags.bytes} bytes there and a small answer back, ${flags.concurrency} at a time over ${flags.threads} threads; ` +
    `the thread is busy for ${flags.work} µs in between, which is taken off. CPU is user and system time of the whole process.`;
  const written = await writeResults(context, {
    bench: 'hop',
    peers: {},
    method,
    samples: Object.fromEntries(samples),
    table,
    plots: {},
  });
  for (const path of written) context.print(path);
}

async function cpuUs(carrier: Carrier, { evaluations, concurrency, work, bytes }: typeof DEFAULTS): Promise<number> {
  const request = new Uint8Array(bytes).fill(65);
  const before = process.cpuUsage();
  const lane = async (): Promise<void> => {
    for (let index = 0; index < evaluations / concurrency; index++) await carrier.carry(request);
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
  const { user, system } = process.cpuUsage(before);
  return (user + system) / evaluations - work;
}
