import { GUEST_NAMES, TOOL_NAMES, ToolUnavailable, commitGuests, guestModule, toolFolder } from '../index.ts';

/** Builds every tool and guest that tests need, one after the other, so that no test waits for a toolchain. */
export async function prepareParts(progress: (line: string) => void): Promise<void> {
  for (const name of TOOL_NAMES) {
    try {
      await toolFolder(name, progress);
    } catch (error) {
      if (!(error instanceof ToolUnavailable) || process.env['CI'] === 'true') throw error;
      progress(`${error.message}: the tests that need it are skipped`);
    }
  }
  for (const name of GUEST_NAMES) await guestModule(name, progress);
}

if (process.argv[1] === import.meta.filename) {
  const progress = (line: string): void => void process.stderr.write(`${line}\n`);
  await prepareParts(progress);
  if (process.argv.includes('--commit-guests')) await commitGuests(progress);
}
