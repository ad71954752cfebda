import type { Bench, BenchContext } from '../bench.ts';
import { readFlags } from '../flags.ts';
import { type LoadResult, startLoad } from '../load/load.ts';
import type { LoadPlan } from '../load/plan.ts';
import { harmlessPod } from '../modules/pod-reviews.ts';
import { ruleModule } from '../modules/rule-modules.ts';
import { processUsage } from '../servers/process-usage.ts';
import { type Portcullis, startPortcullis } from '../servers/portcullis.ts';
import { mixedLoad } from './mixed-load.ts';
import { type Soaked, report } from './report.ts';

const DEFAULTS = { minutes: 30, rate: 50, evaluations: 1_000_000, workers: 2 };
const SAMPLE_INTERVAL_MS = 1000;
const OPEN_CONNECTIONS = 256;
const CONNECTIONS = 8;
const LOAD_LIMIT_MS = 60 * 60_000;

export const soak: Bench = {
  summary: 'resident memory over 30 minutes of mixed load, and over 1,000,000 evaluations of one policy',
  flags: ['--minutes 30 --rate 50 (requests/s of the mixed load) --evaluations 1000000 --workers 2'],
  run: (context) => measure(context),
};

async function measure(context: BenchContext): Promise<void> {
  const flags = readFlags(context.args, DEFAULTS);
  const million = await evaluations(flags);
  context.print(`${million.load.answers} evaluations of one policy in ${(million.load.elapsedMs / 1000).toFixed(0)} s`);
  await report(context, { million, mixed: await mixed(flags) });
}

/** One policy, as fast as it goes. */
async function evaluations({ evaluations: maxRequests, workers }: typeof DEFAULTS): Promise<Soaked> {
  const modules = { rust: await ruleModule('rust') };
  await using server = await startPortcullis({ modules, policies: { rule: { module: 'rust' } }, workers });
  return await soaked(server, {
    requests: [{ ...(await harmlessPod()), path: '/validate/rule' }],
    pace: { kind: 'closed', connections: CONNECTIONS },
    durationMs: LOAD_LIMIT_MS,
    maxRequests,
  });
}

async function mixed({ minutes, rate, workers }: typeof DEFAULTS): Promise<Soaked> {
  const { requests, ...set } = await mixedLoad();
  await using server = await startPortcullis({ ...set, workers });
  const pace = { kind: 'open', perSecond: rate, connections: OPEN_CONNECTIONS } as const;
  return await soaked(server, { requests, pace, durationMs: minutes * 60_000 });
}

async function soaked(server: Portcullis, plan: Omit<LoadPlan, 'host' | 'port' | 'warmUpMs'>): Promise<Soaked> {
  const startedMs = performance.now();
  const rssMb: [minutes: number, mb: number][] = [];
  const sample = (): void => {
    const usage = processUsage(server.pid);
    if (usage !== undefined) rssMb.push([(performance.now() - startedMs) / 60_000, usage.rssMb]);
  };
  sample();
  const timer = setInterval(sample, SAMPLE_INTERVAL_MS);
  try {
    const load: LoadResult = await startLoad({ ...plan, host: '127.0.0.1', port: server.port, warmUpMs: 0 }).result;
    sample();
    return { load, rssMb };
  } finally {
    clearInterval(timer);
  }
}
