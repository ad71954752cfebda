import {
  messageOf,
  JsonError,
  parseJson,
  parseProtocolVersion,
  parseSettingsValidationResponse,
  type AdmissionResponse,
  type ExecutionMode,
  type JsonValue,
  type SettingsValidationResponse,
} from '@portcullis/protocol';
import { responseFromGuest } from '../admission/response.ts';
import type { GuestAnswer } from '../runtimes/runtime.ts';
import type { EvaluateOutcome, EvaluateTask } from './messages.ts';

/** Makes of a guest's bytes what the main thread wants to know; done on the worker thread, since it may be long. */
export function interpretAnswer(task: EvaluateTask, answer: GuestAnswer): EvaluateOutcome {
  switch (task.operation) {
    case 'validate_settings':
      return { kind: 'settings-validated', response: settingsResponse(answer, task.mode) };
    case 'protocol_version':
      return protocolVersion(answer);
    case 'validate':
      return { kind: 'validated', response: admissionResponse(task, answer) };
  }
}

function admissionResponse({ uid, mode, input }: EvaluateTask, answer: GuestAnswer): AdmissionResponse {
  let object: { readonly value: JsonValue | undefined } | undefined;
  return responseFromGuest(answer, {
    uid,
    mode,
    // Read only when a patch is to be computed: most answers have none.
    get object() {
      object ??= { value: mutableObject(input) };
      return object.value;
    },
  });
}

/** What a mutation is compared with: the object of an AdmissionRequest, the whole of a raw request. */
function mutableObject({ kind, request }: EvaluateTask['input']): JsonValue | undefined {
  const value = parseJson(request);
  if (kind === 'raw') return value;
  return value instanceof Map ? value.get('object') : undefined;
}

function settingsResponse(answer: GuestAnswer, mode: ExecutionMode): SettingsValidationResponse {
  if (answer.kind === 'failure') return { valid: false, message: answer.message };
  try {
    return parseSettingsValidationResponse(answer.bytes);
  } catch (error) {
    return { valid: false, message: settingsGarbage(error, mode) };
  }
}

/** The texts of policy servers, word for word. */
function settingsGarbage(error: unknown, mode: ExecutionMode): string {
  if (mode !== 'kubewarden-wapc') return `Cannot deserialize settings validation response: ${messageOf(error)}`;
  if (!(error instanceof JsonError)) return `error: ${messageOf(error)}`;
  const { detail, line, column } = error;
  return `error: InvalidResponseWithError(Error(${JSON.stringify(detail)}, line: ${line}, column: ${column}))`;
}

function protocolVersion(answer: GuestAnswer): EvaluateOutcome {
  if (answer.kind === 'failure') return { kind: 'answer-invalid', message: answer.message };
  try {
    return { kind: 'protocol-version', version: parseProtocolVersion(answer.bytes) };
  } catch (error) {
    return {
      kind: 'answer-invalid',
      message: `cannot understand the protocol version of the policy: ${messageOf(error)}`,
    };
  }
}
