import { sortedKeys, type JsonObject, type JsonValue } from '@portcullis/protocol';

/** The same value with the members of every object in the order in which typed clients of Kubernetes write them. */
export function withSortedMembers(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(withSortedMembers);
  return value instanceof Map ? sortedObject(value) : value;
}

function sortedObject(object: JsonObject): JsonObject {
  return new Map(sortedKeys(object).map((key) => [key, withSortedMembers(object.get(key) ?? null)]));
}
