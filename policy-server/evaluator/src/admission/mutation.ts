import { jsonEquals, sortedKeys, stringifyJson, type JsonObject, type JsonValue } from '@portcullis/protocol';

/** One operation of a JSON Patch (RFC 6902); only these three are ever made. */
export type PatchOperation =
  | { readonly op: 'add' | 'replace'; readonly path: string; readonly value: JsonValue }
  | { readonly op: 'remove'; readonly path: string };

/**
 * Bound on the sum of all paths. A key of a megabyte above a hundred thousand changed items would make a patch of
 * gigabytes; beyond the bound one operation replaces the whole, which means the same.
 */
const MAX_PATH_CHARACTERS = 8 * 1024 * 1024;

/**
 * The patch that turns `before` into `after`; empty when they are equal.
 *
 * Objects: members of `after` in the order of their keys, then those that are gone. Lists are compared by index: surplus
 * old items are removed at the index where the new list ends, surplus new ones are added. One pass, time and size linear.
 */
export function createPatch(before: JsonValue, after: JsonValue): PatchOperation[] {
  const operations: PatchOperation[] = [];
  let pathCharacters = 0;
  const emit = (operation: PatchOperation): boolean => {
    operations.push(operation);
    pathCharacters += operation.path.length;
    return pathCharacters <= MAX_PATH_CHARACTERS;
  };
  return compare({ before, after, path: '' }, emit) ? operations : [{ op: 'replace', path: '', value: after }];
}

/** A patch as an admission response carries it: compact JSON in base64. */
export function encodePatch(operations: readonly PatchOperation[]): string {
  return Buffer.from(stringifyPatch(operations)).toString('base64');
}

function stringifyPatch(operations: readonly PatchOperation[]): string {
  return `[${operations.map(stringifyOperation).join(',')}]`;
}

function stringifyOperation(operation: PatchOperation): string {
  const head = `{"op":"${operation.op}","path":${JSON.stringify(operation.path)}`;
  return operation.op === 'remove' ? `${head}}` : `${head},"value":${stringifyJson(operation.value)}}`;
}

/** Takes an operation; `false` ends the comparison. */
type Emit = (operation: PatchOperation) => boolean;

interface Pair<T extends JsonValue> {
  readonly before: T;
  readonly after: T;
  readonly path: string;
}

function compare({ before, after, path }: Pair<JsonValue>, emit: Emit): boolean {
  if (before instanceof Map && after instanceof Map) return compareObjects({ before, after, path }, emit);
  if (Array.isArray(before) && Array.isArray(after)) return compareLists({ before, after, path }, emit);
  return jsonEquals(before, after) || emit({ op: 'replace', path, value: after });
}

function compareObjects({ before, after, path }: Pair<JsonObject>, emit: Emit): boolean {
  for (const key of sortedKeys(after)) {
    const value = after.get(key) ?? null;
    const old = before.get(key);
    const memberPath = `${path}/${escapePointer(key)}`;
    const goesOn =
      old === undefined
        ? emit({ op: 'add', path: memberPath, value })
        : compare({ before: old, after: value, path: memberPath }, emit);
    if (!goesOn) return false;
  }
  const gone = sortedKeys(before).filter((key) => !after.has(key));
  return gone.every((key) => emit({ op: 'remove', path: `${path}/${escapePointer(key)}` }));
}

function compareLists({ before, after, path }: Pair<JsonValue[]>, emit: Emit): boolean {
  const common = Math.min(before.length, after.length);
  for (let index = 0; index < common; index++) {
    const pair = { before: before[index] ?? null, after: after[index] ?? null, path: `${path}/${index}` };
    if (!compare(pair, emit)) return false;
  }
  for (let index = common; index < before.length; index++) {
    if (!emit({ op: 'remove', path: `${path}/${common}` })) return false;
  }
  for (let index = common; index < after.length; index++) {
    if (!emit({ op: 'add', path: `${path}/${index}`, value: after[index] ?? null })) return false;
  }
  return true;
}

/** RFC 6901 §3. */
function escapePointer(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}
