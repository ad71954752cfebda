import { createReadStream } from 'node:fs';
import { systemErrorText } from '@portcullis/artifact';
import { JsonError, parseJson, type JsonValue } from '@portcullis/protocol';
import type { Environment } from '../../environment.ts';
import { KwctlError } from '../../errors.ts';
import { collect } from '../../file.ts';
import { readTextFile } from '../../text-file.ts';

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
export function readText(path: string, describe: (reason: string) => string): Promise<string> {
  return readTextFile(path, { maxBytes: MAX_INPUT_BYTES, code: 'file-unusable', describe });
}
