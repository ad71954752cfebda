import { createHash } from 'node:crypto';
import { messageOf, readMetadata, type PolicyMetadata } from '@portcullis/protocol';
import { ArtifactError } from './errors.ts';
import { readFileBounded, type FileReader } from './file.ts';
import { formatModuleLocation, type ModuleLocation } from './location.ts';
import { refuseNoModule } from './module-bytes.ts';

/** Larger than any policy anybody would load, small enough not to fill the machine. */
export const MAX_MODULE_BYTES = 256 * 2 ** 20;

/** A module in memory, with what it says about itself. */
export interface LoadedModule {
  /** Canonical text of where it came from. */
  readonly location: string;
  readonly bytes: Uint8Array;
  /** sha256 of `bytes`, lower-case hex. */
  readonly sha256: string;
  /** `undefined` when the module was never annotated. */
  readonly metadata: PolicyMetadata | undefined;
}

export interface LoadOptions {
  /** A module larger than this is refused before it is held in memory. */
  readonly maxBytes: number;
  /** @default reads a regular file, bounded */
  readonly readFile?: FileReader;
}

/**
 * Fetches one module, checks that it is WebAssembly, and reads its metadata. It is not compiled.
 *
 * @throws ArtifactError
 */
export async function loadModule(location: ModuleLocation, options: LoadOptions): Promise<LoadedModule> {
  const name = formatModuleLocation(location);
  if (location.scheme !== 'file') {
    throw new ArtifactError(
      'source-not-served',
      `cannot load ${name}: only files are read here – fetch it first and name the file`,
    );
  }
  const bytes = await (options.readFile ?? readFileBounded)(location.path, options.maxBytes);
  return inspectModule(name, bytes);
}

/** The same for bytes that are already here. */
export function inspectModule(location: string, bytes: Uint8Array): LoadedModule {
  refuseNoModule(bytes, location);
  return {
    location,
    bytes,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    metadata: metadataOf(location, bytes),
  };
}

function metadataOf(location: string, bytes: Uint8Array): PolicyMetadata | undefined {
  try {
    return readMetadata(bytes);
  } catch (error) {
    const detail = messageOf(error);
    throw new ArtifactError('metadata-invalid', `${detail} (${location})`, { cause: error });
  }
}
