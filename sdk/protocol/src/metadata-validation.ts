import type { PolicyMetadata, PolicyRule } from './metadata.ts';

/**
 * What is wrong with a policy's metadata, each problem led by the member it concerns; empty when all is well.
 * Rules follow the checks an API server makes of a webhook configuration.
 */
export function validateMetadata(metadata: PolicyMetadata): string[] {
  return [
    ...validateProtocolVersion(metadata),
    ...metadata.rules.flatMap((rule, index) =>
      validateRule(rule).map(([member, problem]) => `rules[${index}].${member}: ${problem}`),
    ),
    ...metadata.contextAwareResources.flatMap(({ apiVersion, kind }, index) => [
      ...(apiVersion === '' ? [`contextAwareResources[${index}].apiVersion: must not be empty`] : []),
      ...(kind === '' ? [`contextAwareResources[${index}].kind: must not be empty`] : []),
    ]),
  ];
}

function validateProtocolVersion({ protocolVersion, executionMode }: PolicyMetadata): string[] {
  if (protocolVersion === undefined) return ['protocolVersion: must be set'];
  if (protocolVersion === 'Unknown' && executionMode === 'kubewarden-wapc') {
    return ['protocolVersion: must be specified for kubewarden-wapc policies – expected "v1", got "Unknown"'];
  }
  return [];
}

type Problem = readonly [member: string, problem: string];

function validateRule(rule: PolicyRule): Problem[] {
  const { apiGroups, apiVersions, operations } = rule;
  const plain: Problem[] = Object.entries({ apiGroups, apiVersions, operations }).flatMap(([member, values]) =>
    validateStarAlone(values).map((problem): Problem => [member, problem]),
  );
  return [...plain, ...validateResources(rule.resources).map((problem): Problem => ['resources', problem])];
}

function validateStarAlone(values: readonly string[]): string[] {
  if (values.length === 0) return ['must not be empty'];
  return values.length > 1 && values.includes('*') ? ["if '*' is present, must not specify other values"] : [];
}

function validateResources(resources: readonly string[]): string[] {
  if (resources.length === 0) return ['must not be empty'];
  const problems: string[] = [];
  if (resources.includes('')) problems.push('must not contain an empty name');
  if (resources.length > 1 && resources.includes('*/*')) {
    problems.push("if '*/*' is present, must not specify other resources");
  }
  const withoutSubresource = resources.filter((resource) => !resource.includes('/'));
  if (withoutSubresource.length > 1 && withoutSubresource.includes('*')) {
    problems.push("if '*' is present, must not specify other resources without subresources");
  }
  return [...problems, ...validateSubresources(resources)];
}

/** As the API server does, a wildcard is only held against what comes after it. */
function validateSubresources(resources: readonly string[]): string[] {
  const problems: string[] = [];
  const anySubresourceOf = new Set<string>();
  const onAnyResource = new Set<string>();
  for (const entry of resources) {
    const slash = entry.indexOf('/');
    if (slash === -1 || entry === '*/*') continue;
    const [resource, subresource] = [entry.slice(0, slash), entry.slice(slash + 1)];
    if (anySubresourceOf.has(resource)) problems.push(`if '${resource}/*' is present, must not specify '${entry}'`);
    if (onAnyResource.has(subresource)) problems.push(`if '*/${subresource}' is present, must not specify '${entry}'`);
    if (subresource === '*') anySubresourceOf.add(resource);
    if (resource === '*') onAnyResource.add(subresource);
  }
  return problems;
}
