import { availableParallelism, homedir } from 'node:os';
import { isAbsolute } from 'node:path';
import { boundBackgroundCompilation } from '@portcullis/evaluator';
import { runCommandLine } from './cli.ts';

const LINGER_MS = 2000;

// Whoever reads our output may stop reading (`--help | head`); that is no reason to say or break anything.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

boundBackgroundCompilation(availableParallelism());

/** A user without a home, as containers have them, has no settings there either; nor are they those of the working directory. */
function homeFolder(): string | undefined {
  try {
    const home = homedir();
    return isAbsolute(home) ? home : undefined;
  } catch {
    return undefined;
  }
}

process.exitCode = await runCommandLine({
  argv: process.argv.slice(2),
  env: process.env,
  home: homeFolder(),
  cpus: availableParallelism(),
  stdout: process.stdout,
  stderr: process.stderr,
  wallClockMs: () => performance.timeOrigin + performance.now(),
  onStop: (listener) => {
    // Once: the second signal finds no handler of ours and ends the process at once.
    process.once('SIGTERM', () => listener('SIGTERM'));
    process.once('SIGINT', () => listener('SIGINT'));
  },
  onExit: (listener) => void process.once('exit', listener),
});

// A program that was asked for credentials and does not answer is no reason to stay.
setTimeout(() => process.exit(), LINGER_MS).unref();
