import { jsonFrom, type JsonObject, type JsonValue } from '@portcullis/protocol';
import { KwctlError } from '../../../errors.ts';
import { withSortedMembers } from '../sorted-members.ts';
import type {
  ResourceRule,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
} from './validating-admission-policy.ts';

/**
 * The ClusterAdmissionPolicy that does with the CEL policy what a ValidatingAdmissionPolicy and its binding do.
 *
 * @param module - where the cluster finds the CEL policy
 * @throws KwctlError `custom-resource-invalid`
 */
export function clusterAdmissionPolicy(
  module: string,
  { spec: policy }: ValidatingAdmissionPolicy,
  { metadata, spec: binding }: ValidatingAdmissionPolicyBinding,
): JsonObject {
  const { matchConstraints } = policy;
  const spec: [string, JsonValue | undefined][] = [
    ['module', module],
    ['settings', settingsOf(policy, binding)],
    ['rules', rulesOf(matchConstraints?.resourceRules ?? [])],
    ['mutating', false],
    ['matchPolicy', matchConstraints?.matchPolicy],
    ['namespaceSelector', sorted(binding.matchResources?.namespaceSelector)],
    ['objectSelector', sorted(matchConstraints?.objectSelector)],
  ];
  return new Map<string, JsonValue>([
    ['apiVersion', 'policies.kubewarden.io/v1'],
    ['kind', 'ClusterAdmissionPolicy'],
    ['metadata', sorted(metadata) ?? new Map()],
    ['spec', present(spec)],
  ]);
}

function settingsOf(
  policy: ValidatingAdmissionPolicy['spec'],
  { paramRef }: ValidatingAdmissionPolicyBinding['spec'],
): JsonObject {
  const { failurePolicy, variables = [], paramKind, validations = [] } = policy;
  if ((paramKind === undefined) !== (paramRef === undefined)) {
    throw invalid('Both paramKind and paramRef must be present together, or both absent');
  }
  return present([
    ['failurePolicy', failurePolicy],
    ['variables', variables.length > 0 ? jsonFrom(variables) : undefined],
    ['paramKind', paramKind && jsonFrom(paramKind)],
    ['paramRef', paramRef && withSortedMembers(jsonFrom(paramRef))],
    ['validations', validations.length > 0 ? jsonFrom(validations) : undefined],
  ]);
}

const OPERATIONS = ['CREATE', 'UPDATE', 'DELETE', 'CONNECT', '*'];

function rulesOf(rules: readonly ResourceRule[]): JsonValue {
  if (rules.length === 0) {
    throw invalid(
      'the ValidatingAdmissionPolicy has no spec.matchConstraints.resourceRules: a policy without rules is never asked',
    );
  }
  return jsonFrom(
    rules.map(({ apiGroups = [], apiVersions = [], resources = [], operations = [] }) => {
      const unknown = operations.find((operation) => !OPERATIONS.includes(operation));
      if (unknown !== undefined) {
        throw invalid(`unknown operation '${unknown.slice(0, 100)}', expected one of ${OPERATIONS.join(', ')}`);
      }
      return { apiGroups, apiVersions, resources, operations };
    }),
  );
}

function sorted(value: JsonValue | undefined): JsonValue | undefined {
  return value === undefined ? undefined : withSortedMembers(value);
}

function present(members: readonly (readonly [string, JsonValue | undefined])[]): JsonObject {
  return new Map(members.filter((member): member is [string, JsonValue] => member[1] !== undefined));
}

function invalid(message: string): KwctlError {
  return new KwctlError('custom-resource-invalid', message);
}
