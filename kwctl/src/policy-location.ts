import { resolve } from 'node:path';
import {
  ArtifactError,
  formatModuleLocation,
  loadModule,
  MAX_MODULE_BYTES,
  parseModuleLocation,
  PolicyStore,
  type LoadedModule,
  type ModuleLocation,
  type StoredPolicy,
} from '@portcullis/artifact';
import { storeFolder, type CommandContext } from './environment.ts';
import { KwctlError } from './errors.ts';
import { exists, readFile } from './file.ts';

const AMBIGUOUS = 'multiple policies found with the same prefix';

/** What a command line names. */
export interface LocatedPolicy {
  readonly location: ModuleLocation;
  /** Found by its SHA-256: exactly the bytes that are stored are meant, whatever a registry has by now. */
  readonly storedOnly: boolean;
  /** The policy of the store that was found by its SHA-256. */
  readonly stored?: StoredPolicy;
}

/**
 * Finds the policy a command line names: text with a scheme, an existing file, the beginning of the SHA-256 of a policy in the
 * store, or, at last, an image reference without its scheme.
 *
 * @throws KwctlError `policy-not-found`
 */
export async function locatePolicy(text: string, context: CommandContext): Promise<LocatedPolicy> {
  const trimmed = text.trim();
  if (/^\w+:\/\//.test(trimmed)) return { location: located(trimmed), storedOnly: false };
  const path = resolve(text);
  if (text !== '' && (await exists(path))) return { location: { scheme: 'file', path }, storedOnly: false };
  const stored = await findBySha256Prefix(trimmed, context);
  if (stored !== undefined) return { location: stored.location, storedOnly: true, stored };
  return { location: referenced(trimmed), storedOnly: false };
}

async function findBySha256Prefix(prefix: string, { environment }: CommandContext): Promise<StoredPolicy | undefined> {
  const [first, second] = await new PolicyStore(storeFolder(environment)).findBySha256Prefix(prefix);
  if (second === undefined) return first;
  throw new KwctlError('policy-not-found', `${AMBIGUOUS}: ${prefix}`);
}

/** Only what names a host: otherwise every misspelt file would be looked for at Docker Hub. */
function referenced(text: string): ModuleLocation {
  const location = /^(?:[^/]*[.:][^/]*|localhost)\//.test(text) ? referenceIn(text) : undefined;
  if (location === undefined) throw notFound(text);
  return location;
}

function referenceIn(text: string): ModuleLocation | undefined {
  try {
    return parseModuleLocation(text);
  } catch (error) {
    if (error instanceof ArtifactError) return undefined;
    throw error;
  }
}

/**
 * The same for commands that work on stored policies: text that names nothing here is an image reference, host or not.
 *
 * @throws KwctlError `policy-not-found`
 */
export async function locateStoredPolicy(text: string, context: CommandContext): Promise<LocatedPolicy> {
  try {
    return await locatePolicy(text, context);
  } catch (error) {
    const location = error instanceof KwctlError ? referenceIn(text.trim()) : undefined;
    if (!(error instanceof KwctlError) || location === undefined) throw error;
    if (!error.message.startsWith(AMBIGUOUS)) return { location, storedOnly: false };
    throw notFound(`${formatModuleLocation(location)} – ${error.message}`);
  }
}

export function notFound(uri: string): KwctlError {
  return new KwctlError('policy-not-found', `Cannot find policy with uri: ${uri}`);
}

/** @throws KwctlError when the location is none, the file cannot be read, or is no module */
export async function loadPolicy(location: ModuleLocation): Promise<LoadedModule> {
  try {
    return await loadModule(location, { maxBytes: MAX_MODULE_BYTES, readFile });
  } catch (error) {
    if (!(error instanceof ArtifactError)) throw error;
    const code = error.code === 'source-not-served' ? 'not-served' : 'module-invalid';
    throw new KwctlError(code, error.message, { cause: error });
  }
}

/** @throws KwctlError `policy-not-found` */
export function located(text: string): ModuleLocation {
  try {
    return parseModuleLocation(text);
  } catch (error) {
    if (!(error instanceof ArtifactError)) throw error;
    throw new KwctlError('policy-not-found', error.message, { cause: error });
  }
}
