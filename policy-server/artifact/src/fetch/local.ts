import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { ArtifactError } from '../errors.ts';
import { systemErrorText } from '../system-error.ts';
import type { Destination } from './destination.ts';
import { Reception } from './reception.ts';

/** @throws ArtifactError `file-unreadable` */
export async function requireFile(path: string): Promise<void> {
  const stats = await stat(path).catch((error: unknown) => {
    throw unreadable(path, systemErrorText(error), error);
  });
  if (stats.isDirectory()) throw unreadable(path, 'it is a directory');
}

export interface CopyOptions {
  readonly maxBytes: number;
  /** What the file must hold; without it any module will do. */
  readonly digest?: string;
  /** The last word about the copy before it is put into its place. */
  readonly approve?: (path: string) => Promise<void>;
}

/** @returns false when the file does not hold what it should, or is gone */
export async function copyModule(path: string, destination: Destination, options: CopyOptions): Promise<boolean> {
  const { maxBytes, digest, approve } = options;
  await using draft = await destination.open();
  const reception = new Reception(draft, {
    name: path,
    maxBytes,
    totalBytes: undefined,
    onProgress: () => undefined,
    ...(digest !== undefined && { algorithm: digest.slice(0, digest.indexOf(':')) }),
  });
  try {
    await reception.take(createReadStream(path));
  } catch (error) {
    if (error instanceof ArtifactError) throw error;
    if (digest !== undefined) return false;
    throw unreadable(path, systemErrorText(error), error);
  }
  if (digest !== undefined && reception.digest() !== digest) return false;
  await reception.checkIsModule();
  await approve?.(draft.path);
  await draft.commit();
  return true;
}

function unreadable(path: string, reason: string, cause?: unknown): ArtifactError {
  return new ArtifactError('file-unreadable', `cannot read '${path}': ${reason}`, { cause });
}
