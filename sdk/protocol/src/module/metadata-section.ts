import { JsonError, ModuleError } from '../errors.ts';
import { parseMetadata, type PolicyMetadata } from '../metadata.ts';
import { customSectionOffset, readCustomSection } from './sections.ts';

/** The custom section policy metadata lives in. */
export const METADATA_SECTION = 'io.kubewarden.metadata';

/**
 * The metadata a policy module carries, `undefined` when it is not annotated. The first section of the name counts.
 *
 * @throws {@link ModuleError}
 */
export function readMetadata(bytes: Uint8Array): PolicyMetadata | undefined {
  const content = readMetadataSection(bytes);
  if (content === undefined) return undefined;
  try {
    return parseMetadata(content);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    const problem = `cannot deserialize custom section \`${METADATA_SECTION}\` of wasm module: ${error.message}`;
    throw new ModuleError(problem, customSectionOffset(bytes, METADATA_SECTION));
  }
}

function readMetadataSection(bytes: Uint8Array): Uint8Array | undefined {
  try {
    return readCustomSection(bytes, METADATA_SECTION);
  } catch (error) {
    if (!(error instanceof ModuleError)) throw error;
    throw new ModuleError(`cannot parse custom section of wasm module: ${error.message}`, error.offset);
  }
}
