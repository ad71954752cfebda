import type { HttpContender } from './http.ts';
import { runLoad } from '../load/load.ts';
import { type SaturationClient, saturate } from '../load/saturation.ts';
import { processUsage } from '../servers/process-usage.ts';

/** Connections of the open loop: more than are ever needed at once, unless the server stalls. */
const OPEN_CONNECTIONS = 64;
/** Connections and code of the driver's process are warm before what counts. */
const WARM_UP_MS = 500;

export interface RoundOptions {
  readonly seconds: number;
  readonly connections: number;
  readonly rate: number;
  readonly client: SaturationClient;
}

/** CPU and memory are NaN for a server of which only the URL is known. */
export interface Figures {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuMsPerRequest: number;
  readonly rssMb: number;
  /** Answers other than 2xx, and requests without one. */
  readonly failed: number;
}

export interface Round {
  readonly saturation: Figures;
  /** At a fixed rate, from the time each request was to be sent. */
  readonly steady: Figures & { readonly latenessP99Ms: number };
}

export async function measureRound(contender: HttpContender, options: RoundOptions): Promise<Round> {
  return { saturation: await atSaturation(contender, options), steady: await atFixedRate(contender, options) };
}

async function atSaturation(contender: HttpContender, options: RoundOptions): Promise<Figures> {
  const { host, port, requests } = contender;
  const usage = meter(contender);
  const result = await saturate(options.client, { host, port, requests, ...options });
  return { ...result, ...usage(result.answers) };
}

async function atFixedRate(contender: HttpContender, options: RoundOptions): Promise<Round['steady']> {
  const { host, port, requests } = contender;
  const pace = { kind: 'open', perSecond: options.rate, connections: OPEN_CONNECTIONS } as const;
  const durationMs = options.seconds * 1000;
  const usage = meter(contender);
  const result = await runLoad({ host, port, requests, pace, warmUpMs: WARM_UP_MS, durationMs });
  const { answers, perSecond, p50Ms, p99Ms, latenessP99Ms } = result;
  const good = Object.entries(result.statuses).reduce((sum, [code, n]) => sum + (code.startsWith('2') ? n : 0), 0);
  const lost = Object.values(result.failures).reduce((sum, count) => sum + count, 0);
  const failed = answers - good + lost + result.unsent;
  // The meter has seen the warm-up as well.
  const metered = answers * ((durationMs + WARM_UP_MS) / durationMs);
  return { perSecond, p50Ms, p99Ms, latenessP99Ms, failed, ...usage(metered) };
}

/** Call it after the load, with how many requests there were. */
function meter({ pid }: HttpContender): (requests: number) => Pick<Figures, 'cpuMsPerRequest' | 'rssMb'> {
  const before = pid === undefined ? undefined : processUsage(pid);
  return (requests) => {
    const after = pid === undefined ? undefined : processUsage(pid);
    if (before === undefined || after === undefined) return { cpuMsPerRequest: Number.NaN, rssMb: Number.NaN };
    return { cpuMsPerRequest: (after.cpuMs - before.cpuMs) / requests, rssMb: after.rssMb };
  };
}
