import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench, BenchContext } from '../bench.ts';
import { readFlags } from '../flags.ts';
import { interleave } from '../interleave.ts';
import { type LoadResult, runLoad, startLoad } from '../load/load.ts';
import { harmlessPod } from '../modules/pod-reviews.ts';
import { ruleModule } from '../modules/rule-modules.ts';
import { processUsage } from '../servers/process-usage.ts';
import { type Portcullis, startPortcullis } from '../servers/portcullis.ts';
import { NEIGHBOUR_POLICIES, NEIGHBOURS, type Neighbour, neighbourModules } from './neighbours.ts';
import { type TailRound, report } from './report.ts';

const DEFAULTS = { rounds: 3, seconds: 8, rate: 100, workers: 2 };
const OPEN_CONNECTIONS = 256;
const WARM_UP_MS = 1000;
const LOAD_LIMIT_MS = 10 * 60_000;
/** Clients that are refused ask again, but not in a loop: that would measure a flood of refusals. */
const BACK_OFF_MS = 100;
/** Whoever looped when the load ended is stopped by then. */
const CALM_MS = 2500;

type TailOptions = typeof DEFAULTS;

export const tail: Bench = {
  summary: 'a fast policy at a fixed rate, alone and beside a sleeping, a looping and a leaking one',
  flags: ['--rounds 3 --seconds 8 --rate 100 --workers 2'],
  run: (context) => measure(context),
};

async function measure(context: BenchContext): Promise<void> {
  const options = readFlags(context.args, DEFAULTS);
  const modules = { fast: await ruleModule('rust'), ...(await neighbourModules()) };
  const samples = await interleave(
    NEIGHBOURS.map((neighbour) => ({ name: neighbour.name, run: () => measureBeside(neighbour, modules, options) })),
    { rounds: options.rounds, warmUpRounds: 0 },
  );
  await report(context, samples, options);
}

/** On a server of its own, so that nobody's bad record is held against the next. */
async function measureBeside(
  { policy, clients }: Neighbour,
  modules: Readonly<Record<string, Uint8Array>>,
  options: TailOptions,
): Promise<TailRound> {
  const policies = { fast: { module: 'fast' }, ...NEIGHBOUR_POLICIES };
  await using server = await startPortcullis({ modules, policies, workers: options.workers });
  const before = await steadily(server, options, WARM_UP_MS);
  const neighbour = startLoad({
    host: '127.0.0.1',
    port: server.port,
    requests: [
      { ...(await harmlessPod()), expect: policy === 'looping' ? 'denied' : 'allowed', path: `/validate/${policy}` },
    ],
    pace: { kind: 'closed', connections: clients, backOffMs: BACK_OFF_MS },
    warmUpMs: 0,
    durationMs: LOAD_LIMIT_MS,
  });
  // From the first moment on: what a neighbour does before anybody knows it is what hurts most.
  const beside = await steadily(server, options, 0);
  const { rssMb = Number.NaN } = processUsage(server.pid) ?? {};
  neighbour.stop();
  const { answers, wrong, statuses } = await neighbour.result;
  await sleep(CALM_MS);
  const after = await steadily(server, options, WARM_UP_MS);
  return { before, beside, after, neighbour: { answers, wrong, statuses }, rssMb };
}

async function steadily({ port }: Portcullis, { rate, seconds }: TailOptions, warmUpMs: number): Promise<LoadResult> {
  const requests = [{ ...(await harmlessPod()), path: '/validate/fast' }];
  const pace = { kind: 'open', perSecond: rate, connections: OPEN_CONNECTIONS } as const;
  return runLoad({ host: '127.0.0.1', port, requests, pace, warmUpMs, durationMs: seconds * 1000 });
}
