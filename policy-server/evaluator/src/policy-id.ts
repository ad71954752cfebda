import { EvaluationError } from './errors.ts';

/** A policy or group by its name, or a member of a group. */
export type PolicyId =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'member'; readonly group: string; readonly member: string };

/**
 * Reads `name` or `group/member`. An empty member name is a name like any other; an empty id, or one with two slashes, is none.
 *
 * @throws EvaluationError `policy-id-invalid`
 */
export function parsePolicyId(text: string): PolicyId {
  const parts = text.split('/');
  const [first, second] = parts;
  if (first === undefined || text === '' || parts.length > 2) {
    throw new EvaluationError('policy-id-invalid', `Not a valid Policy ID: ${text}`);
  }
  return second === undefined ? { kind: 'name', name: first } : { kind: 'member', group: first, member: second };
}

/** The text form of a policy id, as it stands in requests, logs and metrics. */
export function formatPolicyId(id: PolicyId): string {
  return id.kind === 'name' ? id.name : `${id.group}/${id.member}`;
}
