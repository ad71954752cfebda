import { fileURLToPath, pathToFileURL } from 'node:url';
import { messageOf, formatImageReference, parseImageReference } from '@portcullis/protocol';
import { ArtifactError } from './errors.ts';

/** Where a module comes from. */
export type ModuleLocation =
  | { readonly scheme: 'file'; readonly path: string }
  | { readonly scheme: 'registry' | 'https' | 'http'; readonly url: string };

const SCHEME = /^(\w+):\/\//;

/**
 * Parses the text of a `module:` entry or of a command line. Text without `://` (also `host:port/…`) is a registry
 * reference; white space around it does not count.
 *
 * @throws ArtifactError `location-invalid`
 */
export function parseModuleLocation(text: string): ModuleLocation {
  const trimmed = text.trim();
  const scheme = SCHEME.exec(trimmed)?.[1];
  switch (scheme) {
    case undefined:
      return registryLocation(trimmed);
    case 'registry':
      return registryLocation(trimmed.slice('registry://'.length));
    case 'file':
      return { scheme, path: pathOf(trimmed) };
    case 'http':
    case 'https':
      return { scheme, url: checkedUrl(trimmed) };
    default:
      throw new ArtifactError(
        'location-invalid',
        `unknown scheme: ${scheme} – '${trimmed}' must begin with file://, registry://, https:// or http://`,
      );
  }
}

/** The location as text: what error messages, logs and tables show. */
export function formatModuleLocation(location: ModuleLocation): string {
  return location.scheme === 'file' ? pathToFileURL(location.path).href : location.url;
}

function registryLocation(reference: string): ModuleLocation {
  try {
    return { scheme: 'registry', url: `registry://${formatImageReference(parseImageReference(reference))}` };
  } catch (error) {
    const detail = messageOf(error);
    throw new ArtifactError('location-invalid', `Invalid OCI image reference: ${detail} ('${reference}')`, {
      cause: error,
    });
  }
}

function pathOf(url: string): string {
  try {
    return fileURLToPath(url);
  } catch (error) {
    throw new ArtifactError(
      'location-invalid',
      `'${url}' is not a file URL this machine can open: write an absolute path, as in file:///policies/policy.wasm`,
      { cause: error },
    );
  }
}

function checkedUrl(text: string): string {
  const url = URL.parse(text);
  if (url === null || url.hostname === '') throw new ArtifactError('location-invalid', `empty host in '${text}'`);
  return text;
}
