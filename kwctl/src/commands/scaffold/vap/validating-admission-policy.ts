import { parseYaml, YamlError } from '@portcullis/artifact';
import {
  any,
  JsonError,
  list,
  messageOf,
  optional,
  readWithPaths,
  required,
  string,
  stringifyJson,
  struct,
  type JsonValue,
  type Shape,
} from '@portcullis/protocol';

const API_VERSION = 'admissionregistration.k8s.io/v1';

const resourceRule = struct('struct NamedRuleWithOperations', {
  apiGroups: optional(list(string)),
  apiVersions: optional(list(string)),
  resources: optional(list(string)),
  operations: optional(list(string)),
  resourceNames: optional(list(string)),
});

const matchResources = struct('struct MatchResources', {
  resourceRules: optional(list(resourceRule)),
  excludeResourceRules: optional(list(any)),
  matchPolicy: optional(string),
  namespaceSelector: optional(any),
  objectSelector: optional(any),
});

/** Members stand in the order in which the settings of the CEL policy have them. */
const policySpec = struct('struct ValidatingAdmissionPolicySpec', {
  failurePolicy: optional(string),
  variables: optional(list(struct('struct Variable', { expression: required(string), name: required(string) }))),
  paramKind: optional(struct('struct ParamKind', { apiVersion: optional(string), kind: optional(string) })),
  validations: optional(
    list(
      struct('struct Validation', {
        expression: required(string),
        message: optional(string),
        messageExpression: optional(string),
        reason: optional(string),
      }),
    ),
  ),
  matchConstraints: optional(matchResources),
  auditAnnotations: optional(list(any)),
  matchConditions: optional(list(any)),
});

const bindingSpec = struct('struct ValidatingAdmissionPolicyBindingSpec', {
  paramRef: optional(
    struct('struct ParamRef', {
      name: optional(string),
      namespace: optional(string),
      parameterNotFoundAction: optional(string),
      selector: optional(any),
    }),
  ),
  matchResources: optional(matchResources),
});

const policyShape = struct('struct ValidatingAdmissionPolicy', { spec: required(policySpec) });
const bindingShape = struct('struct ValidatingAdmissionPolicyBinding', {
  metadata: optional(any),
  spec: required(bindingSpec),
});

export type ValidatingAdmissionPolicy = ReturnType<typeof policyShape.read>;
export type ValidatingAdmissionPolicyBinding = ReturnType<typeof bindingShape.read>;
export type ResourceRule = ReturnType<typeof resourceRule.read>;

/** @throws SyntaxError that says what in the text is not as it should be */
export function parseValidatingAdmissionPolicy(text: string): ValidatingAdmissionPolicy {
  return parseResource(text, 'ValidatingAdmissionPolicy', policyShape);
}

/** @throws SyntaxError that says what in the text is not as it should be */
export function parseValidatingAdmissionPolicyBinding(text: string): ValidatingAdmissionPolicyBinding {
  return parseResource(text, 'ValidatingAdmissionPolicyBinding', bindingShape);
}

function parseResource<T>(text: string, kind: string, shape: Shape<T>): T {
  try {
    const { value } = parseYaml(text);
    if (!(value instanceof Map)) throw new SyntaxError(`expected an object of kind ${kind}`);
    checkMember(value, 'apiVersion', API_VERSION);
    checkMember(value, 'kind', kind);
    return readWithPaths(shape, stringifyJson(value));
  } catch (error) {
    if (error instanceof JsonError) {
      throw new SyntaxError(error.path === '' ? error.detail : `${error.path}: ${error.detail}`, { cause: error });
    }
    if (error instanceof YamlError) throw new SyntaxError(messageOf(error), { cause: error });
    throw error;
  }
}

function checkMember(object: ReadonlyMap<string, JsonValue>, key: string, expected: string): void {
  const value = object.get(key);
  if (value === expected) return;
  if (value === undefined) throw new SyntaxError(`missing field \`${key}\``);
  throw new SyntaxError(`invalid value: ${stringifyJson(value).slice(0, 200).toWellFormed()}, expected ${expected}`);
}
