import { ArtifactError } from '../errors.ts';
import { shownModuleLocation, parseModuleLocation, type ModuleLocation } from '../location.ts';

/** The folders below the root of a store that hold policies; anything else there is none of its business. */
export const STORE_SCHEMES = ['http', 'https', 'registry'] as const;

/** What Linux file systems allow for one name, in bytes. */
const MAX_NAME_BYTES = 255;

/**
 * Where a store keeps a policy, as names below its root: scheme, host with port, path. The layout is shared with other programs on
 * the same machine, so names are taken verbatim. Query and fragment of a web address are no part of it, nor are empty
 * segments of its path.
 *
 * @throws ArtifactError `location-invalid` when a name would lead out of the folder it belongs to, or is none
 */
export function storePathOf(location: ModuleLocation): readonly string[] {
  const names = [location.scheme, ...namesOf(location)];
  for (const name of names) checkName(name, location);
  return names;
}

function namesOf(location: ModuleLocation): readonly string[] {
  switch (location.scheme) {
    case 'file':
      throw new ArtifactError('location-invalid', `unknown scheme: file – files are used where they are, not stored`);
    case 'registry':
      return location.url.slice('registry://'.length).split('/');
    case 'http':
    case 'https': {
      const { host, pathname } = new URL(location.url);
      if (pathname.endsWith('/')) throw unusable(location, 'it names a folder, not a file');
      return [host, ...pathname.split('/').filter((name) => name !== '')];
    }
  }
}

function checkName(name: string, location: ModuleLocation): void {
  if (name === '' || name === '.' || name === '..') throw unusable(location, `'${name}' is no name of a file`);
  if (/[/\0]/.test(name)) throw unusable(location, 'a name of a file has no slash and no NUL');
  const bytes = Buffer.byteLength(name);
  if (bytes > MAX_NAME_BYTES) {
    throw unusable(location, `a part of it has ${bytes} bytes, and names of files have at most ${MAX_NAME_BYTES}`);
  }
}

function unusable(location: ModuleLocation, reason: string): ArtifactError {
  return new ArtifactError('location-invalid', `cannot store ${shownModuleLocation(location)}: ${reason}`);
}

/** The inverse: what a file of a store is, by its names below the root; `undefined` when no location is kept under them. */
export function locationAt(names: readonly string[]): ModuleLocation | undefined {
  try {
    const location = parseModuleLocation(`${names[0]}://${names.slice(1).join('/')}`);
    const isKeptThere = location.scheme !== 'file' && storePathOf(location).join('/') === names.join('/');
    return isKeptThere ? location : undefined;
  } catch (error) {
    if (error instanceof ArtifactError) return undefined;
    throw error;
  }
}

/** How names of a store are written to disk. */
export interface DiskNames {
  toDisk(names: readonly string[]): readonly string[];
  fromDisk(names: readonly string[]): readonly string[];
}

/** Verbatim, except on Windows: there a colon is no part of a name, and all but the scheme is written in base64url. */
export function diskNames(platform: NodeJS.Platform): DiskNames {
  if (platform !== 'win32') return { toDisk: (names) => names, fromDisk: (names) => names };
  return {
    toDisk: ([scheme = '', ...names]) => [scheme, ...names.map((name) => Buffer.from(name).toString('base64url'))],
    fromDisk: ([scheme = '', ...names]) => [scheme, ...names.map((name) => Buffer.from(name, 'base64url').toString())],
  };
}
