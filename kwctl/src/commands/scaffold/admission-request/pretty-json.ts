import { stringifyJson, type JsonValue } from '@portcullis/protocol';

/** JSON on several lines, two spaces for each level. Members keep their order, numbers their text. */
export function prettyJson(value: JsonValue, indent = ''): string {
  const inner = `${indent}  `;
  if (Array.isArray(value) && value.length > 0) {
    const items = value.map((item) => inner + prettyJson(item, inner));
    return `[\n${items.join(',\n')}\n${indent}]`;
  }
  if (value instanceof Map && value.size > 0) {
    const members = Array.from(value, ([key, member]) => `${inner}${stringifyJson(key)}: ${prettyJson(member, inner)}`);
    return `{\n${members.join(',\n')}\n${indent}}`;
  }
  return stringifyJson(value);
}
