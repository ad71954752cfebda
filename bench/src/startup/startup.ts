import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bench, BenchContext } from '../bench.ts';
import { readFlags } from '../flags.ts';
import { interleave } from '../interleave.ts';
import { GO_SIZES_MB, goModule } from '../modules/go-modules.ts';
import { thirteenPolicies } from '../modules/policy-set.ts';
import { processUsage } from '../servers/process-usage.ts';
import { type PortcullisOptions, startPortcullis } from '../servers/portcullis.ts';
import { type Start, report } from './report.ts';

/** A module that takes longer than the usual two seconds over its settings is to be measured, not refused. */
const LOAD_SECONDS = 60;
const DEFAULTS = { rounds: 3, workers: 2 };

export const startup: Bench = {
  summary:
    'from start to ready: 13 policies, and Go modules of 4, 20, 30 and 90 MB, with an empty cache and with a full one',
  flags: ['--rounds 3 --workers 2'],
  run: (context) => measure(context),
};

type Subject = Pick<PortcullisOptions, 'modules' | 'policies'>;

async function measure(context: BenchContext): Promise<void> {
  const { rounds, workers } = readFlags(context.args, DEFAULTS);
  const contenders = Object.entries(await subjects()).map(([name, subject]) => ({
    name,
    run: () => coldAndWarm(subject, workers),
  }));
  const samples = await interleave(contenders, { rounds });
  await report(context, samples, workers);
}

async function subjects(): Promise<Record<string, Subject>> {
  const named: Record<string, Subject> = {
    'no policies': { modules: {}, policies: {} },
    '13 policies': await thirteenPolicies(),
  };
  for (const sizeMb of GO_SIZES_MB) {
    const module = await goModule(sizeMb);
    named[`Go ${(module.length / 1e6).toFixed(1)} MB`] = {
      modules: { go: module },
      policies: { go: { module: 'go', timeoutEvalSeconds: LOAD_SECONDS } },
    };
  }
  return named;
}

/** Twice with one cache: the first start fills it. */
async function coldAndWarm(subject: Subject, workers: number): Promise<Start> {
  const cacheDir = await mkdtemp(join(tmpdir(), 'portcullis-bench-cache-'));
  try {
    const cold = await start({ ...subject, workers, cacheDir });
    const warm = await start({ ...subject, workers, cacheDir });
    return { cold, warm };
  } finally {
    await rm(cacheDir, { recursive: true, force: true });
  }
}

async function start(options: PortcullisOptions): Promise<Start['cold']> {
  await using server = await startPortcullis(options);
  const { cpuMs = Number.NaN, rssMb = Number.NaN } = processUsage(server.pid) ?? {};
  return { readyMs: server.readyMs, cpuMs, rssMb };
}
