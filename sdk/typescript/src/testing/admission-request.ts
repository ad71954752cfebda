import type { AdmissionRequest } from '../admission-request.ts';

interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata?: { readonly name?: string; readonly namespace?: string } | null;
}

/**
 * An AdmissionRequest about an object, CREATE unless told otherwise. The plural of the kind is guessed.
 *
 * @example
 * ```ts
 * evaluatePolicy(policy, { request: admissionRequest(deployment, { operation: 'UPDATE', oldObject: before }) });
 * ```
 */
export function admissionRequest<Resource extends KubernetesObject>(
  object: Resource,
  overrides: Partial<AdmissionRequest<Resource>> = {},
): AdmissionRequest<Resource> {
  const [version = '', group = ''] = object.apiVersion.split('/').toReversed();
  const { name, namespace } = object.metadata ?? {};
  return {
    uid: '00000000-0000-4000-8000-000000000000',
    kind: { group, version, kind: object.kind },
    resource: { group, version, resource: pluralOf(object.kind) },
    ...(name !== undefined && { name }),
    ...(namespace !== undefined && { namespace }),
    operation: 'CREATE',
    userInfo: { username: 'kubernetes-admin', groups: ['system:masters', 'system:authenticated'] },
    object,
    ...overrides,
  };
}

function pluralOf(kind: string): string {
  const singular = kind.toLowerCase();
  if (singular === 'endpoints') return singular;
  if (/[^aeiou]y$/.test(singular)) return `${singular.slice(0, -1)}ies`;
  return /(?:s|x|ch)$/.test(singular) ? `${singular}es` : `${singular}s`;
}
