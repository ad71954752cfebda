#!/usr/bin/env node
import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 20)) {
  process.stderr.write(`Error: kwctl needs Node.js 24.20 or newer, this is ${process.versions.node}\n`);
  process.exit(1);
}

// Warnings of the platform are no business of whoever reads our stderr, nor of worker threads.
process.removeAllListeners('warning');
process.env['NODE_NO_WARNINGS'] = '1';

// A reader that goes away (`kwctl … | head -1`) is no failure.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
}

enableCompileCache();
const { runCli } = await import('./cli.ts');
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
