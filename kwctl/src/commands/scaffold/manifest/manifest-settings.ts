import { parseYaml, YamlError } from '@portcullis/artifact';
import { convertTo, JsonError, struct, type JsonObject, type JsonValue } from '@portcullis/protocol';
import { optionValue, type CommandArguments } from '../../../command-line/command.ts';
import { KwctlError } from '../../../errors.ts';
import { readTextFile } from '../../../text-file.ts';

const MAX_SETTINGS_BYTES = 4 * 2 ** 20;

/**
 * Reads the settings that become part of a manifest, in the order in which they are written; none are `{}`. JSON is YAML.
 *
 * @throws KwctlError `file-unusable` or `settings-invalid`
 */
export async function readManifestSettings(given: CommandArguments): Promise<JsonObject> {
  const path = optionValue(given, 'settings-path');
  const json = optionValue(given, 'settings-json');
  if (path !== undefined) {
    const describe = (reason: string): string => `Cannot open settings file ${path}: ${reason}`;
    const text = await readTextFile(path, { maxBytes: MAX_SETTINGS_BYTES, code: 'file-unusable', describe });
    return mapping(text, `settings file ${path}`);
  }
  return json === undefined ? new Map() : mapping(json, 'settings JSON');
}

function mapping(text: string, source: string): JsonObject {
  const value = parsed(text, source);
  if (value === null) return new Map();
  if (value instanceof Map) return value;
  throw new KwctlError('settings-invalid', `${typeProblem(value)} (${source})`);
}

function parsed(text: string, source: string): JsonValue {
  try {
    return parseYaml(text, { duplicateKeys: 'last-wins' }).value;
  } catch (error) {
    if (!(error instanceof YamlError)) throw error;
    throw new KwctlError('settings-invalid', `Cannot parse ${source}: ${error.message}`, { cause: error });
  }
}

const anyMapping = struct('a YAML mapping', {});

function typeProblem(value: JsonValue): string {
  try {
    convertTo(anyMapping, value);
  } catch (error) {
    if (error instanceof JsonError) return error.detail;
    throw error;
  }
  return 'expected a YAML mapping';
}
