import { runLoad } from './load.ts';
import { type Saturation, type SaturationPlan, runWrk, wrkPresent } from './wrk.ts';

/** Which client drives a server to its limit; said in every report, since it shares the cores. */
export type SaturationClient = 'wrk' | 'own';

export function saturationClient(): SaturationClient {
  return wrkPresent() ? 'wrk' : 'own';
}

export async function saturate(client: SaturationClient, plan: SaturationPlan): Promise<Saturation> {
  if (client === 'wrk') return runWrk(plan);
  const { host, port, requests, connections, seconds } = plan;
  const pace = { kind: 'closed', connections } as const;
  const result = await runLoad({ host, port, requests, pace, warmUpMs: 0, durationMs: seconds * 1000 });
  const refused = Object.entries(result.statuses).filter(([status]) => Number(status) >= 400);
  const failures = [...refused, ...Object.entries(result.failures)];
  const { answers, perSecond, p50Ms, p99Ms } = result;
  return { answers, perSecond, p50Ms, p99Ms, failed: failures.reduce((sum, [, count]) => sum + count, 0) };
}
