import { encodeJson, type JsonObject, type JsonValue, parseJson } from '@portcullis/protocol';
import type { ResourceList } from '../runtime.ts';

/**
 * What an OPA policy finds under `data.kubernetes`: `<plural>.<namespace>.<name>` or, for kinds without namespaces,
 * `<plural>.<name>`. Kinds of one plural share a place, which only works when they have the same scope.
 *
 * @throws Error with a text for the operator.
 */
export function opaInventory(lists: readonly ResourceList[]): Uint8Array {
  const inventory: JsonObject = new Map();
  const scopes = new Map<string, Scope>();
  for (const list of lists) {
    const { plural } = list;
    if (plural === undefined) throw new Error(`the plural name of ${list.apiVersion}/${list.kind} is not known`);
    const objects = child(inventory, plural);
    for (const { namespace, name, value } of itemsOf(list)) {
      const scope: Scope = namespace === undefined ? 'cluster-wide' : 'namespaced';
      const known = scopes.get(plural) ?? scope;
      if (known !== scope) {
        throw new Error(
          `the resources called ${plural} are both ${known} and ${scope}: a policy may only ask for one of them`,
        );
      }
      scopes.set(plural, scope);
      (namespace === undefined ? objects : child(objects, namespace)).set(name, value);
    }
  }
  return encodeJson(inventory);
}

/**
 * What a Gatekeeper policy finds under `data.inventory`: `cluster.<apiVersion>.<Kind>.<name>` and
 * `namespace.<namespace>.<apiVersion>.<Kind>.<name>`. Both halves are always there.
 *
 * @throws Error with a text for the operator.
 */
export function gatekeeperInventory(lists: readonly ResourceList[]): Uint8Array {
  const cluster: JsonObject = new Map();
  const namespaces: JsonObject = new Map();
  for (const list of lists) {
    for (const { namespace, name, value } of itemsOf(list)) {
      const half = namespace === undefined ? cluster : child(namespaces, namespace);
      child(child(half, list.apiVersion), list.kind).set(name, value);
    }
  }
  return encodeJson(new Map([['cluster', cluster] as const, ['namespace', namespaces] as const]));
}

type Scope = 'cluster-wide' | 'namespaced';

interface Item {
  readonly namespace: string | undefined;
  readonly name: string;
  readonly value: JsonObject;
}

function itemsOf({ apiVersion, kind, list }: ResourceList): Item[] {
  const items = member(parseJson(list), 'items');
  if (!Array.isArray(items)) throw new Error(`the list of ${apiVersion}/${kind} has no items`);
  return items.map((value) => {
    const metadata = member(value, 'metadata');
    const name = member(metadata, 'name');
    const namespace = member(metadata, 'namespace');
    if (!(value instanceof Map) || typeof name !== 'string')
      throw new Error(`an object of ${apiVersion}/${kind} has no name`);
    // An empty namespace is Kubernetes' way to say that there is none.
    return { name, namespace: typeof namespace === 'string' && namespace !== '' ? namespace : undefined, value };
  });
}

function member(value: JsonValue | undefined, key: string): JsonValue | undefined {
  return value instanceof Map ? value.get(key) : undefined;
}

function child(parent: JsonObject, key: string): JsonObject {
  const known = parent.get(key);
  if (known instanceof Map) return known;
  const made: JsonObject = new Map();
  parent.set(key, made);
  return made;
}
