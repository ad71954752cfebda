import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { check } from './check.ts';
import { prepareParts } from './prepare.ts';

const ROOT = join(import.meta.dirname, '../../../..');
const TAP = join(ROOT, 'node_modules', '.bin', 'tap');

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** Runs tap over the given files (all when empty), passing on what it prints, and reads its closing count of assertions. */
async function runTap(args: readonly string[]): Promise<Counts> {
  const child = spawn(TAP, ['--reporter=terse', ...args], { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
  let tail = '';
  child.stdout.on('data', (chunk: Buffer) => {
    process.stdout.write(chunk);
    tail = (tail + chunk.toString()).slice(-4096);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const counts = closingCounts(tail);
  // A run that fails without a failed assertion (a crash, a file that never ends) is a failure all the same.
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}

function closingCounts(text: string): Counts {
  const closing = [...text.matchAll(/^# \{ total: .*\}$/gm)].at(-1)?.[0] ?? '';
  const count = (name: string): number => Number(new RegExp(`\\b${name}: (\\d+)`).exec(closing)?.[1] ?? 0);
  return { passed: count('pass'), failed: count('fail'), skipped: count('skip') + count('todo') };
}

const quick = process.argv.includes('--quick');
const files = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const progress = (line: string): void => void process.stdout.write(`${line}\n`);

const clean = files.length > 0 || (await check());
if (!quick && files.length === 0) await prepareParts(progress);
const counts = await runTap(quick ? ['--exclude=**/*.e2e.test.ts', '--exclude=**/*.slow.test.ts', ...files] : files);
if (!clean) counts.failed += 1;
process.stdout.write(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1;
