import type { CommandArguments } from '../../command-line/command.ts';
import type { CommandContext } from '../../environment.ts';
import { KwctlError } from '../../errors.ts';

/** `kwctl push` */
export async function push(_given: CommandArguments, _context: CommandContext): Promise<void> {
  throw new KwctlError('not-served', "'kwctl push' is not served by this release");
}
