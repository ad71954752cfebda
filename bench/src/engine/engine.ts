import { type Bench, type BenchContext, BenchError } from '../bench.ts';
import { readFlags } from '../flags.ts';
import { wasmtimePeer } from '../peers/wasmtime.ts';
import { writeResults } from '../results.ts';
import { CASE_NAMES, engineCase } from './cases.ts';
import { CONTENDERS } from './definitions.ts';
import { type CaseResult, measureCase } from './measurement.ts';
import { caseTable, enginePlots } from './report.ts';

const METHOD = [
  'Each contender is a process of its own that compiled the module once and evaluates the same request again and again, one at a time,',
  'on a clean slate per evaluation: a new instance (wasmtime, portcullis fresh) or one brought back to its image (portcullis reset).',
  'Nothing is around it: no HTTP, no queue, no hop between threads. Measured is one evaluation from asking for a clean slate to the',
  "guest's answer in host memory, the end of the instance included where it happens at once; garbage collection falls into whichever",
  'evaluation it interrupts. Portcullis composes the payload from request and settings within the time that is measured, wasmtime is',
  'given it ready. Both sides can stop a guest (epoch interruption; checks of the link step). All contenders answered the same bytes.',
  'Contenders take turns, every round begins with another one; ratios are formed round by round; shown is median (min–max) over rounds.',
].join(' ');

const DEFAULTS = { cases: CASE_NAMES.join(','), contenders: '.', rounds: 9, 'round-ms': 200 };

/** What an evaluation costs on one thread, against wasmtime with a fresh instance per call. */
export const engine: Bench = {
  summary: 'one evaluation on one thread, reset and fresh, against wasmtime with a fresh instance per call',
  flags: [
    `--cases ${CASE_NAMES.join(',')}`,
    "--contenders RE   those whose name matches, such as 'portcullis|provider'",
    '--rounds 9 --round-ms 200',
  ],
  async run(context) {
    const flags = readFlags(context.args, DEFAULTS);
    const cases = flags.cases.split(',');
    const unknown = cases.find((name) => !CASE_NAMES.includes(name));
    if (unknown !== undefined)
      throw new BenchError(`--cases: expected some of ${CASE_NAMES.join(', ')}, got ${unknown}`);
    const wanted = new RegExp(flags.contenders);
    const definitions = CONTENDERS.filter(({ name }) => wanted.test(name));
    if (definitions.length === 0) throw new BenchError(`no contender matches ${flags.contenders}`);
    const isNative = definitions.some(({ side }) => side === 'native');
    const peer = isNative ? await wasmtimePeer(context.print) : undefined;
    const run = { definitions, peer: peer?.program, rounds: flags.rounds, roundMs: flags['round-ms'] };
    const results: CaseResult[] = [];
    for (const name of cases) {
      const result = await measureCase(await engineCase(name), run);
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
