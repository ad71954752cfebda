import { join } from 'node:path';
import { runCli } from '../cli.ts';
import type { Outcome } from './kwctl-process.ts';

/**
 * Runs a command line in this process, as a user whose home is `home` and whose environment is empty. Many times faster than
 * a program of its own; paths must be absolute.
 */
export async function kwctlHere(home: string, args: readonly string[]): Promise<Outcome> {
  const outcome: Outcome = { code: null, stdout: '', stderr: '' };
  outcome.code = await runCli(args, {
    env: { XDG_CACHE_HOME: join(home, 'cache') },
    home,
    stdin: { [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve({ done: true, value: undefined }) }) },
    write: (text) => void (outcome.stdout += text),
    writeError: (text) => void (outcome.stderr += text),
    terminal: { stdoutColumns: undefined, isStderrTerminal: false },
    now: () => new Date(),
  });
  return outcome;
}
