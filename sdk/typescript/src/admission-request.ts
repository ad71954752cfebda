export interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

export interface GroupVersionResource {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
}

export interface UserInfo {
  readonly username?: string;
  readonly uid?: string;
  readonly groups?: string[];
  readonly extra?: Record<string, string[]>;
}

export type Operation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';

/**
 * `request` of an AdmissionReview (admission.k8s.io/v1), as the API server sends it.
 *
 * `Resource` describes what the cluster validated already only as far as the API server did: of a custom resource, or when the
 * policy is bound to kinds its author did not think of, fields may be missing or of another type.
 */
export interface AdmissionRequest<Resource = unknown> {
  readonly uid: string;
  readonly kind: GroupVersionKind;
  readonly resource: GroupVersionResource;
  readonly subResource?: string;
  /** The kind of the request before the API server converted it for this policy. */
  readonly requestKind?: GroupVersionKind;
  readonly requestResource?: GroupVersionResource;
  readonly requestSubResource?: string;
  readonly name?: string;
  readonly namespace?: string;
  readonly operation: Operation;
  readonly userInfo: UserInfo;
  /** Absent on DELETE. */
  readonly object?: Resource;
  /** Present on UPDATE and DELETE. */
  readonly oldObject?: Resource;
  readonly dryRun?: boolean;
  readonly options?: unknown;
}
