import { stringifyYaml, parseYaml, YamlTagged, type YamlNode, type YamlPath } from '@portcullis/artifact';
import { compareUtf8, convertTo, JsonNumber } from '@portcullis/protocol';
import type { CapabilityRequest, CapabilityRequestType } from '../request.ts';
import { REQUEST_MEMBERS, requestShape, type MemberType, type Members } from '../request-schema.ts';

/** A request as sessions hold it: a YAML text with the request's name as tag, all members written, nulls too. */
export function formatRequest(request: CapabilityRequest): string {
  return stringifyYaml(new YamlTagged(request.type, members(request, REQUEST_MEMBERS[request.type])));
}

/**
 * Reads such a text. Unknown members are ignored; optional members may be missing.
 *
 * @throws YamlError or JsonError
 */
export function parseRequest(text: string): CapabilityRequest {
  let known: Members = [];
  const { tag, value } = parseYaml(text, {
    rootTag: true,
    onRootTag: (name) => (known = isRequestType(name) ? REQUEST_MEMBERS[name] : []),
    textAt: (path) => textRule({ struct: '', members: known }, path),
  });
  if (tag === undefined) throw new Error('expected a tag that names the request, such as !KubernetesGetResource');
  if (!isRequestType(tag)) throw new Error(`unknown variant \`${tag}\`, expected one of ${requestTypes()}`);
  return convertTo(requestShape(tag), value);
}

function isRequestType(name: string): name is CapabilityRequestType {
  return Object.hasOwn(REQUEST_MEMBERS, name);
}

function requestTypes(): string {
  return Object.keys(REQUEST_MEMBERS)
    .map((name) => `\`${name}\``)
    .join(', ');
}

function members(source: object, types: Members): Map<string, YamlNode> {
  const values = new Map<string, unknown>(Object.entries(source));
  return new Map(types.map(([name, type]) => [name, node(values.get(name), type)]));
}

function node(value: unknown, type: MemberType): YamlNode {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value !== 'object') return JsonNumber.from(Number(value));
  if (type === 'string-set') return sortedSet(value);
  if (type === 'string-map') return sortedMap(value);
  return typeof type === 'object' ? compoundNode(value, type) : null;
}

function compoundNode(value: object, type: Exclude<MemberType, string>): YamlNode {
  if ('optional' in type) return node(value, type.optional);
  if ('list' in type) return Array.isArray(value) ? value.map((item) => node(item, type.list)) : null;
  return 'struct' in type ? members(value, type.members) : null;
}

/** Sets and maps have no order of their own: they are written sorted. */
export function sortedSet(value: unknown): string[] {
  return Array.isArray(value) ? Array.from(new Set(value.map(String))).sort(compareUtf8) : [];
}

export function sortedMap(value: unknown): Map<string, string> {
  if (!(value instanceof Map)) return new Map();
  const entries = Array.from(value, ([key, text]): [string, string] => [String(key), String(text)]);
  return new Map(entries.sort(([a], [b]) => compareUtf8(a, b)));
}

/** Which unquoted scalars are text although they look like numbers: `name: 123` names a resource. */
function textRule(type: MemberType, path: YamlPath): 'always' | 'unless-null' | 'never' {
  const [segment, ...rest] = path;
  if (typeof type === 'object' && 'optional' in type) {
    const rule = textRule(type.optional, path);
    return rule === 'always' && segment === undefined ? 'unless-null' : rule;
  }
  if (segment === undefined) return isText(type) ? 'always' : 'never';
  if (type === 'string-map' || type === 'string-set') return 'always';
  if (typeof type !== 'object') return 'never';
  if ('list' in type) return textRule(type.list, rest);
  if (!('struct' in type)) return 'never';
  const member = type.members.find(([name]) => name === segment);
  return member === undefined ? 'never' : textRule(member[1], rest);
}

function isText(type: MemberType): boolean {
  return type === 'string' || (typeof type === 'object' && 'names' in type);
}
