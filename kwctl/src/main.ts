import { homedir, userInfo } from 'node:os';
import { isAbsolute } from 'node:path';
import { runCli } from './cli.ts';

// Warnings of the platform are no business of whoever reads our stderr; worker threads inherit the variable.
process.removeAllListeners('warning');
process.env['NODE_NO_WARNINGS'] = '1';

// A reader that goes away (`kwctl … | head -1`) is no failure; a full disk is.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  process.stderr.write(`Error: cannot write to stdout: ${error.message}\n`, () => process.exit(1));
});
// Whoever does not read the log still gets the answer.
process.stderr.on('error', () => {});

const USUAL_COLUMNS = 80;

/** Never relative: what belongs to the user must not be looked for in the working directory. */
function homeFolder(): string {
  try {
    const home = homedir() || userInfo().homedir;
    if (isAbsolute(home)) return home;
  } catch {
    // A user without a home, as containers have them: nothing of theirs is found, and nothing can be kept.
  }
  return '/';
}

/** Terminals that nobody looks at, as pipelines have them, say they have no columns. */
function columnsOf({ isTTY, columns }: NodeJS.WriteStream): number | undefined {
  return isTTY ? columns || USUAL_COLUMNS : undefined;
}

process.exitCode = await runCli(process.argv.slice(2), {
  env: process.env,
  home: homeFolder(),
  // The stream is opened when somebody reads it.
  stdin: { [Symbol.asyncIterator]: () => process.stdin[Symbol.asyncIterator]() },
  write: (text) => void process.stdout.write(text),
  writeError: (text) => void process.stderr.write(text),
  terminal: {
    stdoutColumns: columnsOf(process.stdout),
    // One that can only write lines is as good as none.
    isStderrTerminal: process.stderr.isTTY && process.env['TERM'] !== 'dumb',
    stderrColumns: columnsOf(process.stderr),
  },
  now: () => new Date(),
  interruptible: async (work) => (await import('./interruption.ts')).interruptible(work),
});
