import type { CommandArguments } from '../../../command-line/command.ts';
import type { CommandContext } from '../../../environment.ts';
import { KwctlError } from '../../../errors.ts';

/** `kwctl scaffold artifacthub` */
export async function scaffoldArtifacthub(_given: CommandArguments, _context: CommandContext): Promise<void> {
  throw new KwctlError('not-served', "'kwctl scaffold artifacthub' is not served by this release");
}
