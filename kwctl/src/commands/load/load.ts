import { loadArchive, PolicyStore } from '@portcullis/artifact';
import { optionValue, type CommandArguments } from '../../command-line/command.ts';
import { storeFolder, type CommandContext } from '../../environment.ts';

/** `kwctl load`: puts the policies of an archive into the store. */
export async function load(given: CommandArguments, { environment, log }: CommandContext): Promise<void> {
  const uris = await loadArchive(optionValue(given, 'input') ?? '', new PolicyStore(storeFolder(environment)));
  for (const uri of uris) log({ level: 'debug', target: 'kwctl::load', message: 'Policy loaded', fields: { uri } });
}
