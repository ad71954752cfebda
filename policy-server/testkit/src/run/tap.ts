import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** What is kept of one test file until its result is known. */
const MAX_KEPT_LINES = 5000;

/** A result of a whole test file in raw TAP; everything below it is indented. */
const FILE_RESULT = /^(not )?ok \d+ - (.*?)(?: # time=([\d.]+)ms.*)?(?: \{)?$/;

const PASSED = /^\s+ok \d+/;
/** A skip is shown with its reason even where all is well. */
const SKIPPED = /# (?:SKIP|TODO)\b/i;

/**
 * Runs tap at the root and prints one line per test file; of a file that failed, everything it said.
 * A run that fails without a failed assertion (a crash, a file that never ends) counts as one failure.
 */
export async function runTap(root: string, args: readonly string[], print: (line: string) => void): Promise<Counts> {
  const tap = join(root, 'node_modules', '.bin', 'tap');
  const child = spawn(tap, ['--reporter=tap', '--no-color', ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  let kept: string[] = [];
  let counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  for await (const line of createInterface({ input: child.stdout })) {
    const result = FILE_RESULT.exec(line);
    if (result !== null) {
      const failed = result[1] !== undefined;
      for (const each of kept) if (failed || SKIPPED.test(each)) print(each);
      print(
        `${failed ? 'FAILED' : 'ok    '}  ${result[2]}${result[3] === undefined ? '' : ` (${(Number(result[3]) / 1000).toFixed(1)} s)`}`,
      );
      kept = [];
    } else if (kept.length < MAX_KEPT_LINES && (!PASSED.test(line) || SKIPPED.test(line))) kept.push(line);
    counts = closingCounts(line) ?? counts;
  }
  const code = await ended;
  if (code !== 0 && counts.failed === 0) {
    for (const line of kept) print(line);
    counts.failed = 1;
  }
  return counts;
}

function closingCounts(line: string): Counts | undefined {
  if (!line.startsWith('# { total: ')) return undefined;
  const count = (name: string): number => Number(new RegExp(`\\b${name}: (\\d+)`).exec(line)?.[1] ?? 0);
  return { passed: count('pass'), failed: count('fail'), skipped: count('skip') + count('todo') };
}
