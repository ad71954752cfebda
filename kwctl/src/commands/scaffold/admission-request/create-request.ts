import { jsonFrom, type JsonObject, type JsonValue } from '@portcullis/protocol';
import type { ResourceScope } from '../../../kubernetes/resource-catalog.ts';
import { withSortedMembers } from '../sorted-members.ts';
import type { KubernetesObject } from './kubernetes-object.ts';

/** Every scaffolded request has the same one: the output of two runs can be compared. */
const UID = '705ab4f5-6393-11e8-b7cc-42010a800002';
const UNKNOWN_PLURAL =
  'this-is-the-plural-name-of-the-resource-this-information-is-not-used-by-policies-and-requires-a-connection-to-an-api-server-to-be-obtained';

/**
 * The request an API server would send to a webhook when the object is created.
 *
 * @param scope - `undefined` when no cluster could be asked
 */
export function createRequest(object: KubernetesObject, scope: ResourceScope | undefined): JsonObject {
  const { group, version, kind } = object.kind;
  const kindJson = jsonFrom({ group, version, kind });
  const resourceJson = jsonFrom({ group, version, resource: scope?.plural ?? UNKNOWN_PLURAL });
  const namespace = object.namespace ?? (scope?.isNamespaced === true ? 'default' : undefined);
  const members: [string, JsonValue | undefined][] = [
    ['uid', UID],
    ['kind', kindJson],
    ['resource', resourceJson],
    ['requestKind', kindJson],
    ['requestResource', resourceJson],
    ['name', object.name],
    ['namespace', namespace],
    ['operation', 'CREATE'],
    ['userInfo', jsonFrom({ groups: ['system:masters'], username: 'test-user' })],
    ['object', withSortedMembers(object.value)],
  ];
  return new Map(members.filter((member): member is [string, JsonValue] => member[1] !== undefined));
}
