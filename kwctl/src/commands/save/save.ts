import { shownModuleLocation, PolicyStore, saveArchive, type StoredPolicy } from '@portcullis/artifact';
import { messageOf } from '@portcullis/protocol';
import { optionValue, type CommandArguments } from '../../command-line/command.ts';
import { storeFolder, type CommandContext } from '../../environment.ts';
import { KwctlError } from '../../errors.ts';
import { locatePolicy, notFound } from '../../policy-location.ts';

/** `kwctl save`: puts policies of the store into one file, for machines without a network. */
export async function save(given: CommandArguments, context: CommandContext): Promise<void> {
  const store = new PolicyStore(storeFolder(context.environment));
  const policies: StoredPolicy[] = [];
  for (const text of given.positionals) policies.push(await findStored(text, store, context));
  const path = optionValue(given, 'output') ?? '';
  const { interruptible } = context.environment;
  if (interruptible === undefined) await saveArchive(path, policies);
  else await interruptible((signal) => saveArchive(path, policies, signal));
}

async function findStored(text: string, store: PolicyStore, context: CommandContext): Promise<StoredPolicy> {
  try {
    const { location, stored } = await locatePolicy(text, context);
    if (stored !== undefined) return stored;
    if (location.scheme === 'file') {
      throw new KwctlError(
        'policy-not-found',
        'a local file has no place in a store – push it, pull it, and save that',
      );
    }
    const found = await store.find(location);
    if (found === undefined) throw notFound(shownModuleLocation(location));
    return found;
  } catch (error) {
    throw new KwctlError('policy-not-found', `cannot find policy ${text}: ${messageOf(error)}`, { cause: error });
  }
}
