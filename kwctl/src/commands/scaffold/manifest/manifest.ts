import { formatModuleLocation, PolicyStore, stringifyYaml, type ModuleLocation } from '@portcullis/artifact';
import { validateMetadata, type PolicyMetadata } from '@portcullis/protocol';
import { optionValue, type CommandArguments } from '../../../command-line/command.ts';
import { storeFolder, type CommandContext } from '../../../environment.ts';
import { KwctlError } from '../../../errors.ts';
import { VERIFICATION_OPTIONS } from '../../../options/verification-options.ts';
import type { Log } from '../../../output/log.ts';
import { loadPolicy, locateStoredPolicy, type LocatedPolicy } from '../../../policy-location.ts';
import { readManifestSettings } from './manifest-settings.ts';
import { policyResource, type PolicyKind } from './policy-resource.ts';

const TARGET = 'kwctl::scaffold';

/** `kwctl scaffold manifest`: the custom resource that puts a policy to work. */
export async function scaffoldManifest(given: CommandArguments, context: CommandContext): Promise<void> {
  const settings = await readManifestSettings(given);
  const located = await locateStoredPolicy(given.positionals[0] ?? '', context);
  const metadata = await readMetadata(located, given, context);
  checkMetadata(metadata);
  const kind: PolicyKind =
    optionValue(given, 'type') === 'AdmissionPolicy' ? 'AdmissionPolicy' : 'ClusterAdmissionPolicy';
  const allowContextAware = given.options.has('allow-context-aware');
  const resource = policyResource(metadata, {
    kind,
    module: formatModuleLocation(located.location),
    settings,
    title: optionValue(given, 'title'),
    allowContextAware,
  });
  const isAsking = metadata.contextAwareResources.length > 0 && kind === 'ClusterAdmissionPolicy';
  if (isAsking) warnAboutAccess(allowContextAware, context.log);
  context.environment.write(stringifyYaml(resource));
}

async function readMetadata(
  located: LocatedPolicy,
  given: CommandArguments,
  context: CommandContext,
): Promise<PolicyMetadata> {
  const { metadata } = await loadLocated(located, given, context);
  if (metadata !== undefined) return metadata;
  throw new KwctlError(
    'metadata-invalid',
    `No Kubewarden metadata found inside of '${formatModuleLocation(located.location)}'.\nPolicies can be annotated with the \`kwctl annotate\` command.`,
  );
}

/** What is stored is used as it is, unless the command line asks for its signatures. */
async function loadLocated(
  { location, stored }: LocatedPolicy,
  given: CommandArguments,
  context: CommandContext,
): Promise<{ metadata?: PolicyMetadata | undefined }> {
  const path = stored?.path ?? (await localPath(location, context));
  const isVerified = VERIFICATION_OPTIONS.some(({ id }) => given.options.has(id));
  if (path !== undefined && !isVerified) return loadPolicy({ scheme: 'file', path });
  if (path === undefined) {
    const uri = formatModuleLocation(location);
    const message = `cannot find policy with uri: ${uri}, trying to pull it from remote registry`;
    context.log({ level: 'info', target: TARGET, message });
  }
  // Work on what is here need not wait for what reaches registries.
  const { openPolicyFetcher } = await import('../../../policy-fetcher.ts');
  await using fetcher = await openPolicyFetcher(given, context);
  return await fetcher.load(location, { storedOnly: path !== undefined && location.scheme !== 'file' });
}

async function localPath(location: ModuleLocation, { environment }: CommandContext): Promise<string | undefined> {
  if (location.scheme === 'file') return location.path;
  return (await new PolicyStore(storeFolder(environment)).find(location))?.path;
}

function checkMetadata(metadata: PolicyMetadata): void {
  const problems = validateMetadata(metadata);
  if (problems.length > 0) throw new KwctlError('metadata-invalid', problems.join('; '));
}

function warnAboutAccess(isGranted: boolean, log: Log): void {
  const messages = isGranted
    ? [
        'Policy has been granted access to the Kubernetes resources mentioned by its metadata.',
        'Carefully review the contents of the `contextAwareResources` attribute for abuses.',
      ]
    : [
        'Policy requires access to Kubernetes resources at evaluation time. For safety reasons, the `contextAwareResources` attribute has been left empty.',
        'Carefully review which types of Kubernetes resources the policy needs via the `inspect` command, then populate the `contextAwareResources` accordingly.',
        'Otherwise, invoke the `scaffold` command using the `--allow-context-aware` flag.',
      ];
  for (const message of messages) log({ level: 'warn', target: TARGET, message });
}
