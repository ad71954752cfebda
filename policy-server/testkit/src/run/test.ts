import { join } from 'node:path';
import { check } from './check.ts';
import { prepareParts } from './prepare.ts';
import { runTap } from './tap.ts';

const ROOT = join(import.meta.dirname, '../../../..');
/** Files that start whole programs or wait on purpose; the inner loop leaves them out. */
const SLOW = ['--exclude=**/*.e2e.test.ts', '--exclude=**/*.slow.test.ts'];

const quick = process.argv.includes('--quick');
const files = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const print = (line: string): void => void process.stdout.write(`${line}\n`);

// `pnpm check` has its own place in the inner loop.
const everything = !quick && files.length === 0;
const clean = !everything || (await check());
if (everything) await prepareParts(print);
const counts = await runTap(ROOT, quick ? [...SLOW, ...files] : files, print);
if (!clean) counts.failed += 1;
print(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1;
