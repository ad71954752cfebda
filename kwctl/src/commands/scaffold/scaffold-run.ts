import { runCli } from '../../cli.ts';
import { environment } from '../../kubernetes/test-cluster.ts';
import type { Outcome } from '../../test/kwctl-process.ts';

/** Runs a command line of kwctl in this process, in a home folder of its own. */
export async function scaffold(
  args: readonly string[],
  { home, env = {} }: { home: string; env?: Record<string, string> },
): Promise<Outcome> {
  const outcome: Outcome = { code: null, stdout: '', stderr: '' };
  outcome.code = await runCli(['scaffold', ...args], {
    ...environment(home, env),
    write: (text) => void (outcome.stdout += text),
    writeError: (text) => void (outcome.stderr += text),
    now: () => new Date('2026-11-21T10:20:30.045Z'),
  });
  return outcome;
}
