import type { CommandArguments } from '../../../command-line/command.ts';
import type { CommandContext } from '../../../environment.ts';
import { KwctlError } from '../../../errors.ts';

/** `kwctl scaffold admission-request` */
export async function scaffoldAdmissionRequest(_given: CommandArguments, _context: CommandContext): Promise<void> {
  throw new KwctlError('not-served', "'kwctl scaffold admission-request' is not served by this release");
}
