import { parseYaml, YamlError } from '@portcullis/artifact';
import type { GroupVersionKind, JsonObject, JsonValue } from '@portcullis/protocol';
import { KwctlError } from '../../../errors.ts';
import { readTextFile } from '../../../text-file.ts';

/** An object as it would be sent to an API server. */
export interface KubernetesObject {
  readonly kind: GroupVersionKind;
  readonly name: string | undefined;
  readonly namespace: string | undefined;
  readonly value: JsonObject;
}

const MAX_OBJECT_BYTES = 16 * 2 ** 20;

/**
 * Reads an object from a YAML or JSON file.
 *
 * @throws KwctlError `file-unusable` or `request-invalid`
 */
export async function readKubernetesObject(path: string): Promise<KubernetesObject> {
  const value = parseObject(await readObjectText(path), path);
  const { apiVersion, kind } = typesOf(value, path);
  const metadata = value.get('metadata') ?? new Map<string, JsonValue>();
  if (!(metadata instanceof Map)) throw unparsable(path, 'metadata: expected an object');
  return {
    kind: groupVersionKind(apiVersion, kind, path),
    name: textMember(metadata, 'name', path),
    namespace: textMember(metadata, 'namespace', path),
    value: new Map([...value, ['metadata', metadata]]),
  };
}

function readObjectText(path: string): Promise<string> {
  const describe = (reason: string): string => `failed to open object file ${path}: ${reason}`;
  return readTextFile(path, { maxBytes: MAX_OBJECT_BYTES, code: 'file-unusable', describe });
}

function parseObject(text: string, path: string): JsonObject {
  try {
    const { value } = parseYaml(text);
    if (value instanceof Map) return value;
  } catch (error) {
    if (!(error instanceof YamlError)) throw error;
    throw unparsable(path, error.message, error);
  }
  throw unparsable(path, 'expected a Kubernetes object');
}

function typesOf(value: JsonObject, path: string): { apiVersion: string; kind: string } {
  const [apiVersion, kind] = [value.get('apiVersion'), value.get('kind')];
  if (typeof apiVersion === 'string' && typeof kind === 'string') return { apiVersion, kind };
  throw new KwctlError('request-invalid', `object defined inside of ${path} is missing types`);
}

function groupVersionKind(apiVersion: string, kind: string, path: string): GroupVersionKind {
  const parts = apiVersion.split('/');
  const [group, version] = parts.length === 1 ? ['', parts[0]] : parts;
  if (group === undefined || version === undefined || version === '' || kind === '' || parts.length > 2) {
    throw unparsable(
      path,
      `expected an apiVersion such as v1 or apps/v1 and a kind, got '${apiVersion}' and '${kind}'`,
    );
  }
  return { group, version, kind };
}

function textMember(metadata: JsonObject, key: string, path: string): string | undefined {
  const value = metadata.get(key) ?? undefined;
  if (value === undefined || typeof value === 'string') return value;
  throw unparsable(path, `metadata.${key}: expected a string`);
}

function unparsable(path: string, reason: string, cause?: unknown): KwctlError {
  return new KwctlError('request-invalid', `failed to parse object file ${path}: ${reason}`, { cause });
}
