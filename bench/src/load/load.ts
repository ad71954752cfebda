import { fork } from 'node:child_process';
import { Histogram } from './histogram.ts';
import type { LoadCounts, LoadPlan } from './plan.ts';

const DRIVER = new URL('driver.ts', import.meta.url);

/** A load that runs in a process of its own: it shares no event loop with anything that is measured. */
export interface RunningLoad {
  readonly result: Promise<LoadResult>;
  /** Ends the load now; `result` tells what was seen until then. */
  stop(): void;
}

export interface LoadResult {
  readonly answers: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly statuses: Readonly<Record<string, number>>;
  readonly wrong: number;
  readonly failures: Readonly<Record<string, number>>;
  /** Open pace: p99 of how late the driver itself was. */
  readonly latenessP99Ms: number;
  readonly unsent: number;
  readonly elapsedMs: number;
  readonly driverCpuMs: number;
}

export function startLoad(plan: LoadPlan): RunningLoad {
  const child = fork(DRIVER, { serialization: 'advanced', stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const result = new Promise<LoadResult>((resolve, reject) => {
    child.once('message', (counts) => resolve(resultOf(counts as LoadCounts)));
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the load driver ended with exit code ${code}`)));
  });
  child.send(plan);
  return {
    result,
    stop: () => {
      if (child.connected) child.send('stop');
    },
  };
}

export function runLoad(plan: LoadPlan): Promise<LoadResult> {
  return startLoad(plan).result;
}

function resultOf({ latencies, lateness, ...rest }: LoadCounts): LoadResult {
  const histogram = new Histogram(latencies);
  const answers = histogram.count;
  const milliseconds = (share: number): number => histogram.percentile(share) / 1000;
  const delays = new Histogram(lateness);
  return {
    answers,
    perSecond: rest.elapsedMs === 0 ? 0 : answers / (rest.elapsedMs / 1000),
    p50Ms: milliseconds(0.5),
    p90Ms: milliseconds(0.9),
    p99Ms: milliseconds(0.99),
    maxMs: histogram.max / 1000,
    latenessP99Ms: delays.count === 0 ? 0 : delays.percentile(0.99) / 1000,
    ...rest,
  };
}
