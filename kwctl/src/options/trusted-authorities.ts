import { readdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { ArtifactError, certificatesFrom, systemErrorText } from '@portcullis/artifact';
import { messageOf } from '@portcullis/protocol';
import { readFile } from '../file.ts';

const MAX_CERTIFICATES_BYTES = 16 * 2 ** 20;

/**
 * The authorities of `SSL_CERT_FILE` and `SSL_CERT_DIR`, which stand in the place of the system's; `undefined` when neither
 * is set.
 *
 * @throws ArtifactError `file-unreadable`
 */
export async function trustedAuthorities(
  env: Readonly<Record<string, string | undefined>>,
): Promise<readonly string[] | undefined> {
  const file = env['SSL_CERT_FILE'] ?? '';
  const folders = (env['SSL_CERT_DIR'] ?? '').split(delimiter).filter((folder) => folder !== '');
  if (file === '' && folders.length === 0) return undefined;
  const fromFile = file === '' ? [] : await readCertificates(file);
  const fromFolders = await Promise.all(folders.map(readFolder));
  return [...new Set([...fromFile, ...fromFolders.flat()])];
}

async function readCertificates(path: string): Promise<readonly string[]> {
  try {
    return certificatesFrom(await readFile(path, MAX_CERTIFICATES_BYTES));
  } catch (error) {
    throw new ArtifactError('file-unreadable', `cannot use SSL_CERT_FILE '${path}': ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Such folders hold links by hash beside the files, and files that are no certificates: those do not count. */
async function readFolder(folder: string): Promise<readonly string[]> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    throw new ArtifactError('file-unreadable', `cannot use SSL_CERT_DIR '${folder}': ${systemErrorText(error)}`, {
      cause: error,
    });
  }
  const read = await Promise.all(names.map((name) => readCertificates(join(folder, name)).catch(() => [])));
  return read.flat();
}
