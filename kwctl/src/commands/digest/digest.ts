import { parseRegistryLocation } from '@portcullis/artifact';
import type { CommandArguments } from '../../command-line/command.ts';
import type { CommandContext } from '../../environment.ts';
import { openRegistryAccess } from '../../options/source.ts';

/** `kwctl digest`: the given reference, followed by the digest it stands for. */
export async function digest(given: CommandArguments, context: CommandContext): Promise<void> {
  const uri = given.positionals[0] ?? '';
  const { reference } = parseRegistryLocation(uri);
  await using access = await openRegistryAccess(given, context);
  const found = await access.client.digest(reference, { operation: 'digest' });
  // A reference has one digest: what is pinned already is not pinned twice.
  const named = reference.digest === undefined ? uri : uri.slice(0, uri.indexOf('@'));
  context.environment.write(`${named}@${found}\n`);
}
