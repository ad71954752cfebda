import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bench, type BenchContext, BenchError } from '../bench.ts';
import { readFlags } from '../flags.ts';
import { interleave } from '../interleave.ts';
import { writeResults } from '../results.ts';
import { CHECKOUT } from '../servers/portcullis.ts';
import { spread } from '../statistics.ts';
import { textTable } from '../text-table.ts';
import { mergeBase } from './base.ts';
import { MEASURES, type MeasureName, startSide } from './sides.ts';
import { type Judged, judge } from './verdict.ts';
import { checkOut } from './worktree.ts';

const DEFAULTS = { base: 'main', rounds: 7, seconds: 2, percent: 10 };
const METHOD =
  'The working tree and the base run at once, each with its own server and evaluator, and are measured in turn, round by round. A figure is ' +
  'the median over rounds of how much worse the working tree was in the same round. What is worse than allowed is measured a ' +
  'second time with twice the rounds: only what is worse both times fails.';

export const gate: Bench = {
  summary: 'the working tree against the merge base: fails when one of three medians is over 10 % worse',
  flags: ['--base main --percent 10 --rounds 7 --seconds 2'],
  run: (context) => measure(context),
};

async function measure(context: BenchContext): Promise<void> {
  const { base: branch, percent, rounds, seconds } = readFlags(context.args, DEFAULTS);
  const base = await mergeBase(CHECKOUT, branch);
  context.print(`base: ${base.commit.slice(0, 12)}, ${base.why}; dependencies are those installed here`);
  const isWorse = ({ worse }: Judged): boolean => worse > percent / 100;
  const first = await compare(base.commit, rounds, seconds);
  print(context, first);
  const suspects = new Set(first.filter(isWorse).map((one) => one.measure.name));
  if (suspects.size === 0) return keep(context, base.commit, [first]);
  context.print('worse than allowed: measured again');
  const second = await compare(base.commit, 2 * rounds, seconds);
  print(context, second);
  await keep(context, base.commit, [first, second]);
  const failed = second.filter(isWorse).flatMap((one) => (suspects.has(one.measure.name) ? [one.measure.name] : []));
  if (failed.length > 0) throw new BenchError(`over ${percent} % worse than the base: ${failed.join(', ')}`);
}

async function compare(commit: string, rounds: number, seconds: number): Promise<Judged[]> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-gate-'));
  try {
    await using stack = new AsyncDisposableStack();
    const worktree = stack.use(await checkOut(CHECKOUT, commit));
    const contenders = [];
    for (const [name, checkout] of [['base', worktree.folder] as const, ['tree', CHECKOUT] as const]) {
      await mkdir(join(folder, name));
      contenders.push(await startSide(name, checkout, { folder: join(folder, name), seconds, stack }));
    }
    const samples = await interleave(contenders, { rounds });
    const names = Object.keys(MEASURES) as MeasureName[];
    return names.flatMap((name) => {
      const values = (side: string): number[] => (samples.get(side) ?? []).flatMap((sample) => sample[name] ?? []);
      const [base, tree] = [values('base'), values('tree')];
      return base.length === rounds && tree.length === rounds ? [judge(MEASURES[name], base, tree)] : [];
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function print(context: BenchContext, judged: readonly Judged[]): void {
  for (const line of tableOf(judged)) context.print(line);
  if (judged.length < Object.keys(MEASURES).length)
    context.print('! the base has no program that measures its evaluator: that figure is not compared');
}

function tableOf(judged: readonly Judged[]): string[] {
  const rows = judged.map(({ measure: { name, unit }, base, tree, worse }) => [
    `${name}, ${unit}`,
    spread(base),
    spread(tree),
    `${worse > 0 ? '+' : ''}${(worse * 100).toFixed(1)} %`,
  ]);
  return textTable([['median (min–max)', 'base', 'working tree', 'worse by'], ...rows]);
}

async function keep(context: BenchContext, commit: string, attempts: readonly (readonly Judged[])[]): Promise<void> {
  const table = attempts.flatMap(tableOf);
  const peers = { base: commit };
  const written = await writeResults(context, {
    bench: 'gate',
    peers,
    method: METHOD,
    samples: attempts,
    table,
    plots: {},
  });
  for (const path of written) context.print(path);
}
