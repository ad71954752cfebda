import { decodeUtf8, Utf8Error } from '@portcullis/protocol';
import { ArtifactError } from '../../errors.ts';
import { readFileBounded, type FileReader } from '../../file.ts';
import { systemErrorText } from '../../system-error.ts';
import { parseVerificationConfig } from './parse.ts';
import type { VerificationConfig } from './requirement.ts';

/** Hundreds of keys with their annotations are far smaller. */
const MAX_CONFIG_BYTES = 2 ** 20;

/**
 * Reads a verification config from a file.
 *
 * @throws ArtifactError `verification-config-invalid`
 */
export async function loadVerificationConfig(
  path: string,
  readFile: FileReader = readFileBounded,
): Promise<VerificationConfig> {
  return parseVerificationConfig(await readText(path, readFile), path);
}

async function readText(path: string, readFile: FileReader): Promise<string> {
  try {
    return decodeUtf8(await readFile(path, MAX_CONFIG_BYTES));
  } catch (error) {
    if (!(error instanceof ArtifactError || error instanceof Utf8Error)) throw error;
    const reason = error instanceof ArtifactError ? systemErrorText(error.cause ?? error) : error.message;
    throw new ArtifactError('verification-config-invalid', `failed to read verification file: ${reason} – '${path}'`, {
      cause: error,
    });
  }
}
