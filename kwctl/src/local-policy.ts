import {
  MAX_MODULE_BYTES,
  ArtifactError,
  formatModuleLocation,
  inspectModule,
  PolicyStore,
  type LoadedModule,
  type ModuleLocation,
} from '@portcullis/artifact';
import { storeFolder, type CommandContext } from './environment.ts';
import { KwctlError } from './errors.ts';
import { readFile } from './file.ts';
import { loadPolicy, locatePolicy, notFound, type LocatedPolicy } from './policy-location.ts';

/** A policy that is on this machine. */
export interface LocalPolicy {
  readonly location: ModuleLocation;
  readonly module: LoadedModule;
}

/**
 * Reads the policy a command line names from its file or the store; nothing is fetched.
 *
 * @throws KwctlError when there is none, or it is no module
 */
export async function readLocalPolicy(text: string, context: CommandContext): Promise<LocalPolicy> {
  const located = await locatePolicy(text, context);
  const { location } = located;
  if (location.scheme === 'file') return { location, module: await loadPolicy(location) };
  const uri = formatModuleLocation(location);
  const path = await storedPath(located, context);
  if (path === undefined) throw notFound(uri);
  return { location, module: inspect(uri, await readFile(path, MAX_MODULE_BYTES)) };
}

async function storedPath(
  { location, stored }: LocatedPolicy,
  { environment }: CommandContext,
): Promise<string | undefined> {
  if (stored !== undefined) return stored.path;
  return (await new PolicyStore(storeFolder(environment)).find(location))?.path;
}

function inspect(uri: string, bytes: Uint8Array): LoadedModule {
  try {
    return inspectModule(uri, bytes);
  } catch (error) {
    if (!(error instanceof ArtifactError)) throw error;
    throw new KwctlError('module-invalid', error.message, { cause: error });
  }
}
