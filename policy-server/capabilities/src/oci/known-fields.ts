import { parseJson, type JsonObject, type JsonValue } from '@portcullis/protocol';

/** Members of an OCI document that guests know; those of objects within are given by a table of their own. */
interface Fields {
  readonly [name: string]: Fields | 'value';
}

const PLATFORM: Fields = {
  architecture: 'value',
  os: 'value',
  'os.version': 'value',
  'os.features': 'value',
  variant: 'value',
  features: 'value',
};
const DESCRIPTOR: Fields = {
  mediaType: 'value',
  digest: 'value',
  size: 'value',
  urls: 'value',
  annotations: 'value',
  platform: PLATFORM,
  artifactType: 'value',
  data: 'value',
};
const COMMON: Fields = {
  schemaVersion: 'value',
  mediaType: 'value',
  artifactType: 'value',
  subject: DESCRIPTOR,
  annotations: 'value',
};
const FIELDS: Readonly<Record<'manifest' | 'index', Fields>> = {
  manifest: { ...COMMON, config: DESCRIPTOR, layers: DESCRIPTOR },
  index: { ...COMMON, manifests: DESCRIPTOR },
};

/** A manifest or index as guests see it: the members OCI defines, nothing a registry added, nothing that is null. */
export function knownFields(kind: 'manifest' | 'index', bytes: Uint8Array): JsonObject {
  const document = pick(parseJson(bytes), FIELDS[kind]);
  if (document instanceof Map) return document;
  throw new TypeError('a manifest that was read is an object');
}

function pick(value: JsonValue, fields: Fields | 'value'): JsonValue {
  if (fields === 'value') return value;
  if (Array.isArray(value)) return value.map((item) => pick(item, fields));
  if (!(value instanceof Map)) return value;
  const picked: JsonObject = new Map();
  for (const [name, member] of value) {
    const inner = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (inner !== undefined && member !== null) picked.set(name, pick(member, inner));
  }
  return picked;
}
