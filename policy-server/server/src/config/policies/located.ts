import type { JsonObject, JsonValue } from '@portcullis/protocol';

/** A place in the file, both counted from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A value of the file together with where it stands: YAML and JSON alike, aliases already followed. */
export type Located = LocatedScalar | LocatedSequence | LocatedMap;

export interface LocatedScalar {
  readonly kind: 'scalar';
  readonly position: Position;
  readonly value: Exclude<JsonValue, JsonValue[] | JsonObject>;
}

export interface LocatedSequence {
  readonly kind: 'sequence';
  readonly position: Position;
  readonly items: readonly Located[];
}

export interface LocatedMap {
  readonly kind: 'map';
  readonly position: Position;
  /** By key text; of a key that occurs twice the last one counts. */
  readonly entries: ReadonlyMap<string, LocatedEntry>;
}

export interface LocatedEntry {
  readonly position: Position;
  /** False for keys such as `1` and `true` that only look like text. */
  readonly keyIsText: boolean;
  readonly value: Located;
}

/** Something wrong (or, as a warning, odd) in the file. */
export interface Problem {
  readonly position: Position;
  readonly message: string;
}

/** What a value is, in the words of error messages. */
export function describeKind(node: Located): string {
  if (node.kind === 'map') return 'a map';
  if (node.kind === 'sequence') return 'a list';
  const { value } = node;
  if (value === null) return 'null';
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  return typeof value === 'boolean' ? String(value) : `the number ${value.text}`;
}

/** The value without its positions. */
export function jsonOf(node: Located): JsonValue {
  if (node.kind === 'scalar') return node.value;
  if (node.kind === 'sequence') return node.items.map(jsonOf);
  return objectOf(node);
}

/** {@link jsonOf} of a map. */
export function objectOf(node: LocatedMap): JsonObject {
  return new Map(Array.from(node.entries, ([key, entry]) => [key, jsonOf(entry.value)]));
}
