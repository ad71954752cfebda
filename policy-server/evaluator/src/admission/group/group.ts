import type { AdmissionResponse, AdmissionStatus } from '@portcullis/protocol';
import { evaluateExpression, type GroupExpression } from './expression/expression.ts';

const MEMBER_MUTATES = 'mutation is not allowed inside of policy group';

/** Answers for one member; asked again for every call in the expression. */
export type MemberEvaluation = () => Promise<AdmissionResponse>;

export interface PolicyGroup {
  readonly id: string;
  /** What a refused request is told; why its members refused goes into the causes. */
  readonly message: string;
}

/**
 * Decides a policy group. Members' warnings and annotations are not passed on; a refusal names every member that was
 * asked and refused, in the order of `members`.
 *
 * @throws Error what a member's evaluation rejects with.
 */
export async function evaluateGroup(
  expression: GroupExpression,
  members: ReadonlyMap<string, MemberEvaluation>,
  group: PolicyGroup,
  uid: string,
): Promise<AdmissionResponse> {
  const refusals = new Map<string, string | null>();
  const allowed = await evaluateExpression(expression.root, async (member) => {
    const evaluate = members.get(member);
    if (evaluate === undefined) throw new Error(`policy group ${group.id} has no member ${member}`);
    const response = await evaluate();
    const accepts = response.allowed && response.patch === undefined;
    if (accepts) refusals.delete(member);
    else refusals.set(member, refusalMessage(response));
    return accepts;
  });
  if (allowed) return { uid, allowed, auditAnnotations: null, warnings: null };
  const status = groupStatus(group.message, [...members.keys()], refusals);
  return { uid, allowed, status, auditAnnotations: null, warnings: null };
}

function refusalMessage(response: AdmissionResponse): string | null {
  return response.patch === undefined ? (response.status?.message ?? null) : MEMBER_MUTATES;
}

function groupStatus(
  message: string,
  members: readonly string[],
  refusals: ReadonlyMap<string, string | null>,
): AdmissionStatus {
  const causes = members
    .filter((member) => refusals.has(member))
    .map((member) => ({ reason: null, message: refusals.get(member) ?? null, field: `spec.policies.${member}` }));
  return { message, details: causes.length === 0 ? {} : { causes } };
}
