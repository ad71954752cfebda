import { compareUtf8 } from './utf8.ts';

/** Why a request was refused; all three keys are always written. */
export interface StatusCause {
  reason: string | null;
  message: string | null;
  field: string | null;
}

export interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: StatusCause[];
  retryAfterSeconds?: number;
}

export interface AdmissionStatus {
  status?: 'Success' | 'Failure';
  message?: string;
  reason?: string;
  details?: StatusDetails;
  code?: number;
}

/** The `response` of an AdmissionReview. `auditAnnotations` and `warnings` are written even when `null`. */
export interface AdmissionResponse {
  uid: string;
  allowed: boolean;
  patchType?: 'JSONPatch';
  /** JSON Patch (RFC 6902) in base64. */
  patch?: string;
  status?: AdmissionStatus;
  auditAnnotations: Record<string, string> | null;
  warnings: string[] | null;
}

/** One compact line in the key order of policy servers. */
export function stringifyAdmissionResponse(response: AdmissionResponse): string {
  const { uid, allowed, patchType, patch, status, auditAnnotations, warnings } = response;
  return writeObject([
    ['uid', JSON.stringify(uid)],
    ['allowed', String(allowed)],
    ['patchType', stringify(patchType)],
    ['patch', stringify(patch)],
    ['status', status && stringifyStatus(status)],
    ['auditAnnotations', auditAnnotations === null ? 'null' : writeSorted(auditAnnotations)],
    ['warnings', JSON.stringify(warnings)],
  ]);
}

/** The answer of `/validate` and `/audit`. */
export function stringifyAdmissionReview(response: AdmissionResponse): string {
  const text = stringifyAdmissionResponse(response);
  return `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":${text}}`;
}

function stringifyStatus({ status, message, reason, details, code }: AdmissionStatus): string {
  return writeObject([
    ['status', stringify(status)],
    ['message', stringify(message)],
    ['reason', stringify(reason)],
    ['details', details && stringifyDetails(details)],
    ['code', stringify(code)],
  ]);
}

function stringifyDetails({ name, group, kind, uid, causes, retryAfterSeconds }: StatusDetails): string {
  const hasCauses = causes !== undefined && causes.length > 0;
  return writeObject([
    ['name', stringify(name)],
    ['group', stringify(group)],
    ['kind', stringify(kind)],
    ['uid', stringify(uid)],
    ['causes', hasCauses ? `[${causes.map(stringifyCause).join(',')}]` : undefined],
    ['retryAfterSeconds', stringify(retryAfterSeconds)],
  ]);
}

function stringifyCause({ reason, message, field }: StatusCause): string {
  return JSON.stringify({ reason, message, field });
}

function stringify(value: string | number | undefined): string | undefined {
  return value === undefined ? undefined : JSON.stringify(value);
}

function writeSorted(record: Record<string, string>): string {
  const keys = Object.keys(record).sort(compareUtf8);
  return writeObject(keys.map((key) => [key, stringify(record[key])]));
}

function writeObject(members: readonly (readonly [string, string | undefined])[]): string {
  const written = members.filter(([, text]) => text !== undefined);
  return `{${written.map(([key, text]) => `${JSON.stringify(key)}:${text}`).join(',')}}`;
}
