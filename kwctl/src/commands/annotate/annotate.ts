import { resolve } from 'node:path';
import { MAX_MODULE_BYTES, systemErrorText, KUBEWARDEN_VERSION } from '@portcullis/artifact';
import {
  messageOf,
  encodeUtf8,
  isRegoModule,
  METADATA_SECTION,
  ModuleError,
  moduleKind,
  readSections,
  renameImport,
  replaceCustomSection,
  stringifyMetadata,
  validateMetadata,
  type PolicyMetadata,
} from '@portcullis/protocol';
import { optionValue, type CommandArguments } from '../../command-line/command.ts';
import type { CommandContext } from '../../environment.ts';
import { KwctlError } from '../../errors.ts';
import { readFile, writeWholeFile } from '../../file.ts';
import type { Log } from '../../output/log.ts';
import { scanCapabilities } from './capability-scan.ts';
import { readMetadataFile, readMetadataText } from './metadata-file.ts';
import { detectProtocolVersion } from './protocol-version.ts';

const KWCTL_ANNOTATION = 'io.kubewarden.kwctl';
const USAGE_ANNOTATION = 'io.kubewarden.policy.usage';

/** `kwctl annotate`: puts a policy's metadata into its module. */
export async function annotate(given: CommandArguments, { log }: CommandContext): Promise<void> {
  const usagePath = optionValue(given, 'usage-path');
  const usage = usagePath === undefined ? undefined : await readMetadataText(usagePath, 'Error reading usage file');
  const bytes = await readModule(given.positionals[0] ?? '');
  const used = scanCapabilities(bytes);
  const fromFile = await readMetadataFile(optionValue(given, 'metadata-path') ?? '');
  warnAboutCapabilities(used, fromFile.hostCapabilities ?? [], log);
  const metadata = await completeMetadata(fromFile, bytes, usage);
  const section = encodeUtf8(stringifyMetadata(metadata));
  await writeModule(
    optionValue(given, 'output-path') ?? '',
    replaceCustomSection(portable(bytes), METADATA_SECTION, section),
  );
}

async function readModule(path: string): Promise<Uint8Array> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(resolve(path), MAX_MODULE_BYTES);
  } catch (error) {
    throw new KwctlError('file-unusable', `Error reading wasm file: ${messageOf(error)}`, { cause: error });
  }
  try {
    readSections(bytes);
    return bytes;
  } catch (error) {
    if (!(error instanceof ModuleError)) throw error;
    throw new KwctlError('module-invalid', `Error parsing wasm module: ${error.message} (${path})`, { cause: error });
  }
}

/** Hosts of other makers know the host call of Javy policies only by its older name. */
function portable(bytes: Uint8Array): Uint8Array {
  return renameImport(bytes, { module: 'kubewarden:javy/host', name: 'call' }, { module: 'host', name: 'call' });
}

async function completeMetadata(
  metadata: PolicyMetadata,
  bytes: Uint8Array,
  usage: string | undefined,
): Promise<PolicyMetadata> {
  checkExecutionMode(metadata, bytes);
  const annotations: Record<string, string> = { ...metadata.annotations, [KWCTL_ANNOTATION]: KUBEWARDEN_VERSION };
  if (usage !== undefined) annotations[USAGE_ANNOTATION] = usage;
  const protocolVersion = metadata.executionMode === 'kubewarden-wapc' ? await detectProtocolVersion(bytes) : 'Unknown';
  const complete: PolicyMetadata = { ...metadata, annotations, protocolVersion };
  const problems = validateMetadata(complete);
  if (problems.length > 0) throw new KwctlError('metadata-invalid', `Metadata is invalid: ${problems.join('; ')}`);
  return complete;
}

function checkExecutionMode({ executionMode }: PolicyMetadata, bytes: Uint8Array): void {
  const wrong = "Wrong value inside of policy's metadata for 'executionMode'.";
  const isComponent = moduleKind(bytes) === 'component';
  if (isComponent !== (executionMode === 'component')) {
    const nature = isComponent ? 'is' : 'is not';
    throw new KwctlError('metadata-invalid', `${wrong} This policy ${nature} a WebAssembly component`);
  }
  const isRego = isRegoModule(bytes);
  const isRegoMode = executionMode === 'opa' || executionMode === 'gatekeeper';
  if (isRego && !isRegoMode)
    throw new KwctlError('metadata-invalid', `${wrong} This policy has been created using Rego`);
  if (!isRego && isRegoMode) {
    throw new KwctlError('metadata-invalid', `${wrong} The policy has not been created using Rego`);
  }
}

function warnAboutCapabilities(used: readonly string[], declared: readonly string[], log: Log): void {
  const undeclared = used.filter((capability) => !declared.includes(capability));
  const undetected = declared.filter((capability) => !used.includes(capability));
  for (const [capabilities, message] of [
    [undeclared, 'host capabilities used by the policy but not declared in metadata'],
    [undetected, 'host capabilities declared in metadata but not detected in the policy'],
  ] as const) {
    if (capabilities.length === 0) continue;
    const list = Array.from(capabilities, (capability) => JSON.stringify(capability))
      .sort()
      .join(', ');
    log({ level: 'warn', target: 'kwctl::annotate', message, fields: { capabilities: `{${list}}` } });
  }
}

async function writeModule(path: string, bytes: Uint8Array): Promise<void> {
  try {
    await writeWholeFile(path, bytes);
  } catch (error) {
    throw new KwctlError('file-unusable', `Error writing annotated policy to '${path}': ${systemErrorText(error)}`, {
      cause: error,
    });
  }
}
