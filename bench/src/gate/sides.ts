import { admissionReview } from '@portcullis/testkit';
import type { Contender } from '../interleave.ts';
import { runLoad } from '../load/load.ts';
import { saturate, saturationClient } from '../load/saturation.ts';
import { harmlessPod } from '../modules/pod-reviews.ts';
import { ruleModule } from '../modules/rule-modules.ts';
import { type Portcullis, startPortcullis } from '../servers/portcullis.ts';
import { type EngineSide, startEngine } from './engine-side.ts';
import type { Measure } from './verdict.ts';

export const MEASURES = {
  engineMeanUs: { name: 'one evaluation, mean', unit: 'µs', better: 'lower' },
  saturationPerSecond: { name: 'HTTP at saturation', unit: 'requests/s', better: 'higher' },
  steadyP99Ms: { name: 'HTTP p99 at 300/s', unit: 'ms', better: 'lower' },
} as const satisfies Record<string, Measure>;

export type MeasureName = keyof typeof MEASURES;
/** One round of one side; what that side cannot measure is absent. */
export type GateSample = Partial<Record<MeasureName, number>>;

const WORKERS = 2;
const CONNECTIONS = 8;
const RATE = 300;
const OPEN_CONNECTIONS = 64;
const EVALUATIONS = 2000;
const WARM_UP_EVALUATIONS = 4000;
const WARM_UP_MS = 500;

/** The server and the evaluator of one checkout, warm and waiting for their rounds. */
export async function startSide(
  name: string,
  checkout: string,
  {
    folder,
    seconds,
    stack,
  }: { readonly folder: string; readonly seconds: number; readonly stack: AsyncDisposableStack },
): Promise<Contender<GateSample>> {
  const module = await ruleModule('rust');
  const policies = { rule: { module: 'rust' } };
  const server = stack.use(await startPortcullis({ checkout, modules: { rust: module }, policies, workers: WORKERS }));
  const engine = await startEngine(checkout, folder, { module, request: await podRequest() });
  if (engine !== undefined) {
    stack.use(engine);
    await engine.meanUs(WARM_UP_EVALUATIONS);
  }
  return { name, run: () => measureRound(server, engine, seconds) };
}

async function measureRound(
  { port }: Portcullis,
  engine: EngineSide | undefined,
  seconds: number,
): Promise<GateSample> {
  const host = '127.0.0.1';
  const requests = [{ ...(await harmlessPod()), path: '/validate/rule' }];
  const engineMeanUs = await engine?.meanUs(EVALUATIONS);
  const saturation = await saturate(saturationClient(), { host, port, requests, connections: CONNECTIONS, seconds });
  const pace = { kind: 'open', perSecond: RATE, connections: OPEN_CONNECTIONS } as const;
  const steady = await runLoad({ host, port, requests, pace, warmUpMs: WARM_UP_MS, durationMs: seconds * 1000 });
  return {
    ...(engineMeanUs !== undefined && { engineMeanUs }),
    saturationPerSecond: saturation.perSecond,
    steadyP99Ms: steady.p99Ms,
  };
}

/** The `request` of an AdmissionReview, as the evaluator gets it. */
async function podRequest(): Promise<Uint8Array> {
  const review: { request: unknown } = JSON.parse(Buffer.from(await admissionReview('pod-create')).toString());
  return Buffer.from(JSON.stringify(review.request));
}
