import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import {
  ArtifactError,
  loadModule,
  parseModuleLocation,
  type LoadedModule,
  type ModuleLocation,
} from '@portcullis/artifact';
import { KwctlError } from './errors.ts';
import { readFile } from './file.ts';

/** Larger than any policy, small enough not to fill the machine. */
const MAX_MODULE_BYTES = 256 * 2 ** 20;

/**
 * Finds the policy a command line names: text with a scheme is taken as it is, anything else must be a file.
 *
 * @throws KwctlError `policy-not-found`
 */
export async function locatePolicy(text: string): Promise<ModuleLocation> {
  if (/^\w+:\/\//.test(text.trim())) return located(text);
  const path = resolve(text);
  if (text !== '' && (await exists(path))) return { scheme: 'file', path };
  throw new KwctlError(
    'policy-not-found',
    `Cannot find policy with uri: ${text} – there is no such file, and this release has no policy store and fetches nothing from registries`,
  );
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

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
