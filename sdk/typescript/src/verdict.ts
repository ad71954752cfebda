/** What any verdict may carry to the user (`warnings`) and to the audit log (`auditAnnotations`). */
export interface VerdictOptions {
  /** Shown by kubectl and other clients, one line each. */
  readonly warnings?: readonly string[] | undefined;
  /** Added to the API server's audit event under the webhook's name. */
  readonly auditAnnotations?: Readonly<Record<string, string>> | undefined;
}

export interface DenyOptions extends VerdictOptions {
  /**
   * HTTP status the API server answers with, 0–65535.
   *
   * @default none: the API server uses 403
   */
  readonly code?: number | undefined;
}

export interface AcceptVerdict extends VerdictOptions {
  readonly kind: 'accept';
}

export interface DenyVerdict extends DenyOptions {
  readonly kind: 'deny';
  readonly message: string;
}

export interface MutateVerdict<Resource> extends VerdictOptions {
  readonly kind: 'mutate';
  readonly object: Resource;
}

/** What a policy says about a request. A denial is an ordinary value; an exception means that the policy failed. */
export type Verdict<Resource = unknown> = AcceptVerdict | DenyVerdict | MutateVerdict<Resource>;

/** Lets the request pass as it is. */
export function accept(options: VerdictOptions = {}): AcceptVerdict {
  return { ...options, kind: 'accept' };
}

/**
 * Rejects the request; `message` is what the user reads.
 *
 * @example
 * ```ts
 * return deny('privileged containers are not allowed: web', { code: 403 });
 * ```
 */
export function deny(message: string, options: DenyOptions = {}): DenyVerdict {
  return { ...options, kind: 'deny', message };
}

/**
 * Lets the request pass with `object` in place of the object that was sent. The object may be the request's own, edited in
 * place, or a copy. Numbers that were not touched keep their exact spelling, also integers that JavaScript cannot hold.
 */
export function mutate<Resource>(object: Resource, options: VerdictOptions = {}): MutateVerdict<Resource> {
  return { ...options, kind: 'mutate', object };
}
