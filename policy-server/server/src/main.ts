#!/usr/bin/env node
// No import stands here and the syntax is plain: an older Node must get as far as the message.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major < 24 || (major === 24 && minor < 20)) {
  process.stderr.write(`Error: policy-server needs Node 24.20 or newer, this is ${process.versions.node}\n`);
  process.exitCode = 1;
} else {
  await run();
}

async function run() {
  const { availableParallelism } = await import('node:os');
  const { runCommandLine } = await import('./cli.ts');
  // Whoever reads our output may stop reading (`--help | head`); that is no reason to say or break anything.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  process.exitCode = await runCommandLine({
    argv: process.argv.slice(2),
    env: process.env,
    cpus: availableParallelism(),
    stdout: process.stdout,
    stderr: process.stderr,
    wallClockMs: () => performance.timeOrigin + performance.now(),
    onStop: (listener) => {
      // Once: the second signal finds no handler of ours and ends the process at once.
      process.once('SIGTERM', () => listener('SIGTERM'));
      process.once('SIGINT', () => listener('SIGINT'));
    },
  });
}
