import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BenchError } from '../bench.ts';
import { interleave } from '../interleave.ts';
import { median, percentile } from '../statistics.ts';
import type { EngineCase } from './cases.ts';
import { type EngineSample, RunningContender } from './contender.ts';
import type { CaseFiles, ContenderDefinition } from './definitions.ts';

/** All rounds of all contenders over one case. */
export interface CaseResult {
  readonly name: string;
  readonly requestBytes: number;
  readonly moduleBytes: number;
  readonly evaluationsPerRound: number;
  /** From the bytes of the module to the first answer. */
  readonly loadMs: Readonly<Record<string, number>>;
  /** Contenders that cannot run this module, and what they said. */
  readonly unable: Readonly<Record<string, string>>;
  readonly rounds: Readonly<Record<string, readonly EngineSample[]>>;
}

export interface EngineRun {
  readonly definitions: readonly ContenderDefinition[];
  /** Program of the native contenders. */
  readonly peer: string | undefined;
  readonly rounds: number;
  readonly roundMs: number;
}

/** Time for V8 to tier up, spent in batches before a contender is first measured. */
const WARM_UP_MS = 700;
const WARM_UP_BATCH = 50;

/** Measures all contenders on one case, in interleaved rounds of equally many evaluations. */
export async function measureCase(one: EngineCase, run: EngineRun): Promise<CaseResult> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-bench-'));
  await using running = new AsyncDisposableStack();
  running.defer(() => rm(folder, { recursive: true, force: true }));
  const { contenders, unable } = await startAll(await writeCase(folder, one), run, running);
  requireSameAnswers(contenders);
  const evaluations = evaluationsFor(await warmUp(contenders), run.roundMs);
  const samples = await interleave(
    contenders.map((contender) => ({ name: contender.name, run: () => contender.run(evaluations) })),
    { rounds: run.rounds },
  );
  return {
    name: one.name,
    requestBytes: one.request.byteLength,
    moduleBytes: one.module.byteLength,
    evaluationsPerRound: evaluations,
    loadMs: Object.fromEntries(contenders.map(({ name, loadMs }) => [name, loadMs])),
    unable,
    rounds: Object.fromEntries(samples),
  };
}

async function startAll(
  files: CaseFiles,
  { definitions, peer }: EngineRun,
  running: AsyncDisposableStack,
): Promise<{ contenders: RunningContender[]; unable: Record<string, string> }> {
  const contenders: RunningContender[] = [];
  const unable: Record<string, string> = {};
  for (const definition of definitions.filter(({ modes }) => modes.includes(files.mode))) {
    const isOurs = definition.side === 'ours';
    try {
      const contender = await RunningContender.start(definition, files, isOurs ? undefined : peer);
      contenders.push(running.use(contender));
    } catch (error) {
      // What a peer cannot do is a result; what ours cannot do is a failure.
      if (isOurs || !(error instanceof Error)) throw error;
      unable[definition.name] = error.message;
    }
  }
  if (contenders.length === 0)
    throw new BenchError(`no contender can run this module: ${Object.values(unable).join('; ')}`);
  return { contenders, unable };
}

async function writeCase(folder: string, { module, mode, request, settings }: EngineCase): Promise<CaseFiles> {
  const files: CaseFiles = {
    module: join(folder, 'module.wasm'),
    mode,
    request: join(folder, 'request.json'),
    settings: join(folder, 'settings.json'),
    payload: join(folder, 'payload.json'),
    answer: join(folder, 'answer'),
  };
  await writeFile(files.module, module);
  await writeFile(files.request, request);
  await writeFile(files.settings, settings);
  await writeFile(files.payload, `{"request":${new TextDecoder().decode(request)},"settings":${settings}}`);
  return files;
}

/** A contender that does other work than the rest would be measured in vain. */
function requireSameAnswers(contenders: readonly RunningContender[]): void {
  const [first, ...others] = contenders;
  const different = others.find(({ answer }) => answer !== first?.answer);
  if (different === undefined) return;
  throw new BenchError(`${different.name} and ${first?.name} do not answer alike: there is nothing to compare`);
}

/** Returns the mean time of an evaluation of each. */
async function warmUp(contenders: readonly RunningContender[]): Promise<number[]> {
  const meansUs: number[] = [];
  for (const contender of contenders) {
    const untilMs = performance.now() + WARM_UP_MS;
    let last = await contender.run(1);
    const fitting = Math.round((WARM_UP_MS * 100) / last.latencyUs.mean);
    const batch = Math.max(1, Math.min(WARM_UP_BATCH, fitting));
    while (performance.now() < untilMs) last = await contender.run(batch);
    meansUs.push(last.latencyUs.mean);
  }
  return meansUs;
}

/** How many evaluations make a round of about `roundMs` for the contender in the middle, and of no more than four times that for the slowest. */
function evaluationsFor(meansUs: readonly number[], roundMs: number): number {
  const wanted = Math.min((roundMs * 1000) / median(meansUs), (4 * roundMs * 1000) / percentile(meansUs, 100));
  return Math.max(5, Math.min(5000, Math.round(wanted)));
}
