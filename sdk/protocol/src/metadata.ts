import { JsonError } from './errors.ts';
import { boolean, list, optional, readAs, readWithPaths, record, required, string } from './json/shape.ts';
import { struct, variant, withDefault, type Shape } from './json/shape.ts';
import { stringifyJson, type JsonValue } from './json/value.ts';
import { compareUtf8 } from './utf8.ts';

/** How a module wants to be run. `component` is an addition of this server; the others are Kubewarden's. */
export type ExecutionMode = 'kubewarden-wapc' | 'wasi' | 'opa' | 'gatekeeper' | 'component';

export type RuleOperation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT' | '*';

/** Requests a policy wants to see, in the terms of a webhook configuration. */
export interface PolicyRule {
  apiGroups: string[];
  apiVersions: string[];
  resources: string[];
  operations: RuleOperation[];
}

export interface ContextAwareResource {
  apiVersion: string;
  kind: string;
}

/** What a policy module says about itself. */
export interface PolicyMetadata {
  protocolVersion?: 'v1' | 'Unknown';
  rules: PolicyRule[];
  annotations?: Record<string, string>;
  mutating: boolean;
  backgroundAudit: boolean;
  executionMode: ExecutionMode;
  policyType: 'kubernetes' | 'raw';
  /** A set: sorted, without duplicates. */
  contextAwareResources: ContextAwareResource[];
  /** A set as well. Informational, patterns are not checked here. */
  hostCapabilities?: string[];
  minimumKubewardenVersion?: string;
}

const ruleShape: Shape<PolicyRule> = struct('struct Rule', {
  apiGroups: required(list(string)),
  apiVersions: required(list(string)),
  resources: required(list(string)),
  operations: required(list(variant(['CREATE', 'UPDATE', 'DELETE', 'CONNECT', '*']))),
});

const resourceShape: Shape<ContextAwareResource> = struct('struct ContextAwareResource', {
  apiVersion: required(string),
  kind: required(string),
});

/** Semantic Versioning 2.0.0, every part bounded by its separator so that matching stays linear. */
const SEMVER =
  /^(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$/;

const versionShape: Shape<string> = {
  expecting: 'a semantic version',
  read(reader) {
    const text = string.read(reader);
    if (text.length <= 256 && SEMVER.test(text)) return text;
    throw reader.error(
      'data',
      `invalid value: string ${JSON.stringify(text.slice(0, 256))}, expected a semantic version`,
    );
  },
};

const metadataShape = struct('struct Metadata', {
  protocolVersion: optional(variant(['Unknown', 'v1'])),
  rules: required(list(ruleShape)),
  annotations: optional(record(string)),
  mutating: required(boolean),
  backgroundAudit: withDefault(boolean, () => true),
  executionMode: withDefault(
    variant(['kubewarden-wapc', 'opa', 'gatekeeper', 'wasi', 'component']),
    (): ExecutionMode => 'kubewarden-wapc',
  ),
  policyType: withDefault(variant(['kubernetes', 'raw']), (): 'kubernetes' | 'raw' => 'kubernetes'),
  contextAwareResources: withDefault(list(resourceShape), () => []),
  hostCapabilities: optional(list(string)),
  minimumKubewardenVersion: optional(versionShape),
});

/**
 * Reads policy metadata. Unknown keys are ignored, known keys given twice are refused.
 *
 * @throws {@link JsonError}
 */
export function parseMetadata(json: Uint8Array): PolicyMetadata {
  return normalise(readAs(metadataShape, json));
}

/**
 * Policy metadata from a value already parsed (a `metadata.yml`).
 *
 * @throws {@link JsonError} of code `data`, with the way to the value, without position: the text it has is not the author's.
 */
export function metadataFrom(value: JsonValue): PolicyMetadata {
  try {
    return normalise(readWithPaths(metadataShape, stringifyJson(value)));
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new JsonError(error.code, error.detail, { line: 0, column: 0, path: error.path });
  }
}

type RawMetadata = ReturnType<typeof metadataShape.read>;

function normalise({ hostCapabilities, contextAwareResources, ...rest }: RawMetadata): PolicyMetadata {
  const metadata: PolicyMetadata = { ...rest, contextAwareResources: resourceSet(contextAwareResources) };
  if (hostCapabilities !== undefined) metadata.hostCapabilities = [...new Set(hostCapabilities)].sort(compareUtf8);
  return metadata;
}

function resourceSet(resources: readonly ContextAwareResource[]): ContextAwareResource[] {
  const unique = new Map(resources.map((resource) => [JSON.stringify([resource.apiVersion, resource.kind]), resource]));
  return [...unique.values()].sort((a, b) => compareUtf8(a.apiVersion, b.apiVersion) || compareUtf8(a.kind, b.kind));
}

/** Compact JSON as it is embedded in modules, with the key order other tools write. */
export function stringifyMetadata(metadata: PolicyMetadata): string {
  const members: [string, string | undefined][] = [
    ['protocolVersion', stringify(metadata.protocolVersion)],
    ['rules', `[${metadata.rules.map(stringifyRule).join(',')}]`],
    ['annotations', metadata.annotations && stringifyAnnotations(metadata.annotations)],
    ['mutating', stringify(metadata.mutating)],
    ['backgroundAudit', stringify(metadata.backgroundAudit)],
    ['executionMode', stringify(metadata.executionMode)],
    ['policyType', stringify(metadata.policyType)],
    ['contextAwareResources', `[${resourceSet(metadata.contextAwareResources).map(stringifyResource).join(',')}]`],
    ['hostCapabilities', stringify(metadata.hostCapabilities)],
    ['minimumKubewardenVersion', stringify(metadata.minimumKubewardenVersion)],
  ];
  const written = members.filter(([, text]) => text !== undefined);
  return `{${written.map(([key, text]) => `"${key}":${text}`).join(',')}}`;
}

function stringify(value: string | boolean | string[] | undefined): string | undefined {
  return value === undefined ? undefined : JSON.stringify(value);
}

function stringifyRule({ apiGroups, apiVersions, resources, operations }: PolicyRule): string {
  return JSON.stringify({ apiGroups, apiVersions, resources, operations });
}

function stringifyResource({ apiVersion, kind }: ContextAwareResource): string {
  return JSON.stringify({ apiVersion, kind });
}

function stringifyAnnotations(annotations: Record<string, string>): string {
  const keys = Object.keys(annotations).sort(compareUtf8);
  return `{${keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(annotations[key])}`).join(',')}}`;
}
