import { availableParallelism, homedir } from 'node:os';
import { boundBackgroundCompilation } from '@portcullis/evaluator';
import { runCommandLine } from './cli.ts';

// Whoever reads our output may stop reading (`--help | head`); that is no reason to say or break anything.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

boundBackgroundCompilation(availableParallelism());

process.exitCode = await runCommandLine({
  argv: process.argv.slice(2),
  env: process.env,
  home: homedir(),
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
