import { stringifyYaml } from '@portcullis/artifact';
import { parseJson, stringifyMetadata, type PolicyMetadata } from '@portcullis/protocol';
import { optionValue, type CommandArguments } from '../../command-line/command.ts';
import { cacheFolder, type CommandContext, type Environment } from '../../environment.ts';
import { KwctlError } from '../../errors.ts';
import { sourceOptions } from '../../options/source-options.ts';
import { loadPolicy, locatePolicy } from '../../policy-location.ts';
import { describePolicy } from './description.ts';
import { instancesOf } from './instances.ts';

const MAX_WIDTH = 120;
const WIDTH_WITHOUT_TERMINAL = 80;

/** `kwctl inspect`: shows what a policy says about itself. */
export async function inspect(given: CommandArguments, { environment }: CommandContext): Promise<void> {
  refuseRegistryOptions(given);
  const { location, metadata, bytes } = await loadPolicy(await locatePolicy(given.positionals[0] ?? ''));
  if (metadata === undefined) throw notAnnotated(location);
  const asYaml = optionValue(given, 'output') === 'yaml';
  if (asYaml) environment.write(metadataYaml(metadata));
  else {
    const instances = await instancesOf(bytes, metadata.executionMode, cacheFolder(environment));
    environment.write(describePolicy(metadata, { width: textWidth(environment), instances }));
  }
  if (!given.options.has('show-signatures')) return;
  // Where signatures would be, nothing is looked up for a file. In YAML output only YAML may be on stdout.
  const text = `Cannot determine if the policy has been signed. There was an error while attempting to fetch its signatures from the remote registry: invalid uri \n`;
  if (asYaml) environment.writeError(text);
  else environment.write(`\n${text}`);
}

function metadataYaml(metadata: PolicyMetadata): string {
  return stringifyYaml(parseJson(stringifyMetadata(metadata)));
}

function notAnnotated(location: string): KwctlError {
  return new KwctlError(
    'metadata-invalid',
    `No Kubewarden metadata found inside of '${location}'.\nPolicies can be annotated with the \`kwctl annotate\` command.`,
  );
}

function refuseRegistryOptions({ options }: CommandArguments): void {
  const found = sourceOptions()
    .map(({ id }) => id)
    .filter((id) => options.has(id));
  if (found.length === 0) return;
  throw new KwctlError(
    'not-served',
    `${found.map((id) => `--${id}`).join(', ')}: this release inspects files; it does not reach registries`,
  );
}

function textWidth({ env, terminal }: Environment): number {
  const fromEnv = Number(env['COLUMNS']);
  const columns =
    terminal.stdoutColumns ?? (Number.isInteger(fromEnv) && fromEnv > 0 ? fromEnv : WIDTH_WITHOUT_TERMINAL);
  return Math.min(columns, MAX_WIDTH);
}
