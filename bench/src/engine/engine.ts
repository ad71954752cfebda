import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Bench, type BenchContext, BenchError } from '../bench.ts';
import { interleave } from '../interleave.ts';
import { type Peer, wasmtimePeer } from '../peers/wasmtime.ts';
import { writeResults } from '../results.ts';
import { CASE_NAMES, type EngineCase, engineCase } from './cases.ts';
import { type CaseFiles, type ContenderDefinition, contenderDefinitions, RunningContender } from './contender.ts';
import { caseTable, type CaseResult, enginePlots, evaluationsFor } from './report.ts';

const METHOD = [
  'Each contender is a process of its own that compiled the module once and evaluates the same request again and again, one at a time,',
  'on a clean slate per evaluation: a new instance (wasmtime, portcullis fresh) or one brought back to its image (portcullis reset).',
  'Nothing is around it: no HTTP, no queue, no hop between threads. Measured is one evaluation from asking for a clean slate to the',
  "guest's answer in host memory, the end of the instance included where it happens at once; garbage collection falls into whichever",
  'evaluation it interrupts. Portcullis composes the payload from request and settings within the time that is measured, wasmtime is',
  'given it ready. Both sides can stop a guest (epoch interruption; checks of the link step). All contenders answered the same bytes.',
  'Contenders take turns, every round begins with another one; ratios are formed round by round; shown is median (min–max) over rounds.',
].join(' ');

/** Evaluations before a contender is first measured: enough for V8 to tier up, spent in batches. */
const WARM_UP_MS = 700;
const WARM_UP_BATCH = 50;

interface EngineOptions {
  readonly cases: readonly string[];
  readonly contenders: RegExp;
  readonly rounds: number;
  readonly roundMs: number;
}

/** What an evaluation costs on one thread, against wasmtime with a fresh instance per call. */
export const engine: Bench = {
  summary: 'one evaluation on one thread, reset and fresh, against wasmtime with a fresh instance per call',
  flags: [
    `--cases A,B       of ${CASE_NAMES.join(', ')}; all`,
    '--contenders RE   those whose name matches; all',
    '--rounds N        9',
    '--round-ms N      duration of one round of one contender, about; 200',
  ],
  async run(context) {
    const options = parseOptions(context.args);
    const definitions = contenderDefinitions().filter(({ name }) => options.contenders.test(name));
    if (definitions.length === 0) throw new BenchError(`no contender matches ${options.contenders.source}`);
    const isNative = definitions.some(({ side }) => side === 'native');
    const peer = isNative ? await wasmtimePeer(context.print) : undefined;
    const results: CaseResult[] = [];
    for (const name of options.cases) {
      const result = await measureCase(await engineCase(name), { definitions, peer }, options);
      results.push(result);
      caseTable(result).forEach(context.print);
    }
    await keep(context, results, peer?.versions ?? {});
  },
};

async function keep(
  context: BenchContext,
  results: readonly CaseResult[],
  peers: Readonly<Record<string, string>>,
): Promise<void> {
  const table = results.flatMap(caseTable);
  const plots = enginePlots(results);
  const written = await writeResults(context, {
    bench: 'engine',
    method: METHOD,
    peers,
    samples: results,
    table,
    plots,
  });
  for (const path of written) context.print(`wrote ${path}`);
}

function parseOptions(args: readonly string[]): EngineOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      cases: { type: 'string', default: CASE_NAMES.join(',') },
      contenders: { type: 'string', default: '' },
      rounds: { type: 'string', default: '9' },
      'round-ms': { type: 'string', default: '200' },
    },
  });
  const cases = values.cases.split(',');
  const unknown = cases.find((name) => !CASE_NAMES.includes(name));
  if (unknown !== undefined) throw new BenchError(`--cases: expected some of ${CASE_NAMES.join(', ')}, got ${unknown}`);
  return {
    cases,
    contenders: new RegExp(values.contenders),
    rounds: whole('--rounds', values.rounds),
    roundMs: whole('--round-ms', values['round-ms']),
  };
}

function whole(flag: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new BenchError(`${flag}: expected a positive whole number, got ${text}`);
}

async function measureCase(
  one: EngineCase,
  { definitions, peer }: { readonly definitions: readonly ContenderDefinition[]; readonly peer: Peer | undefined },
  options: EngineOptions,
): Promise<CaseResult> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-bench-'));
  await using running = new AsyncDisposableStack();
  running.defer(() => rm(folder, { recursive: true, force: true }));
  const files = await writeCase(folder, one);
  const contenders: RunningContender[] = [];
  for (const definition of definitions) {
    const answer = join(folder, `answer-${contenders.length}`);
    const program = definition.side === 'native' ? peer?.program : undefined;
    const contender = await RunningContender.start(definition, { ...files, answer }, program);
    contenders.push(running.use(contender));
  }
  requireSameAnswers(contenders);
  const evaluations = evaluationsFor(await warmUp(contenders), options.roundMs);
  const samples = await interleave(
    contenders.map((contender) => ({ name: contender.name, run: () => contender.run(evaluations) })),
    { rounds: options.rounds },
  );
  return {
    name: one.name,
    requestBytes: one.request.byteLength,
    moduleBytes: one.module.byteLength,
    evaluationsPerRound: evaluations,
    loadMs: Object.fromEntries(contenders.map(({ name, loadMs }) => [name, loadMs])),
    rounds: Object.fromEntries(samples),
  };
}

async function writeCase(folder: string, { module, request, settings }: EngineCase): Promise<CaseFiles> {
  const files: CaseFiles = {
    module: join(folder, 'module.wasm'),
    request: join(folder, 'request.json'),
    settings: join(folder, 'settings.json'),
    payload: join(folder, 'payload.json'),
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
  const different = others.find(({ answer }) => Buffer.compare(answer, first?.answer ?? answer) !== 0);
  if (different === undefined) return;
  throw new BenchError(`${different.name} and ${first?.name} do not answer alike: there is nothing to compare`);
}

/** Returns the mean time of an evaluation of each. */
async function warmUp(contenders: readonly RunningContender[]): Promise<number[]> {
  const meansUs: number[] = [];
  for (const contender of contenders) {
    const untilMs = performance.now() + WARM_UP_MS;
    let last = await contender.run(1);
    const batch = Math.max(1, Math.min(WARM_UP_BATCH, Math.round((WARM_UP_MS * 100) / last.latencyUs.mean)));
    while (performance.now() < untilMs) last = await contender.run(batch);
    meansUs.push(last.latencyUs.mean);
  }
  return meansUs;
}
