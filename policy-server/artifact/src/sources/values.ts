import { JsonNumber, type JsonObject, type JsonValue } from '@portcullis/protocol';
import type { YamlPath } from '../yaml/reader.ts';
import type { SourcesProblems } from './problems.ts';

/** A map, empty when the value is missing; a problem when it is something else. */
export function expectMap(value: JsonValue | undefined, path: YamlPath, problems: SourcesProblems): JsonObject {
  if (value instanceof Map) return value;
  if (value !== undefined) problems.add(path, `invalid type: ${describe(value)}, expected a map`);
  return new Map();
}

/** A list, empty when the value is missing; a problem when it is something else. */
export function expectList(
  value: JsonValue | undefined,
  path: YamlPath,
  problems: SourcesProblems,
): readonly JsonValue[] {
  if (Array.isArray(value)) return value;
  if (value !== undefined && value !== null) {
    problems.add(path, `invalid type: ${describe(value)}, expected a sequence`);
  }
  return [];
}

/** A list of texts. */
export function expectTexts(value: JsonValue | undefined, path: YamlPath, problems: SourcesProblems): string[] {
  return expectList(value, path, problems).flatMap((item, index) => {
    if (typeof item === 'string') return [item.trim()];
    problems.add([...path, index], `invalid type: ${describe(item)}, expected a string`);
    return [];
  });
}

/** The kind of a value, in the words YAML readers use. */
export function describe(value: JsonValue): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'sequence';
  if (value instanceof Map) return 'map';
  if (value instanceof JsonNumber) return `number \`${value.text.slice(0, 40)}\``;
  return typeof value === 'boolean' ? `boolean \`${value}\`` : `string ${JSON.stringify(value.slice(0, 100))}`;
}
