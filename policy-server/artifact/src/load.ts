import { createHash } from 'node:crypto';
import { messageOf, readMetadata, type PolicyMetadata } from '@portcullis/protocol';
import { ArtifactError } from './errors.ts';
import { readFileBounded, type FileReader } from './file.ts';
import { formatModuleLocation, type ModuleLocation } from './location.ts';

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

const WASM_MAGIC = [0x00, 0x61, 0x73, 0x6d];

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
      `cannot fetch ${name}: this release loads modules from files only – pull it with another tool and use file:///…`,
    );
  }
  const bytes = await (options.readFile ?? readFileBounded)(location.path, options.maxBytes);
  return inspectModule(name, bytes);
}

/** The same for bytes that are already here. */
export function inspectModule(location: string, bytes: Uint8Array): LoadedModule {
  if (!WASM_MAGIC.every((byte, index) => bytes[index] === byte)) {
    throw new ArtifactError(
      'module-invalid',
      `invalid wasm file: ${location} – expected the bytes 00 61 73 6d ("\\0asm") at its beginning, got ${firstBytes(bytes)}`,
    );
  }
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

function firstBytes(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'an empty file';
  return Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
}
