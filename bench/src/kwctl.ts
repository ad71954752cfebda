import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Bench } from './bench.ts';
import { median, spread } from './statistics.ts';

const ROOT = join(import.meta.dirname, '../..');
const RUNS = 15;
const run = promisify(execFile);

/** CPU time (user + system) of one run of a command, as the shell accounts it once the process has ended. */
async function cpuMs(command: readonly string[]): Promise<number> {
  const { stderr } = await run('bash', ['-c', 'TIMEFORMAT="%U %S"; time "$@" > /dev/null 2>&1', 'bash', ...command], {
    cwd: ROOT,
  });
  const [user, system] = stderr.trim().split(' ').map(Number);
  return ((user ?? Number.NaN) + (system ?? Number.NaN)) * 1000;
}

/** Start-up of `kwctl --version` beside a Node that does nothing: what is ours and what is the runtime's. */
export const kwctl: Bench = {
  summary: 'start-up of kwctl against a Node that does nothing',
  run: ({ print }) => measure(print),
};

async function measure(print: (line: string) => void): Promise<void> {
  const bare = [process.execPath, '-e', '0'];
  const ours = [process.execPath, join(ROOT, 'kwctl/bin/kwctl.js'), '--version'];
  const samples = { bare: [] as number[], ours: [] as number[] };
  await cpuMs(bare);
  await cpuMs(ours);
  for (let index = 0; index < RUNS; index++) {
    samples.bare.push(await cpuMs(bare));
    samples.ours.push(await cpuMs(ours));
  }
  print(`node -e 0        ${spread(samples.bare)} ms CPU`);
  print(`kwctl --version  ${spread(samples.ours)} ms CPU`);
  print(`ratio of medians ${(median(samples.ours) / median(samples.bare)).toFixed(2)} over ${RUNS} interleaved runs`);
}
