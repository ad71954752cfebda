import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import type { BenchContext } from './bench.ts';

/** Where and with what something was measured: enough to judge a figure, nothing that names a person's machine. */
export interface Environment {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGib: number;
  /** Runnable processes in the last minute of the measurement, its own included: far above 1–2, others were at work too. */
  readonly load: number;
  readonly system: string;
  readonly node: string;
  readonly v8: string;
  /** The commit that was measured; `+` when the checkout held changes beside it. */
  readonly commit: string;
}

export interface ResultFile {
  readonly bench: string;
  /** UTC, when the measurement ended. */
  readonly date: string;
  readonly command: string;
  readonly environment: Environment;
  /** What else took part, such as `wasmtime`, and its version. */
  readonly peers: Readonly<Record<string, string>>;
  /** How it was measured, in a few sentences. */
  readonly method: string;
  /** Everything the figures in `table` were made from, round by round. */
  readonly samples: unknown;
  /** The lines that were printed. */
  readonly table: readonly string[];
}

export interface Results extends Omit<ResultFile, 'date' | 'command' | 'environment'> {
  /** Pictures by name; the name follows that of the bench (`''` = none). */
  readonly plots: Readonly<Record<string, string>>;
}

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '../..');

export async function describeEnvironment(): Promise<Environment> {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    load: Math.round((loadavg()[0] ?? Number.NaN) * 10) / 10,
    system: `${process.platform} ${release()} ${process.arch}`,
    node: process.versions.node,
    v8: process.versions.v8,
    commit: await commit(),
  };
}

async function commit(): Promise<string> {
  try {
    const head = await run('git', ['rev-parse', '--short=12', 'HEAD'], { cwd: ROOT });
    const changes = await run('git', ['status', '--porcelain', '--untracked-files=no'], { cwd: ROOT });
    return head.stdout.trim() + (changes.stdout.trim() === '' ? '' : '+');
  } catch {
    return 'unknown';
  }
}

/** Writes `<date>-<bench>.json` and its pictures; returns their paths from here, none when results are not to be kept. */
export async function writeResults(context: BenchContext, { plots, ...results }: Results): Promise<string[]> {
  if (context.resultsDir === undefined) return [];
  const now = new Date();
  const date = now.toISOString();
  const file: ResultFile = { ...results, date, command: context.command, environment: await describeEnvironment() };
  const stem = join(context.resultsDir, `${fileStamp(date)}-${results.bench}`);
  await mkdir(context.resultsDir, { recursive: true });
  await writeFile(`${stem}.json`, `${JSON.stringify(file, null, 2)}\n`);
  const written = [`${stem}.json`];
  for (const [name, svg] of Object.entries(plots)) {
    const path = `${stem}${name === '' ? '' : `-${name}`}.svg`;
    await writeFile(path, svg);
    written.push(path);
  }
  return written.map((path) => relative('', path));
}

/** `2026-11-21T16:05:09.123Z` → `2026-11-21-1605`. */
function fileStamp(date: string): string {
  return `${date.slice(0, 10)}-${date.slice(11, 16).replace(':', '')}`;
}
