import { shownModuleLocation, PolicyStore } from '@portcullis/artifact';
import type { CommandArguments } from '../../command-line/command.ts';
import { storeFolder, type CommandContext } from '../../environment.ts';
import { locateStoredPolicy, notFound } from '../../policy-location.ts';

/** `kwctl rm`: removes one policy from the store. */
export async function rm(given: CommandArguments, context: CommandContext): Promise<void> {
  const store = new PolicyStore(storeFolder(context.environment));
  const { location, stored } = await locateStoredPolicy(given.positionals[0] ?? '', context);
  const isRemoved = await (stored === undefined ? store.remove(location) : store.removeStored(stored));
  if (!isRemoved) throw notFound(shownModuleLocation(location));
}
