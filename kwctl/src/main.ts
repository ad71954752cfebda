import { homedir } from 'node:os';
import { runCli } from './cli.ts';

// Warnings of the platform are no business of whoever reads our stderr; worker threads inherit the variable.
process.removeAllListeners('warning');
process.env['NODE_NO_WARNINGS'] = '1';

// A reader that goes away (`kwctl … | head -1`) is no failure.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
}

process.exitCode = await runCli(process.argv.slice(2), {
  env: process.env,
  home: homedir(),
  // The stream is opened when somebody reads it.
  stdin: { [Symbol.asyncIterator]: () => process.stdin[Symbol.asyncIterator]() },
  write: (text) => void process.stdout.write(text),
  writeError: (text) => void process.stderr.write(text),
  terminal: { stdoutColumns: process.stdout.columns, isStderrTerminal: process.stderr.isTTY },
  now: () => new Date(),
});
