import type { CommandArguments } from '../../../command-line/command.ts';
import type { CommandContext } from '../../../environment.ts';
import { KwctlError } from '../../../errors.ts';

/** `kwctl scaffold manifest` */
export async function scaffoldManifest(_given: CommandArguments, _context: CommandContext): Promise<void> {
  throw new KwctlError('not-served', "'kwctl scaffold manifest' is not served by this release");
}
