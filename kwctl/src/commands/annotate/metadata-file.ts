import { parseYaml, YamlError, type YamlPath } from '@portcullis/artifact';
import { messageOf, decodeUtf8, JsonError, metadataFrom, Utf8Error, type PolicyMetadata } from '@portcullis/protocol';
import { KwctlError } from '../../errors.ts';
import { readFile } from '../../file.ts';

const MAX_METADATA_BYTES = 4 * 2 ** 20;
const BOOLEANS = new Set<string | number>(['mutating', 'backgroundAudit']);

/**
 * Reads a `metadata.yml`.
 *
 * @throws KwctlError `file-unusable` or `metadata-invalid`
 */
export async function readMetadataFile(path: string): Promise<PolicyMetadata> {
  const text = await readMetadataText(path, 'Error opening metadata file');
  try {
    return metadataFrom(parseYaml(text, { textAt }).value);
  } catch (error) {
    if (!(error instanceof YamlError) && !(error instanceof JsonError)) throw error;
    throw new KwctlError('metadata-invalid', `Error unmarshalling metadata ${path}: ${error.message}`, {
      cause: error,
    });
  }
}

/** Reads a text file that becomes part of a policy. */
export async function readMetadataText(path: string, problem: string): Promise<string> {
  try {
    return decodeUtf8(await readFile(path, MAX_METADATA_BYTES));
  } catch (error) {
    const reason = error instanceof Utf8Error ? `'${path}' is not UTF-8 text` : messageOf(error);
    throw new KwctlError('file-unusable', `${problem}: ${reason}`, { cause: error });
  }
}

/** All scalars are text but two; a version `1.10` is no number. At the top, `null` is the same as nothing. */
function textAt(path: YamlPath): 'always' | 'unless-null' | 'never' {
  if (path.length > 1) return 'always';
  return BOOLEANS.has(path[0] ?? '') ? 'never' : 'unless-null';
}
