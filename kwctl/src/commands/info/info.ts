import type { CommandArguments } from '../../command-line/command.ts';
import type { CommandContext } from '../../environment.ts';
import { KwctlError } from '../../errors.ts';

/** `kwctl info` */
export async function info(_given: CommandArguments, _context: CommandContext): Promise<void> {
  throw new KwctlError('not-served', "'kwctl info' is not served by this release");
}
