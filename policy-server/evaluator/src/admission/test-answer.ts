import {
  parseJson,
  stringifyAdmissionResponse,
  type AdmissionResponse,
  type ExecutionMode,
} from '@portcullis/protocol';
import { responseFromGuest } from './response.ts';

export const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

export function answer(text: string, object?: string, mode?: ExecutionMode): AdmissionResponse {
  const request = { uid: 'u', ...(object && { object: parseJson(object) }), ...(mode && { mode }) };
  return responseFromGuest({ kind: 'response', bytes: encode(text) }, request);
}

export const line = (response: AdmissionResponse): string => stringifyAdmissionResponse(response);
export const patchOf = (response: AdmissionResponse): string => Buffer.from(response.patch ?? '', 'base64').toString();
export const patchText = (before: string, after: string): string =>
  patchOf(answer(`{"accepted":true,"mutated_object":${after}}`, before));
