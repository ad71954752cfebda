import {
  any,
  boolean,
  JsonError,
  map,
  readAs,
  required,
  string,
  stringifyJson,
  struct,
  convertTo,
  type GroupVersionKind,
  type JsonObject,
  type JsonValue,
} from '@portcullis/protocol';

/** What a cluster knows of a kind. */
export interface ResourceScope {
  readonly plural: string;
  readonly isNamespaced: boolean;
}

/** The kinds a cluster serves, each with its `APIResource` as it was served. */
export type ResourceCatalog = Map<string, JsonValue>;

export function catalogKey({ group, version, kind }: GroupVersionKind): string {
  return `${group}|${version}|${kind}`;
}

const apiResource = struct('struct APIResource', { name: required(string), namespaced: required(boolean) });
const catalogShape = struct('struct ResourceCatalog', { resources: required(map(any)) });

/** `undefined` also for an entry that makes no sense: it counts as one that is missing. */
export function findResource(catalog: ResourceCatalog, kind: GroupVersionKind): ResourceScope | undefined {
  const entry = catalog.get(catalogKey(kind));
  if (entry === undefined) return undefined;
  try {
    const { name, namespaced } = convertTo(apiResource, entry);
    return name === '' ? undefined : { plural: name, isNamespaced: namespaced };
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    return undefined;
  }
}

/** The text of `resource_catalog.json`, which kwctl of Kubewarden reads and writes as well. */
export function stringifyCatalog(catalog: ResourceCatalog): string {
  const file: JsonObject = new Map([['resources', catalog]]);
  return stringifyJson(file);
}

/** @throws JsonError */
export function parseCatalog(text: Uint8Array): ResourceCatalog {
  return readAs(catalogShape, text).resources;
}
