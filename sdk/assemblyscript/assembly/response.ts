import { JSON } from "json-as";

/** What a policy answers to `validate`: made by `accept`, `reject` and `mutate`, refined by its methods. */
@json
export class PolicyResponse {
  accepted: bool = true;
  @omitnull() message: string | null = null;
  @omitif((self: PolicyResponse) => self.code == 0) code: u16 = 0;
  @omitnull() mutated_object: JSON.Raw | null = null;
  @omitnull() audit_annotations: Map<string, string> | null = null;
  @omitnull() warnings: string[] | null = null;
  /** Set by `failure`: there is no verdict. */
  @omit problem: string | null = null;

  /** HTTP status code of a rejection; Kubernetes clients show it. */
  withCode(code: u16): PolicyResponse {
    this.code = code;
    return this;
  }

  /** Shown to whoever sent the request. */
  withWarning(text: string): PolicyResponse {
    const warnings = this.warnings;
    if (warnings === null) this.warnings = [text];
    else warnings.push(text);
    return this;
  }

  /** Written to the audit log of the API server. */
  withAuditAnnotation(key: string, value: string): PolicyResponse {
    let annotations = this.audit_annotations;
    if (annotations === null) this.audit_annotations = annotations = new Map<string, string>();
    annotations.set(key, value);
    return this;
  }

  toJSON(): string {
    return JSON.stringify<PolicyResponse>(this);
  }
}

/** Lets the request pass. */
export function accept(): PolicyResponse {
  return new PolicyResponse();
}

/** Denies the request. */
export function reject(message: string): PolicyResponse {
  const response = new PolicyResponse();
  response.accepted = false;
  response.message = message;
  return response;
}

/** Lets the request pass with another object: the whole object as JSON text, as `jsonSet` and `jsonRemove` leave it. */
export function mutate(object: string): PolicyResponse {
  const response = new PolicyResponse();
  response.mutated_object = new JSON.Raw(object);
  return response;
}

/** Gives no verdict: the evaluation fails, and the host denies the request as an internal error with this message. */
export function failure(problem: string): PolicyResponse {
  const response = new PolicyResponse();
  response.accepted = false;
  response.problem = problem;
  return response;
}

@json
class SettingsResponse {
  valid: bool = true;
  @omitnull() message: string | null = null;
}

/** The answer to `validate_settings`: `problem` says what is wrong, null that nothing is. */
export function settingsResponse(problem: string | null): string {
  const response = new SettingsResponse();
  response.valid = problem === null;
  response.message = problem;
  return JSON.stringify<SettingsResponse>(response);
}
