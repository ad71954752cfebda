import type { CommandArguments } from '../../command-line/command.ts';
import type { CommandContext } from '../../environment.ts';
import { KwctlError } from '../../errors.ts';

/** `kwctl rm` */
export async function rm(_given: CommandArguments, _context: CommandContext): Promise<void> {
  throw new KwctlError('not-served', "'kwctl rm' is not served by this release");
}
