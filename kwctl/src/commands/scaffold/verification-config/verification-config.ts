import type { CommandArguments } from '../../../command-line/command.ts';
import type { CommandContext } from '../../../environment.ts';
import { KwctlError } from '../../../errors.ts';

/** `kwctl scaffold verification-config` */
export async function scaffoldVerificationConfig(_given: CommandArguments, _context: CommandContext): Promise<void> {
  throw new KwctlError('not-served', "'kwctl scaffold verification-config' is not served by this release");
}
