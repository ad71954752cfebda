import { fileURLToPath, pathToFileURL } from 'node:url';
import {
  formatImageReference,
  ImageReferenceError,
  parseImageReference,
  type ImageReference,
} from '@portcullis/protocol';
import { ArtifactError } from './errors.ts';

/** Where a module comes from. */
export type ModuleLocation =
  | { readonly scheme: 'file'; readonly path: string }
  | RegistryLocation
  | { readonly scheme: 'https' | 'http'; readonly url: string };

/** A module in a registry. */
export interface RegistryLocation {
  readonly scheme: 'registry';
  /** `registry://` and the canonical text of `reference`. */
  readonly url: string;
  readonly reference: ImageReference;
}

/** Also spellings that are no word, such as `git+ssh`: whoever wrote `://` meant a scheme. */
const SCHEME = /^([a-z][a-z0-9+._-]*):\/\//i;

/**
 * Parses the text of a `module:` entry or of a command line. Text without `://` (also `host:port/…`) is a registry
 * reference; white space around it does not count.
 *
 * @throws ArtifactError `location-invalid`
 */
export function parseModuleLocation(text: string): ModuleLocation {
  const trimmed = text.trim();
  const scheme = SCHEME.exec(trimmed)?.[1]?.toLowerCase();
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
        `unknown scheme: ${scheme} – '${shownModuleLocation(trimmed)}' must begin with file://, registry://, https:// or http://`,
      );
  }
}

/**
 * Parses text that must name something in a registry, with or without `registry://`.
 *
 * @throws ArtifactError `location-invalid`
 */
export function parseRegistryLocation(text: string): RegistryLocation {
  const location = parseModuleLocation(text);
  if (location.scheme === 'registry') return location;
  throw new ArtifactError(
    'location-invalid',
    `Invalid OCI image reference: invalid reference format – '${shownModuleLocation(text.trim())}' is no place in a registry; ` +
      'write registry://host/repository:tag',
  );
}

/** The location as text: what error messages, logs and tables show. */
export function formatModuleLocation(location: ModuleLocation): string {
  return location.scheme === 'file' ? pathToFileURL(location.path).href : location.url;
}

/**
 * A location as it may be shown to anybody: without the name and password, and without the query, which carries keys in signed URLs.
 */
export function shownModuleLocation(location: ModuleLocation | string): string {
  const text = typeof location === 'string' ? location : formatModuleLocation(location);
  const { scheme, rest } = SHOWN.exec(text)?.groups ?? {};
  return scheme === undefined || rest === undefined ? text : `${scheme}${rest}`;
}

const SHOWN = /^\s*(?<scheme>[a-z][a-z0-9+._-]*:\/\/)(?:[^/?#]*@)?(?<rest>[^?#]*)/is;

function registryLocation(text: string): ModuleLocation {
  // `:::` and `:5000/policy`: a port without a host.
  if (text.startsWith(':')) throw emptyHost(text);
  try {
    const reference = parseImageReference(text);
    return { scheme: 'registry', url: `registry://${formatImageReference(reference)}`, reference };
  } catch (error) {
    if (!(error instanceof ImageReferenceError)) throw error;
    throw new ArtifactError('location-invalid', `Invalid OCI image reference: ${referenceProblem(text, error)}`, {
      cause: error,
    });
  }
}

/** First the words users of kwctl know, then what exactly is wrong. */
function referenceProblem(text: string, { code, message }: ImageReferenceError): string {
  const known = code === 'empty' ? 'repository name must have at least one component' : 'invalid reference format';
  const detail = message.slice(message.indexOf(' – ') + ' – '.length);
  return `${known} – '${text.slice(0, 200)}': ${detail}`;
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
  if (url === null || url.hostname === '') throw emptyHost(text);
  return text;
}

function emptyHost(text: string): ArtifactError {
  return new ArtifactError('location-invalid', `empty host – '${shownModuleLocation(text)}' names no host to ask`);
}
