import { createReadStream } from 'node:fs';
import { systemErrorText } from '@portcullis/artifact';
import { messageOf, decodeUtf8, JsonError, parseJson, Utf8Error, type JsonValue } from '@portcullis/protocol';
import type { Environment } from '../../environment.ts';
import { KwctlError } from '../../errors.ts';
import { collect, readFile } from '../../file.ts';

/** Requests, settings, policy resources and sessions are read whole; more than this is no such file. */
export const MAX_INPUT_BYTES = 64 * 2 ** 20;

/**
 * Reads the JSON value to validate from a file, a pipe or, for `-`, stdin.
 *
 * @throws KwctlError `file-unusable` or `request-invalid`
 */
export async function readRequest(path: string, environment: Environment): Promise<JsonValue> {
  const bytes = await readStream(path, path === '-' ? environment.stdin : createReadStream(path));
  try {
    return parseJson(bytes);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new KwctlError('request-invalid', `${error.message} (request file ${shown(path)})`, { cause: error });
  }
}

async function readStream(path: string, stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  try {
    return await collect(stream, MAX_INPUT_BYTES);
  } catch (error) {
    throw new KwctlError('file-unusable', `Error opening request file ${shown(path)}; ${systemErrorText(error)}`, {
      cause: error,
    });
  }
}

function shown(path: string): string {
  return path === '-' ? '<stdin>' : path;
}

/** Reads a text file or pipe. `describe` turns what went wrong into the message. */
export async function readText(path: string, describe: (reason: string) => string): Promise<string> {
  try {
    return decodeUtf8(await readFile(path, MAX_INPUT_BYTES));
  } catch (error) {
    const reason = error instanceof Utf8Error ? 'it is not UTF-8 text' : messageOf(error);
    throw new KwctlError('file-unusable', describe(reason), { cause: error });
  }
}
