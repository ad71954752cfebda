import { parseYaml, YamlError } from '@portcullis/artifact';
import { JsonError, parseJson, type JsonObject, type JsonValue } from '@portcullis/protocol';
import { KwctlError } from '../../errors.ts';
import { readText } from './input.ts';

/**
 * Reads the settings given on the command line: a YAML or JSON file, which wins, or a JSON text. None are `{}`.
 *
 * @throws KwctlError `file-unusable` or `settings-invalid`
 */
export async function readSettings(path: string | undefined, json: string | undefined): Promise<JsonObject> {
  if (path !== undefined) return settingsObject(await readSettingsFile(path), ` (settings file ${path})`);
  if (json !== undefined) return settingsObject(parseSettingsJson(json), ' (--settings-json)');
  return new Map();
}

/**
 * Settings must be an object; empty ones are `{}`.
 *
 * @param where - names the source in the error message.
 */
export function settingsObject(value: JsonValue | undefined, where: string): JsonObject {
  if (value === null || value === undefined) return new Map();
  if (value instanceof Map) return value;
  throw new KwctlError('settings-invalid', `Invalid settings in CRD, not an object${where}`);
}

async function readSettingsFile(path: string): Promise<JsonValue> {
  const text = await readText(path, (reason) => `Cannot open settings file ${path}: ${reason}`);
  try {
    return parseYaml(text, { duplicateKeys: 'last-wins' }).value;
  } catch (error) {
    if (!(error instanceof YamlError)) throw error;
    throw new KwctlError('settings-invalid', `Cannot parse settings file ${path}: ${error.message}`, { cause: error });
  }
}

function parseSettingsJson(json: string): JsonValue {
  try {
    return parseJson(json);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new KwctlError('settings-invalid', `Cannot parse settings JSON: ${error.message}`, { cause: error });
  }
}
