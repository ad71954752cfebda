import { parseYamlDocuments, YamlError } from '@portcullis/artifact';
import {
  any,
  boolean,
  JsonError,
  list,
  map,
  optional,
  readWithPaths,
  required,
  string,
  stringifyJson,
  struct,
  unsigned,
  variant,
  withDefault,
  type ContextAwareResource,
  type JsonValue,
  type Shape,
} from '@portcullis/protocol';
import { KwctlError } from '../../errors.ts';
import { located } from '../../policy-location.ts';
import type { Plan, PlannedModule } from './planned-policy.ts';
import { settingsObject } from './settings.ts';

const API_VERSION = 'policies.kubewarden.io/v1';
const KINDS = [
  'AdmissionPolicy',
  'ClusterAdmissionPolicy',
  'AdmissionPolicyGroup',
  'ClusterAdmissionPolicyGroup',
] as const;
type Kind = (typeof KINDS)[number];

/**
 * Reads the policies of a file of custom resources, one or more documents.
 *
 * @throws KwctlError `custom-resource-invalid` naming file, document and key
 */
export function parseCustomResources(text: string, path: string): Plan[] {
  const values = readDocuments(text, path);
  return values.map((value, index) => {
    try {
      return planFrom(value);
    } catch (error) {
      if (!(error instanceof KwctlError) && !(error instanceof JsonError)) throw error;
      const where = values.length === 1 ? path : `${path}, document ${index + 1}`;
      throw new KwctlError('custom-resource-invalid', `${error.message} (${where})`, { cause: error });
    }
  });
}

function readDocuments(text: string, path: string): JsonValue[] {
  try {
    const values = parseYamlDocuments(text).map(({ value }) => value);
    return values.length === 0 ? [null] : values;
  } catch (error) {
    if (!(error instanceof YamlError)) throw error;
    throw new KwctlError('custom-resource-invalid', `Cannot parse YAML file "${path}": ${error.message}`, {
      cause: error,
    });
  }
}

function planFrom(value: JsonValue): Plan {
  const root = value instanceof Map ? value : new Map<string, JsonValue>();
  const apiVersion = root.get('apiVersion');
  if (apiVersion !== API_VERSION) throw invalid(`invalid apiVersion ${optionText(apiVersion)}`);
  const kind = KINDS.find((candidate) => candidate === root.get('kind'));
  if (kind === undefined) {
    throw invalid(`unknown kind ${optionText(root.get('kind'))}, not a Kubewarden policy`);
  }
  const name = nameOf(root.get('metadata'));
  const spec = root.get('spec');
  if (spec === undefined) throw invalid(`cannot parse value into ${kind}: missing field \`spec\``);
  return kind === 'AdmissionPolicy' || kind === 'ClusterAdmissionPolicy'
    ? policyPlan(kind, name, spec)
    : groupPlan(kind, name, spec);
}

function optionText(value: JsonValue | undefined): string {
  return typeof value === 'string' ? `Some(${JSON.stringify(value.slice(0, 200))})` : 'None';
}

function nameOf(metadata: JsonValue | undefined): string {
  const name = metadata instanceof Map ? metadata.get('name') : undefined;
  return typeof name === 'string' ? name : 'crd-without-name';
}

function invalid(message: string): KwctlError {
  return new KwctlError('custom-resource-invalid', message);
}

/** Members of a spec that say when a policy is asked, not what it answers: they are known, and play no part here. */
const IGNORED = [
  'policyServer',
  'rules',
  'failurePolicy',
  'backgroundAudit',
  'matchPolicy',
  'matchConditions',
  'objectSelector',
  'sideEffects',
  'timeoutSeconds',
];
const IGNORED_OF_CLUSTER = ['namespaceSelector', 'allowInsideAdmissionControllerNamespace'];

const resourceShape: Shape<ContextAwareResource> = struct('struct ContextAwareResource', {
  apiVersion: required(string),
  kind: required(string),
});

const MODULE_FIELDS = {
  module: required(string),
  settings: optional(any),
  timeoutEvalSeconds: optional(unsigned('i32', 2 ** 31 - 1)),
};
const RESOURCE_FIELDS = { contextAwareResources: optional(list(resourceShape)) };
const MODE_FIELD = { mode: withDefault(variant(['protect', 'monitor']), (): 'protect' | 'monitor' => 'protect') };

const policyShape = struct('struct PolicySpec', {
  ...MODULE_FIELDS,
  ...RESOURCE_FIELDS,
  ...MODE_FIELD,
  mutating: optional(boolean),
  message: optional(string),
});

const memberShape = struct('struct PolicyGroupMember', { ...MODULE_FIELDS, ...RESOURCE_FIELDS });

const groupShape = struct('struct PolicyGroupSpec', {
  ...MODE_FIELD,
  policies: required(map(any)),
  expression: required(string),
  message: optional(string),
});

const POLICY_MEMBERS = ['mode', 'module', 'settings', 'mutating', 'timeoutEvalSeconds', 'message'];
const GROUP_MEMBERS = ['mode', 'policies', 'expression', 'message'];

const KNOWN: Readonly<Record<Kind, readonly string[]>> = {
  AdmissionPolicy: [...POLICY_MEMBERS, ...IGNORED],
  ClusterAdmissionPolicy: [...POLICY_MEMBERS, 'contextAwareResources', ...IGNORED, ...IGNORED_OF_CLUSTER],
  AdmissionPolicyGroup: [...GROUP_MEMBERS, ...IGNORED],
  ClusterAdmissionPolicyGroup: [...GROUP_MEMBERS, ...IGNORED, ...IGNORED_OF_CLUSTER],
};

function policyPlan(kind: Kind, id: string, spec: JsonValue): Plan {
  const { mode, mutating = false, message, ...module } = readStrictly(policyShape, spec, { kind, known: KNOWN[kind] });
  return {
    kind: 'policy',
    id,
    mode,
    allowedToMutate: mutating,
    module: plannedModule(module, ` (spec.settings of ${id})`),
    ...(message !== undefined && { message }),
  };
}

function groupPlan(kind: Kind, id: string, spec: JsonValue): Plan {
  const group = readStrictly(groupShape, spec, { kind, known: KNOWN[kind] });
  const known = Object.keys(MODULE_FIELDS).concat(
    kind === 'ClusterAdmissionPolicyGroup' ? Object.keys(RESOURCE_FIELDS) : [],
  );
  const members = new Map<string, PlannedModule>();
  for (const [name, value] of group.policies) {
    const member = readStrictly(memberShape, value, { kind, known, within: `policies.${name}` });
    members.set(name, plannedModule(member, ` (spec.policies.${name}.settings of ${id})`));
  }
  const { mode, expression, message = '' } = group;
  return { kind: 'group', id, mode, members, expression, message };
}

interface ModuleSpec {
  readonly module: string;
  readonly settings?: JsonValue | undefined;
  readonly timeoutEvalSeconds?: number | undefined;
  readonly contextAwareResources?: ContextAwareResource[] | undefined;
}

function plannedModule(spec: ModuleSpec, where: string): PlannedModule {
  return {
    location: located(spec.module),
    settings: settingsObject(spec.settings, where),
    contextAwareResources: spec.contextAwareResources ?? [],
    ...(spec.timeoutEvalSeconds !== undefined && { timeoutMs: spec.timeoutEvalSeconds * 1000 }),
  };
}

/** Reads a value whose unknown members are errors: a typing error in a policy must not go unnoticed. */
function readStrictly<T>(
  shape: Shape<T>,
  value: JsonValue,
  { kind, known, within = '' }: { kind: Kind; known: readonly string[]; within?: string },
): T {
  const where = within === '' ? '' : `${within}: `;
  const keys = value instanceof Map ? Array.from(value.keys()) : [];
  const unknown = keys.find((key) => !known.includes(key));
  if (unknown !== undefined) {
    const expected = known.map((name) => `\`${name}\``).join(', ');
    throw invalid(`cannot parse value into ${kind}: ${where}unknown field \`${unknown}\`, expected one of ${expected}`);
  }
  try {
    return readWithPaths(shape, stringifyJson(value));
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    const key = error.path === '' ? '' : `${error.path}: `;
    throw invalid(`cannot parse value into ${kind}: ${where}${key}${error.detail}`);
  }
}
