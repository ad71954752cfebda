import type { AdmissionResponse, AdmissionStatus } from '@portcullis/protocol';

/** What of a policy's configuration bears on its answers. */
export interface PolicyModeOptions {
  /** Named in messages: the policy id. */
  readonly id: string;
  readonly mode: 'protect' | 'monitor';
  readonly allowedToMutate: boolean;
  /** Takes the place of the policy's own message when it refuses. */
  readonly message?: string | undefined;
}

/**
 * Applies a policy's configuration to its own (vanilla) answer, in this order: monitor mode accepts everything; a
 * mutation nobody allowed is refused; a custom message moves the original one into the causes.
 */
export function applyPolicyMode(response: AdmissionResponse, policy: PolicyModeOptions): AdmissionResponse {
  if (policy.mode === 'monitor') {
    const { uid, auditAnnotations, warnings } = response;
    return { uid, allowed: true, auditAnnotations, warnings };
  }
  return withCustomMessage(withMutationConstraint(response, policy), policy.message);
}

function withMutationConstraint(response: AdmissionResponse, policy: PolicyModeOptions): AdmissionResponse {
  if (policy.allowedToMutate || response.patch === undefined) return response;
  const { uid, auditAnnotations, warnings } = response;
  const message =
    `Request rejected by policy ${policy.id}. The policy attempted to mutate the request, ` +
    'but it is currently configured to not allow mutations.';
  return { uid, allowed: false, status: { message }, auditAnnotations, warnings };
}

function withCustomMessage(response: AdmissionResponse, message: string | undefined): AdmissionResponse {
  if (response.allowed || message === undefined) return response;
  const { status = {} } = response;
  const original = { reason: null, message: status.message ?? '', field: null };
  const causes = [...(status.details?.causes ?? []), original];
  const replaced: AdmissionStatus = { ...status, message, details: { ...status.details, causes } };
  return { ...response, status: replaced };
}
