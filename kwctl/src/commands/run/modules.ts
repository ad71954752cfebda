import {
  ArtifactError,
  formatModuleLocation,
  KUBEWARDEN_VERSION,
  unmetMinimumVersion,
  type LoadedModule,
} from '@portcullis/artifact';
import type { CommandArguments } from '../../command-line/command.ts';
import { configFolder, type CommandContext } from '../../environment.ts';
import { KwctlError } from '../../errors.ts';
import { sourceOptions } from '../../options/source-options.ts';
import { VERIFICATION_OPTIONS } from '../../options/verification-options.ts';
import { downloadDisplay } from '../../output/download-display.ts';
import { loadPolicy } from '../../policy-location.ts';
import { modulesOf, type LoadedModules, type Plan, type PlannedModule } from './planned-policy.ts';
import { exists } from '../../file.ts';

/**
 * Reads every module once, before anything runs: from its file, or verified and brought to the store as the command line
 * asks for.
 *
 * @throws KwctlError or ArtifactError
 */
export async function loadModules(
  plans: readonly Plan[],
  given: CommandArguments,
  context: CommandContext,
): Promise<LoadedModules> {
  const planned = new Map(
    plans.flatMap(modulesOf).map(([, module]) => [formatModuleLocation(module.location), module] as const),
  );
  const modules = (await asksForMore(planned, given, context))
    ? await fetchModules(planned, given, context)
    : await loadFiles(planned);
  for (const [name, { metadata }] of modules) {
    const wanted = unmetMinimumVersion(metadata);
    if (wanted === undefined) continue;
    throw new KwctlError(
      'module-invalid',
      `Policy required Kubewarden version ${wanted} or greater. But it's running on ${KUBEWARDEN_VERSION} (${name})`,
    );
  }
  return modules;
}

type PlannedModules = ReadonlyMap<string, PlannedModule>;

/** Files that nobody asks anything about are read without what reaches registries: it is long to load. */
async function asksForMore(
  planned: PlannedModules,
  { options }: CommandArguments,
  { environment }: CommandContext,
): Promise<boolean> {
  if (Array.from(planned.values()).some(({ location }) => location.scheme !== 'file')) return true;
  if ([...sourceOptions(), ...VERIFICATION_OPTIONS].some(({ id }) => options.has(id))) return true;
  if (!(await exists(configFolder(environment)))) return false;
  const { verificationConfigPath } = await import('../../options/verification.ts');
  return exists(verificationConfigPath(environment));
}

async function loadFiles(planned: PlannedModules): Promise<Map<string, LoadedModule>> {
  const modules = new Map<string, LoadedModule>();
  for (const [name, { location }] of planned) modules.set(name, await loadPolicy(location));
  return modules;
}

async function fetchModules(
  planned: PlannedModules,
  given: CommandArguments,
  context: CommandContext,
): Promise<Map<string, LoadedModule>> {
  const { openPolicyFetcher } = await import('../../policy-fetcher.ts');
  await using fetcher = await openPolicyFetcher(given, context).catch((error: unknown) => {
    throw explained(error);
  });
  // Several bars would write over each other.
  const isShown = planned.size === 1;
  const results = await settleAll(Array.from(planned), async ([name, { location, storedOnly }]) => {
    const display = downloadDisplay(name, context.environment);
    const fetched = fetcher.load(location, { storedOnly, ...(isShown && { onProgress: display.onProgress }) });
    await display.until(fetched);
    return [name, await fetched] as const;
  });
  const problems = results.filter((result) => result.status === 'rejected').map(({ reason }): unknown => reason);
  // Signatures come first: nobody cares what else is wrong with a policy somebody else may have made.
  if (problems.length > 0) throw problems.find(isVerificationProblem) ?? problems[0];
  return new Map(results.filter((result) => result.status === 'fulfilled').map(({ value }) => value));
}

function explained(error: unknown): unknown {
  if (!(error instanceof ArtifactError) || error.code !== 'trust-root-unavailable') return error;
  const message =
    `Error building Sigstore trust root: ${error.message}. ` +
    'Note that verification options were provided, so a Sigstore trust root is required.';
  return new ArtifactError(error.code, message, { cause: error });
}

function isVerificationProblem(error: unknown): boolean {
  return error instanceof ArtifactError && error.stage === 'verification';
}

/** More at once would only share the same line. */
const PARALLEL_FETCHES = 4;

/** The results in the order of the items, whichever is done first. */
async function settleAll<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<PromiseSettledResult<Result>[]> {
  const results = new Map<Item, PromiseSettledResult<Result>>();
  const queue = items.values();
  const lane = async (): Promise<void> => {
    for (const item of queue) {
      const [result] = await Promise.allSettled([work(item)]);
      results.set(item, result);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_FETCHES }, lane));
  return items.flatMap((item) => results.get(item) ?? []);
}
