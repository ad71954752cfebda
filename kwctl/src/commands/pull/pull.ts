import type { CommandArguments } from '../../command-line/command.ts';
import type { CommandContext } from '../../environment.ts';
import { KwctlError } from '../../errors.ts';

/** `kwctl pull` */
export async function pull(_given: CommandArguments, _context: CommandContext): Promise<void> {
  throw new KwctlError('not-served', "'kwctl pull' is not served by this release");
}
