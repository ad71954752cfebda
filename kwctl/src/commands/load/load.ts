import type { CommandArguments } from '../../command-line/command.ts';
import type { CommandContext } from '../../environment.ts';
import { KwctlError } from '../../errors.ts';

/** `kwctl load` */
export async function load(_given: CommandArguments, _context: CommandContext): Promise<void> {
  throw new KwctlError('not-served', "'kwctl load' is not served by this release");
}
