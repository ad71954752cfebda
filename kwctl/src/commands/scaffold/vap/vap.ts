import type { CommandArguments } from '../../../command-line/command.ts';
import type { CommandContext } from '../../../environment.ts';
import { KwctlError } from '../../../errors.ts';

/** `kwctl scaffold vap` */
export async function scaffoldVap(_given: CommandArguments, _context: CommandContext): Promise<void> {
  throw new KwctlError('not-served', "'kwctl scaffold vap' is not served by this release");
}
