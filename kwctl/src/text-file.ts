import { createReadStream } from 'node:fs';
import { systemErrorText } from '@portcullis/artifact';
import { decodeUtf8, Utf8Error } from '@portcullis/protocol';
import { collect } from './file.ts';
import { KwctlError, type KwctlErrorCode } from './errors.ts';

export interface TextFileOptions {
  readonly maxBytes: number;
  readonly code: KwctlErrorCode;
  /** The message for what went wrong, which is told in the words of the operating system. */
  readonly describe: (reason: string) => string;
}

/**
 * Reads a text file or pipe.
 *
 * @throws KwctlError of the code given
 */
export async function readTextFile(path: string, { maxBytes, code, describe }: TextFileOptions): Promise<string> {
  try {
    return decodeUtf8(await collect(createReadStream(path), maxBytes));
  } catch (error) {
    const reason = error instanceof Utf8Error ? 'it is not UTF-8 text' : systemErrorText(error);
    throw new KwctlError(code, describe(reason), { cause: error });
  }
}
