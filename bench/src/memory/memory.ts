import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench, BenchContext } from '../bench.ts';
import { readFlags } from '../flags.ts';
import { interleave } from '../interleave.ts';
import { runLoad } from '../load/load.ts';
import { type PolicySet, policiesOnOneModule, thirteenPolicies } from '../modules/policy-set.ts';
import { processUsage } from '../servers/process-usage.ts';
import { type Portcullis, startPortcullis } from '../servers/portcullis.ts';
import { type Alone, type OneModule, type Point, report } from './report.ts';

const DEFAULTS = { workers: '1,2,4,8', requests: 200, idle: 30, rounds: 3 };
const CONNECTIONS = 8;
const SAMPLES = 10;
const SAMPLE_INTERVAL_MS = 200;
const LOAD_LIMIT_MS = 10 * 60_000;
const NO_POLICIES: PolicySet = { modules: {}, policies: {}, requests: [] };

export const memory: Bench = {
  summary:
    'resident memory of 13 policies at 1, 2, 4 and 8 workers against a server without any; 1 against 50 policies on one module',
  flags: [
    '--workers 1,2,4,8 --requests 200 (of each policy) --idle 30 (seconds before memory is read)',
    '--rounds 3 (of 1 against 50 policies)',
  ],
  run: (context) => measure(context),
};

async function measure(context: BenchContext): Promise<void> {
  const flags = readFlags(context.args, DEFAULTS);
  const set = await thirteenPolicies();
  const points: Point[] = [];
  for (const workers of flags.workers.split(',').map(Number)) {
    const point = await measurePoint(set, { ...flags, workers });
    context.print(
      `${workers} workers: ${point.loaded.at(-1)?.toFixed(0)} MB with 13 policies, ${point.empty.at(-1)?.toFixed(0)} MB without`,
    );
    points.push(point);
  }
  await report(context, { points, alone: await eachAlone(set, flags), oneModule: await oneModule(flags) });
}

interface PointOptions {
  readonly workers: number;
  readonly requests: number;
  readonly idle: number;
}

/** Both servers at once: they idle together, and neither is asked while the other's memory is read. */
async function measurePoint(set: PolicySet, { workers, requests, idle }: PointOptions): Promise<Point> {
  await using loaded = await startPortcullis({ ...set, workers });
  await using empty = await startPortcullis({ ...NO_POLICIES, workers });
  const readyMb = rss(loaded);
  const { wrong } = await ask(loaded, set, requests);
  const afterLoadMb = rss(loaded);
  await sleep(idle * 1000);
  const samples = { loaded: [] as number[], empty: [] as number[] };
  for (let index = 0; index < SAMPLES; index++) {
    samples.loaded.push(rss(loaded));
    samples.empty.push(rss(empty));
    await sleep(SAMPLE_INTERVAL_MS);
  }
  return { workers, readyMb, afterLoadMb, wrong, ...samples };
}

/** What each module costs when it is the only one: where the memory of all thirteen goes. */
async function eachAlone(set: PolicySet, { requests }: typeof DEFAULTS): Promise<Alone[]> {
  const alone: Alone[] = [];
  for (const [module, bytes] of Object.entries(set.modules)) {
    await using server = await startPortcullis({
      modules: { [module]: bytes },
      policies: { alone: { module } },
      workers: 1,
    });
    const [request] = set.requests;
    const one = { ...set, requests: request === undefined ? [] : [{ ...request, path: '/validate/alone' }] };
    await ask(server, one, requests);
    alone.push({ module, moduleMb: bytes.length / 1e6, rssMb: rss(server) });
  }
  return alone;
}

/** How much 49 more policies on the same module cost, after equally many requests. */
async function oneModule({ rounds, requests, idle }: typeof DEFAULTS): Promise<OneModule> {
  const contender = (count: number): { name: string; run: () => Promise<number> } => ({
    name: String(count),
    run: async () => {
      const set = await policiesOnOneModule(count);
      await using server = await startPortcullis({ ...set, workers: 2 });
      await ask(server, set, (50 * requests) / (10 * count));
      await sleep((idle * 1000) / 6);
      return rss(server);
    },
  });
  const samples = await interleave([contender(1), contender(50)], { rounds, warmUpRounds: 0 });
  return { one: samples.get('1') ?? [], fifty: samples.get('50') ?? [] };
}

function ask(server: Portcullis, { requests }: PolicySet, ofEach: number): Promise<{ readonly wrong: number }> {
  const pace = { kind: 'closed', connections: CONNECTIONS } as const;
  const maxRequests = Math.round(ofEach * requests.length);
  const plan = { host: '127.0.0.1', port: server.port, requests, pace, maxRequests };
  return runLoad({ ...plan, warmUpMs: 0, durationMs: LOAD_LIMIT_MS });
}

function rss({ pid }: Portcullis): number {
  return processUsage(pid)?.rssMb ?? Number.NaN;
}
