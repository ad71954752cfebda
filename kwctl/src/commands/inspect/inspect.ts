import { ArtifactError, stringifyYaml, type LoadedModule, type ModuleLocation } from '@portcullis/artifact';
import {
  parseJson,
  stringifyJson,
  stringifyMetadata,
  type JsonObject,
  type JsonValue,
  type PolicyMetadata,
} from '@portcullis/protocol';
import { optionValue, type CommandArguments } from '../../command-line/command.ts';
import { cacheFolder, type CommandContext, type Environment } from '../../environment.ts';
import { KwctlError } from '../../errors.ts';
import { readLocalPolicy } from '../../local-policy.ts';
import { openRegistryAccess, readSources } from '../../options/source.ts';
import { printable } from '../../output/log.ts';
import { describePolicy } from './description.ts';
import { instancesOf } from './instances.ts';
import type { Emphasis } from './row-table.ts';
import { describeSignatures, signatureMembers } from './signature-text.ts';
import { findSignatures, type AttachedSignatures } from './signatures.ts';

const MAX_WIDTH = 120;
const WIDTH_WITHOUT_TERMINAL = 80;

/** `kwctl inspect`: shows what a policy says about itself, and who else says something about it. */
export async function inspect(given: CommandArguments, context: CommandContext): Promise<void> {
  const { environment } = context;
  // A mistake in the command line is told, whether or not the file would be needed.
  if (given.options.has('sources-path')) await readSources(given, context);
  const { location, module } = await readLocalPolicy(given.positionals[0] ?? '', context);
  const { metadata } = module;
  if (metadata === undefined) throw notAnnotated(module.location);
  const lookUp = given.options.has('show-signatures') ? () => lookUpSignatures(location, given, context) : undefined;
  const format = given.options.has('json') ? 'json' : (optionValue(given, 'output') ?? 'text');
  if (format !== 'text') {
    const members = metadataMembers(metadata);
    // Where programs read, sentences about signatures go to stderr.
    for (const [key, value] of signatureMembersOf(await lookUp?.(), environment.writeError)) members.set(key, value);
    environment.write(format === 'yaml' ? stringifyYaml(members) : `${stringifyJson(members)}\n`);
    return;
  }
  environment.write(await description(module, metadata, context));
  if (lookUp !== undefined) environment.write(signatureText(await lookUp(), emphasisOf(context)));
}

async function description(
  { bytes }: LoadedModule,
  metadata: PolicyMetadata,
  context: CommandContext,
): Promise<string> {
  const { environment } = context;
  const instances = await instancesOf(bytes, metadata.executionMode, cacheFolder(environment));
  return describePolicy(metadata, { width: textWidth(environment), instances, emphasize: emphasisOf(context) });
}

function emphasisOf({ colorsStdout }: CommandContext): Emphasis {
  return (title) => (colorsStdout === true ? `\u001b[1m${title}\u001b[0m` : title);
}

/** What is beside the policy in its registry, or a sentence why that cannot be told; it ends no command. */
async function lookUpSignatures(
  location: ModuleLocation,
  given: CommandArguments,
  context: CommandContext,
): Promise<AttachedSignatures | string> {
  await using access = await openRegistryAccess(given, context);
  if (location.scheme !== 'registry') return failureSentence('invalid uri');
  try {
    const found = await findSignatures(location.reference, access.client);
    const isNothing = found.cosign === undefined && found.bundles.length === 0;
    return isNothing ? 'No sigstore signatures found\n' : found;
  } catch (error) {
    if (!(error instanceof ArtifactError)) throw error;
    return failureSentence(error.message);
  }
}

function failureSentence(reason: string): string {
  return (
    'Cannot determine if the policy has been signed. There was an error while attempting to fetch its signatures ' +
    `from the remote registry: ${printable(reason)} \n`
  );
}

function signatureText(found: AttachedSignatures | string, emphasize: Emphasis): string {
  if (typeof found === 'string') return `\n${found}`;
  return `${describeSignatures(found, emphasize)}${found.failure === undefined ? '' : failureSentence(found.failure.message)}`;
}

function signatureMembersOf(
  found: AttachedSignatures | string | undefined,
  writeError: (text: string) => void,
): JsonObject {
  if (found === undefined) return new Map<string, JsonValue>();
  if (typeof found === 'string') {
    writeError(found);
    return new Map<string, JsonValue>();
  }
  if (found.failure !== undefined) writeError(failureSentence(found.failure.message));
  return signatureMembers(found);
}

function metadataMembers(metadata: PolicyMetadata): JsonObject {
  const members = parseJson(stringifyMetadata(metadata));
  if (!(members instanceof Map)) throw new TypeError('metadata is an object');
  return members;
}

function notAnnotated(location: string): KwctlError {
  return new KwctlError(
    'metadata-invalid',
    `No Kubewarden metadata found inside of '${location}'.\nPolicies can be annotated with the \`kwctl annotate\` command.`,
  );
}

function textWidth({ env, terminal }: Environment): number {
  const fromEnv = Number(env['COLUMNS']);
  const columns =
    terminal.stdoutColumns ?? (Number.isInteger(fromEnv) && fromEnv > 0 ? fromEnv : WIDTH_WITHOUT_TERMINAL);
  return Math.min(columns, MAX_WIDTH);
}
