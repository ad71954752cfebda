import {
  any,
  convertTo,
  JsonError,
  list,
  messageOf,
  optional,
  required,
  string,
  struct,
  type JsonValue,
  type Shape,
} from '@portcullis/protocol';
import { KwctlError } from '../errors.ts';
import type { Log } from '../output/log.ts';
import type { ApiClient } from './api-client.ts';
import { catalogKey, type ResourceCatalog } from './resource-catalog.ts';

/** A version of a group of kinds; the group is empty for the oldest kinds. */
export interface GroupVersion {
  readonly group: string;
  readonly version: string;
}

const versionShape = struct('struct GroupVersionForDiscovery', { groupVersion: required(string) });
const groupsShape = struct('struct APIGroupList', {
  groups: required(
    list(
      struct('struct APIGroup', { preferredVersion: optional(versionShape), versions: required(list(versionShape)) }),
    ),
  ),
});
const resourcesShape = struct('struct APIResourceList', { resources: required(list(any)) });
const resourceShape = struct('struct APIResource', { name: required(string), kind: required(string) });

/** Large clusters have some hundred. */
const MAX_GROUPS = 2000;
const AT_ONCE = 4;

/**
 * Asks an API server which kinds it serves: those of `v1`, of the preferred version of every group, and of the version
 * that is wanted. A group whose own server does not answer is left out.
 *
 * @throws KwctlError `cluster-unusable`
 */
export async function discoverResources(client: ApiClient, wanted: GroupVersion, log: Log): Promise<ResourceCatalog> {
  const core = resourcesIn(await client.get('/api/v1'), { group: '', version: 'v1' });
  const groups = understood(groupsShape, await client.get('/apis'), '/apis').groups.slice(0, MAX_GROUPS);
  const versions = groups.flatMap(({ preferredVersion, versions: [first, ...others] }) => {
    const isWanted = ({ groupVersion }: { groupVersion: string }): boolean =>
      groupVersion === `${wanted.group}/${wanted.version}`;
    const names = [preferredVersion ?? first, [first, ...others].find((each) => each !== undefined && isWanted(each))];
    return names.flatMap((name) => parseGroupVersion(name?.groupVersion));
  });
  const unique = new Map(versions.map((each) => [pathOf(each), each]));
  const catalog: ResourceCatalog = new Map(core);
  const queue = [...unique];
  const lane = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      for (const [key, resource] of await resourcesAt(client, next, log)) catalog.set(key, resource);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  if (client.isExhausted) {
    throw new KwctlError('cluster-unusable', 'the API server did not answer in time, or with too much, what it serves');
  }
  return catalog;
}

/** Names that could lead to another path of the server are none. */
function parseGroupVersion(text = ''): GroupVersion[] {
  const match = /^([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)\/([a-z0-9]{1,63})$/.exec(text);
  return match === null ? [] : [{ group: match[1] ?? '', version: match[2] ?? '' }];
}

function pathOf({ group, version }: GroupVersion): string {
  return `/apis/${group}/${version}`;
}

async function resourcesAt(
  client: ApiClient,
  [path, groupVersion]: readonly [string, GroupVersion],
  log: Log,
): Promise<[string, JsonValue][]> {
  try {
    return resourcesIn(await client.get(path), groupVersion);
  } catch (error) {
    if (!(error instanceof KwctlError)) throw error;
    log({ level: 'debug', target: 'kwctl::kubernetes', message: `left out ${path}: ${error.message}` });
    return [];
  }
}

function resourcesIn(answer: JsonValue, { group, version }: GroupVersion): [string, JsonValue][] {
  const { resources } = understood(resourcesShape, answer, `${group}/${version}`);
  return resources.flatMap((resource): [string, JsonValue][] => {
    const { name, kind } = understood(resourceShape, resource, `${group}/${version}`);
    const isSubresource = name.includes('/');
    return isSubresource ? [] : [[catalogKey({ group, version, kind }), resource]];
  });
}

function understood<T>(shape: Shape<T>, value: JsonValue, where: string): T {
  try {
    return convertTo(shape, value);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    const message = `the API server's list of ${where} cannot be understood: ${messageOf(error)}`;
    throw new KwctlError('cluster-unusable', message, { cause: error });
  }
}
