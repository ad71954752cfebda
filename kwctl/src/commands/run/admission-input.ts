import {
  admissionRequestFrom,
  encodedAdmissionRequest,
  encodedRawRequest,
  JsonError,
  type JsonValue,
} from '@portcullis/protocol';
import type { EvaluationInput } from '@portcullis/evaluator';
import { KwctlError } from '../../errors.ts';

/**
 * Makes the request of the file: as it is for raw policies, else an AdmissionRequest, which an AdmissionReview may wrap.
 *
 * @param path - of the file, for error messages.
 * @throws KwctlError `request-invalid`
 */
export function evaluationInput(value: JsonValue, isRaw: boolean, path: string): EvaluationInput {
  if (isRaw) return { kind: 'raw', request: encodedRawRequest(value) };
  if (!(value instanceof Map)) throw invalid('Invalid request object', path);
  const request = value.get('kind') === 'AdmissionReview' ? value.get('request') : value;
  if (request === undefined) throw invalid('invalid AdmissionReview object', path);
  try {
    return { kind: 'kubernetes', request: encodedAdmissionRequest(admissionRequestFrom(request)) };
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw invalid(`cannot build AdmissionRequest object from given input: ${error.message}`, path);
  }
}

function invalid(problem: string, path: string): KwctlError {
  return new KwctlError('request-invalid', `${problem} (request file ${path === '-' ? '<stdin>' : path})`);
}
