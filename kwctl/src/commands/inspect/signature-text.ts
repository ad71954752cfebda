import type { Descriptor, ImageManifest } from '@portcullis/artifact';
import { compareUtf8, parseJson, type JsonObject, type JsonValue } from '@portcullis/protocol';
import { rowTable, type Emphasis, type Row } from './row-table.ts';
import { isBundleLayer, type AttachedSignatures } from './signatures.ts';

/** The signatures for people: one table for each. */
export function describeSignatures({ cosign, bundles }: AttachedSignatures, emphasize: Emphasis): string {
  const tables = [
    ...(cosign?.layers ?? []).map((layer) => signatureTable(layer, layer.annotations, emphasize)),
    ...bundles.flatMap((manifest) =>
      manifest.layers
        .filter(isBundleLayer)
        // What there is to say about a bundle stands beside it, in its manifest.
        .map((layer) => signatureTable(layer, new Map([...manifest.annotations, ...layer.annotations]), emphasize)),
    ),
  ];
  return `\n${emphasize('Sigstore signatures')}\n\n${tables.map((table) => `${table}\n`).join('')}`;
}

function signatureTable(layer: Descriptor, annotations: ReadonlyMap<string, string>, emphasize: Emphasis): string {
  const rows: Row[] = [
    ['Digest: ', layer.digest],
    ['Media type: ', layer.mediaType],
    ['Size: ', String(layer.size)],
  ];
  if (annotations.size > 0) rows.push(['Annotations']);
  rows.push(...Array.from(annotations).sort(([a], [b]) => compareUtf8(a, b)));
  return rowTable(rows, emphasize);
}

/** The members they add to the metadata of the policy, where that is printed for programs. */
export function signatureMembers({ cosign, bundles }: AttachedSignatures): JsonObject {
  const members: JsonObject = new Map();
  if (cosign !== undefined) members.set('signatures', manifestValue(cosign));
  if (bundles.length > 0) members.set('sigstoreBundles', bundles.map(manifestValue));
  return members;
}

const MANIFEST_ORDER = ['schemaVersion', 'mediaType', 'artifactType', 'config', 'layers', 'subject', 'annotations'];
const DESCRIPTOR_ORDER = ['mediaType', 'digest', 'size', 'artifactType', 'urls', 'annotations'];

/** The manifest as the registry has it, its members in the order people know. */
function manifestValue({ bytes }: ImageManifest): JsonValue {
  const value = parseJson(bytes);
  if (!(value instanceof Map)) return value;
  const ordered = inOrder(value, MANIFEST_ORDER);
  for (const [key, member] of ordered) {
    if (key === 'config' || key === 'subject') ordered.set(key, descriptorValue(member));
    if (key === 'layers' && Array.isArray(member)) ordered.set(key, member.map(descriptorValue));
  }
  return ordered;
}

function descriptorValue(value: JsonValue): JsonValue {
  return value instanceof Map ? inOrder(value, DESCRIPTOR_ORDER) : value;
}

/** Known members first, then the others by name; annotations always by name. */
function inOrder(object: JsonObject, known: readonly string[]): JsonObject {
  const others = [...object.keys()].filter((key) => !known.includes(key)).sort(compareUtf8);
  const ordered: JsonObject = new Map();
  for (const key of [...known, ...others]) {
    const member = object.get(key);
    if (member !== undefined)
      ordered.set(key, key === 'annotations' && member instanceof Map ? inOrder(member, []) : member);
  }
  return ordered;
}
